"""`doctor.requests`: the requests that are made of the user's."""

from __future__ import annotations

import pytest

from sse_proxy.core.probing import Plan
from sse_proxy.doctor.observed import Request
from sse_proxy.doctor.requests import as_browser, preflight_of, probe_request, probe_urls, redirected, with_header

from .doctor_cases import answer

PAGE = "https://app.example"
POST = Request(
    method="POST",
    url="https://a.example/v1/chat?x=1",
    headers=(("Content-Type", "application/json"), ("Authorization", "Bearer secret"), ("Accept", "*/*")),
    body=b"{}",
)


@pytest.mark.parametrize(
    "url, expected",
    [
        ("http://a", ["http://a/-/sse-proxy/probe"]),
        ("http://a:8/", ["http://a:8/-/sse-proxy/probe"]),
        ("http://a/llm/", ["http://a/-/sse-proxy/probe", "http://a/llm/-/sse-proxy/probe"]),
        ("http://a/llm?x=1", ["http://a/-/sse-proxy/probe", "http://a/llm/-/sse-proxy/probe"]),
        ("http://a/llm/-/sse-proxy/probe?events=3", ["http://a/llm/-/sse-proxy/probe"]),
    ],
)
def test_a_probe_is_looked_for_at_the_root_and_below(url: str, expected: list[str]) -> None:
    """A proxy may be mounted below a path; one that is named is the one."""
    assert probe_urls(url) == expected


def test_a_probe_has_the_credentials_of_the_request() -> None:
    """And asks for a stream, as a browser would."""
    probe = probe_request("https://a.example/-/sse-proxy/probe", Plan(events=3), POST)
    assert (probe.method, probe.url, probe.body) == ("GET", "https://a.example/-/sse-proxy/probe?events=3", b"")
    assert probe.headers == (
        ("Authorization", "Bearer secret"),
        ("Accept", "text/event-stream"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
    )
    assert probe_request("http://a/p", Plan(), POST, method="POST").body == b"{}"
    assert probe_request("http://a/p", Plan(), POST).url == "http://a/p"


def test_a_header_that_the_user_gave_is_kept() -> None:
    """Who asks for no compression gets none."""
    own = with_header(POST, "accept-encoding", "identity")
    assert as_browser(own, None) == own
    assert as_browser(own, PAGE).header("origin") == PAGE
    assert with_header(POST, "accept", "text/plain").header("accept") == "text/plain"
    assert len(with_header(POST, "accept", "text/plain").headers) == len(POST.headers)


def test_a_preflight_asks_for_what_no_page_may_send_unasked() -> None:
    """Fetch § 4.8: a method or a header that is not safelisted."""
    preflight = preflight_of(as_browser(POST, PAGE), PAGE)
    assert preflight is not None
    assert (preflight.method, preflight.url) == ("OPTIONS", POST.url)
    assert preflight.headers == (
        ("Origin", PAGE),
        ("Access-Control-Request-Method", "POST"),
        ("Access-Control-Request-Headers", "authorization,content-type"),
    )
    assert preflight_of(Request(url="http://a", headers=(("Accept", "x"),)), PAGE) is None
    bare = preflight_of(Request(method="DELETE", url="http://a"), PAGE)
    assert bare is not None
    assert bare.header("access-control-request-headers") is None


@pytest.mark.parametrize(
    "status, location, expected",
    [
        (200, "/b", None),
        (302, "", None),
        (302, "ftp://a.example/", None),
        (307, "/b", ("POST", "https://a.example/b", b"{}", True)),
        (308, "b", ("POST", "https://a.example/v1/b", b"{}", True)),
        (302, "/b", ("GET", "https://a.example/b", b"", True)),
        (307, "https://evil.example/b", ("POST", "https://evil.example/b", b"{}", False)),
        (307, "http://a.example/b", ("POST", "http://a.example/b", b"{}", False)),
    ],
)
def test_a_redirect_is_followed_as_browsers_do(
    status: int, location: str, expected: tuple[str, str, bytes, bool] | None
) -> None:
    """Without the body where the status says so, and without credentials to another origin."""
    found = redirected(answer(status=status, headers=(("location", location),), request=POST))
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert (found.method, found.url, found.body, found.header("authorization") is not None) == expected
    assert (found.header("content-type") is not None) == bool(found.body)
