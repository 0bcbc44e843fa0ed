"""`cors`: CORS of our own, as INTERFACE "CORS" has it."""

from __future__ import annotations

import pytest

from sse_proxy.core.headers import HeaderList
from sse_proxy.cors import CorsPolicy

APP = b"https://app.example"
EXPOSED = (b"access-control-expose-headers", b"X-Stream-Id, Location, X-Request-Id, Retry-After")
CREDENTIALS = (b"access-control-allow-credentials", b"true")
VARY = (b"vary", b"Origin")


def allow(origin: bytes) -> tuple[bytes, bytes]:
    """The field that lets *origin* read the response."""
    return (b"access-control-allow-origin", origin)


@pytest.mark.parametrize(
    "method, headers, expected",
    [
        ("OPTIONS", [(b"Origin", APP), (b"Access-Control-Request-Method", b"POST")], True),
        ("OPTIONS", [(b"origin", APP)], False),
        ("OPTIONS", [(b"access-control-request-method", b"POST")], False),
        ("POST", [(b"origin", APP), (b"access-control-request-method", b"POST")], False),
    ],
)
def test_a_preflight_has_both_fields(method: str, headers: HeaderList, expected: bool) -> None:
    """Any other OPTIONS request is for the upstream."""
    assert CorsPolicy(["*"]).is_preflight(method, headers) is expected


@pytest.mark.parametrize(
    "listed, origin, expected",
    [
        ([APP.decode()], APP, [allow(APP), EXPOSED, CREDENTIALS, VARY]),
        (["HTTPS://App.Example/ "], APP, [allow(APP), EXPOSED, CREDENTIALS, VARY]),
        ([APP.decode()], b"https://evil.example", [VARY]),
        ([APP.decode()], b"https://app.example.evil", [VARY]),
        ([APP.decode()], b"null", [VARY]),
        ([APP.decode()], None, [VARY]),
        (["*"], b"https://any.example", [allow(b"*"), EXPOSED]),
        (["*"], None, [allow(b"*"), EXPOSED]),
        (["*", APP.decode()], APP, [allow(APP), EXPOSED, CREDENTIALS, VARY]),
        (["*", APP.decode()], b"https://any.example", [allow(b"*"), EXPOSED, VARY]),
    ],
)
def test_a_response_names_the_origin_that_may_read_it(
    listed: list[str], origin: bytes | None, expected: HeaderList
) -> None:
    """A listed origin with credentials, one let in by ``*`` without; Vary where the answer depends on it."""
    assert CorsPolicy(listed).response_headers(origin, []) == expected


def test_the_upstreams_own_cors_is_dropped() -> None:
    """Two values of Access-Control-Allow-Origin are none to a browser."""
    upstream = [(b"Access-Control-Allow-Origin", b"*"), (b"x", b"1"), (b"access-control-max-age", b"1")]
    assert CorsPolicy(["*"]).response_headers(APP, upstream) == [(b"x", b"1"), allow(b"*"), EXPOSED]


@pytest.mark.parametrize("vary", [b"origin", b"Accept, Origin", b"*"])
def test_vary_is_not_said_twice(vary: bytes) -> None:
    """An upstream may vary by origin already."""
    upstream = [(b"Vary", vary)]
    assert CorsPolicy([APP.decode()]).response_headers(None, upstream) == upstream


def test_a_preflight_echoes_what_was_asked_for() -> None:
    """Method and headers as requested, over several lines too, since ``*`` would not cover Authorization."""
    request = [
        (b"origin", APP),
        (b"access-control-request-method", b"DELETE"),
        (b"access-control-request-headers", b"authorization,content-type"),
        (b"access-control-request-headers", b"x-stainless-os"),
    ]
    assert CorsPolicy([APP.decode()]).preflight_headers(request, []) == [
        allow(APP),
        EXPOSED,
        CREDENTIALS,
        VARY,
        (b"access-control-allow-methods", b"DELETE"),
        (b"access-control-allow-headers", b"authorization,content-type, x-stainless-os"),
        (b"access-control-max-age", b"7200"),
        (b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]


@pytest.mark.parametrize("asked", [b"", b"x y", b'x"', b"x,,y", b"x;y"])
def test_a_preflight_echoes_nothing_that_is_no_list_of_tokens(asked: bytes) -> None:
    """A response field is made of what the grammar allows only."""
    request = [(b"origin", APP), (b"access-control-request-method", b"GET"), (b"access-control-request-headers", asked)]
    names = [name for name, _ in CorsPolicy(["*"]).preflight_headers(request, [])]
    assert names[2:] == [b"access-control-allow-methods", b"access-control-max-age", b"vary"]


def test_an_unwelcome_origin_learns_nothing() -> None:
    """Without Access-Control fields the browser refuses by itself."""
    request = [(b"origin", b"https://evil.example"), (b"access-control-request-method", b"GET")]
    assert CorsPolicy([APP.decode()]).preflight_headers(request, []) == [VARY]
