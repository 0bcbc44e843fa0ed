"""`core.target`: what is, or could be read as, a path under ``/-/sse-proxy/`` is ours; all else is the upstream's."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from sse_proxy.core.target import own_path, reserved_name


@pytest.mark.parametrize(
    "raw_path, root_path, expected",
    [
        ("/v1/a%20b", "", (b"/v1/a%20b", "/v1/a b")),
        ("/llm/v1", "/llm", (b"/v1", "/v1")),
        ("/llm/v1", "/llm/", (b"/v1", "/v1")),
        ("/llm2/v1", "/llm", (b"/llm2/v1", "/llm2/v1")),
        ("/llmX/v1", "/llmX", (b"/v1", "/v1")),
        ("http://api.example/v1/a%20b", "", (b"/v1/a%20b", "/v1/a b")),
        ("HTTP://api.example:80/-/sse-proxy/x//y", "", (b"/-/sse-proxy/x//y", "/-/sse-proxy/x//y")),
        ("http://api.example", "", (b"/", "/")),
        ("/http://api.example/v1", "", (b"/http://api.example/v1", "/http://api.example/v1")),
        ("*", "", (b"*", "*")),
    ],
)
def test_our_path_begins_at_the_mount_point(raw_path: str, root_path: str, expected: tuple[bytes, str]) -> None:
    """And behind the authority, where the target is in absolute form."""
    scope = {"path": unquote(raw_path), "raw_path": raw_path.encode(), "root_path": root_path}
    assert own_path(scope) == expected


def test_the_raw_path_is_optional() -> None:
    """As ASGI has it, and so is the root path."""
    assert own_path({"path": "/\xe4"}) == ("/\xe4".encode(), "/\xe4")


@pytest.mark.parametrize(
    "raw_path, expected",
    [
        ("/-/sse-proxy/healthz", "healthz"),
        ("/-/sse-proxy/", "playground"),
        ("/%2D/sse%2dproxy/healthz", "healthz"),
        ("/-/sse-proxy/streams/1", "streams/1"),
        ("/-/sse-proxy/../v1/models", "../v1/models"),
        ("/-/sse-proxy/%2e%2e/v1/models", "../v1/models"),
        ("/-/sse-proxy//healthz", "/healthz"),
    ],
)
def test_the_name_is_what_follows_the_prefix(raw_path: str, expected: str) -> None:
    """Percent-encoding is undone once, as HTTP asks; nothing else is touched."""
    assert reserved_name(raw_path.encode(), unquote(raw_path)) == expected


@pytest.mark.parametrize(
    "raw_path",
    [
        "/-/sse-proxy",
        "//-/sse-proxy/healthz",
        "/-//sse-proxy/healthz",
        "/./-/./sse-proxy/healthz",
        "/v1/../-/sse-proxy/healthz",
        "/v1/%2e%2e/-/sse-proxy/healthz",
        "/../../-/sse-proxy/healthz",
        "/-/x/../sse-proxy/healthz",
        "/-/x/y/../../sse-proxy/healthz",
        "//-/sse-proxy/%2e%2e/x",
        "/./-/sse-proxy/%2e%2e",
        "//-/sse-proxy/a/%2e%2e/%2e%2e/v1",
        "//-/sse-proxy/%2E%2E/y",
        "/-%2Fsse-proxy%2Fhealthz/../x",
        "/-%2fsse-proxy",
        "/-/SSE-Proxy/healthz",
        "/-\\sse-proxy\\healthz",
        "/-%5csse-proxy%5chealthz",
        "/%252D/sse-proxy/healthz",
        "/%25252D/sse-proxy/healthz",
        "-/sse-proxy/healthz",
    ],
)
def test_a_disguise_is_ours_and_names_nothing(raw_path: str) -> None:
    """Dot segments, slashes, case, double encoding and the absolute form do not lead past us."""
    name = reserved_name(raw_path.encode(), unquote(raw_path))
    assert name in {"", "healthz/../x"}


@pytest.mark.parametrize(
    "raw_path",
    [
        "/",
        "",
        "*",
        "/v1/chat/completions",
        "/-/",
        "/-/sse-proxyx/healthz",
        "/-/healthz",
        "/x/-/sse-proxy/healthz",
        "//-/sse-proxy/../v1/models",
        "/http://-/sse-proxy/healthz",
        "/%ff%fe",
        "/\xe4",
    ],
)
def test_every_other_path_is_the_upstreams(raw_path: str) -> None:
    """However odd it is."""
    assert reserved_name(raw_path.encode("latin-1"), unquote(raw_path)) is None


def test_a_path_made_of_escapes_costs_little() -> None:
    """Decoding is bounded, so a path that unfolds for ever does not hold the loop."""
    raw_path = "/" + "%25" * 20_000
    assert reserved_name(raw_path.encode(), unquote(raw_path)) is None
