"""The requests that the doctor makes of the one that its user gave: probes, preflights, redirects. Pure."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urljoin, urlsplit, urlunsplit

from ..core.probing import PROBE, Plan
from ..core.target import RESERVED_PREFIX
from .judge_more import SAFELISTED
from .observed import Answer, Request

__all__ = ["as_browser", "preflight_of", "probe_request", "probe_urls", "redirected", "with_header"]

_PATH = RESERVED_PREFIX + PROBE
#: What a browser offers, so that a hop that compresses does so here too.
_CODINGS = "gzip, deflate, br, zstd"
#: Not sent to another origin than the user named.
_CREDENTIALS = frozenset({"api-key", "authorization", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"})


def as_browser(request: Request, origin: str | None) -> Request:
    """*request* with what browsers add that hops look at, where it has none of it."""
    if request.header("accept-encoding") is None:
        request = with_header(request, "Accept-Encoding", _CODINGS)
    return with_header(request, "Origin", origin) if origin else request


def with_header(request: Request, name: str, value: str) -> Request:
    """*request* with this header in place of any by that name."""
    others = tuple(pair for pair in request.headers if pair[0].lower() != name.lower())
    return replace(request, headers=(*others, (name, value)))


def probe_urls(url: str) -> list[str]:
    """Where the probe of a proxy may be that serves *url*: at its root, and below *url* where that is no root."""
    parts = urlsplit(url)
    if _PATH in parts.path:
        return [_at(url, parts.path[: parts.path.index(_PATH)] + _PATH)]
    paths = [_PATH, parts.path.rstrip("/") + _PATH]
    return [_at(url, path) for path in dict.fromkeys(paths)]


def _at(url: str, path: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def probe_request(url: str, plan: Plan, asked: Request, *, method: str = "GET") -> Request:
    """A probe at *url*, with the headers that the user gave for *asked*, credentials among them."""
    headers = tuple(pair for pair in asked.headers if pair[0].lower() not in {"accept", "content-type"})
    query = plan.query()
    probe = Request(
        method=method,
        url=f"{url}?{query}" if query else url,
        headers=(*headers, ("Accept", "text/event-stream")),
        body=b"{}" if method == "POST" else b"",
    )
    return as_browser(probe, None)


def preflight_of(request: Request, origin: str) -> Request | None:
    """What a browser asks before a page of *origin* may make *request*; None where it just makes it."""
    names = sorted({name.lower() for name, _value in request.headers} - SAFELISTED - {"accept-encoding", "origin"})
    if request.method in {"GET", "HEAD"} and not names:
        return None
    headers = [("Origin", origin), ("Access-Control-Request-Method", request.method)]
    if names:
        headers.append(("Access-Control-Request-Headers", ",".join(names)))
    return Request(method="OPTIONS", url=request.url, headers=tuple(headers))


def redirected(answer: Answer) -> Request | None:
    """The request that *answer* sends a client to, as browsers make it; None where it is no redirect."""
    location = answer.header("location")
    if answer.status not in {301, 302, 303, 307, 308} or not location:
        return None
    request = answer.request
    url = urljoin(request.url, location)
    if urlsplit(url).scheme not in {"http", "https"}:
        return None
    if answer.status not in {307, 308} and request.method != "HEAD":
        headers = tuple(pair for pair in request.headers if pair[0].lower() not in {"content-type", "content-length"})
        request = replace(request, method="GET", body=b"", headers=headers)
    if _origin(url) != _origin(request.url):
        headers = tuple(pair for pair in request.headers if pair[0].lower() not in _CREDENTIALS)
        request = replace(request, headers=headers)
    return replace(request, url=url)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
