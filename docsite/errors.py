"""The page of errors, from their classes, and from what each dialect makes of them."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator

from sse_proxy import errors
from sse_proxy.core.dialects import DIALECTS, GENERIC, Dialect, StreamState
from sse_proxy.errors import (
    ClientLeft,
    FirstEventTimeout,
    RequestError,
    SSEProxyError,
    Truncated,
    Unauthorized,
    UpstreamError,
    UpstreamReported,
)
from sse_proxy.errors_http import error_response, render_plain
from sse_proxy.resume import lost, recorder
from sse_proxy.streaming import detachment

from .markdown import bytes_code, code, document, fenced, prose, table

__all__ = ["page"]

#: Of the tree, which are never raised themselves.
_BRANCHES = (ClientLeft, RequestError, UpstreamError)
_LEADING_STATUS = re.compile(r"^\d{3}: ")


def page() -> str:
    """docs/reference/errors.md."""
    tree = textwrap.dedent((inspect.getdoc(errors) or "").split("\n\n")[2])
    return document(
        "Errors",
        "What a client gets when something fails. Before the answer has begun: a status, JSON and advice whether to "
        "send "
        "the request again. After it: an event in the form of the API, in the stream. `code` is the name of the "
        "[outcome](outcomes.md); no message holds an address of the upstream.",
        "## All of them",
        "`x-should-retry`: whether sending the request again can generate, and bill, a second time: `true` where the "
        "upstream never had it, `false` where it may have; none where the request itself was wrong. The SDKs of "
        "OpenAI and Anthropic obey it.",
        table(("error", "status", "`code`", "`type`", "`x-should-retry`", "`retry-after`", "when"), _rows()),
        "An error that the upstream reports itself is passed on as it is, with its own status where it names a 4xx "
        "or 5xx.",
        "## The tree",
        fenced(tree.replace("``", "")),
        "## Before the answer has begun",
        "A refusal of the proxy, where no API is known:",
        fenced(_example(), "http"),
        "The body of a timeout (504), by API:",
        table(("dialect", "body"), _bodies()),
        "## In the stream",
        "What follows the last whole event when the upstream's stream ends too early, for clients of event streams, "
        "and for "
        "those that get the server's own framing. *then*: what becomes of the connection. An abort is what is left "
        "where a "
        "clean end would pass for success.",
        table(("dialect", "framing", "bytes", "then"), _frames()),
    )


def _classes() -> Iterator[type[SSEProxyError]]:
    """Every error that can reach a client or the log, in the order of the source."""
    for module in (errors, lost, recorder, detachment):
        found = [
            item
            for item in vars(module).values()
            if isinstance(item, type) and issubclass(item, SSEProxyError) and item.__module__ == module.__name__
        ]
        yield from (item for item in found if item is not SSEProxyError)


def _rows() -> Iterator[tuple[str, ...]]:
    for kind in _classes():
        if kind in _BRANCHES:
            continue
        if kind.status == ClientLeft.status:
            advice, after = "nobody is told", ""
        else:
            sent = dict(error_response(kind(), body=b"")[0]["headers"])
            advice = code(sent.get(b"x-should-retry", b"").decode())
            after = code(sent.get(b"retry-after", b"").decode())
        status = "its own, else 502" if kind is UpstreamReported else str(kind.status)
        name, meaning = kind.__name__, _LEADING_STATUS.sub("", prose(inspect.getdoc(kind)))
        yield code(name), status, code(kind.outcome.value), code(kind.error_type), advice, after, meaning


def _example() -> str:
    error = Unauthorized()
    start, body = error_response(error, body=render_plain(error))
    lines = [f"HTTP/1.1 {start['status']} Unauthorized"]
    lines += [f"{name.decode()}: {value.decode()}" for name, value in start["headers"]]
    return "\n".join([*lines, "", body["body"].decode()])


def _rowed() -> tuple[Dialect, ...]:
    return (*DIALECTS, GENERIC)


def _bodies() -> Iterator[tuple[str, str]]:
    shapes: dict[bytes, list[str]] = {}
    for dialect in _rowed():
        shapes.setdefault(dialect.error_body(FirstEventTimeout("MESSAGE")), []).append(dialect.name)
    for body, names in shapes.items():
        yield ", ".join(map(code, names)), bytes_code(body)


def _frames() -> Iterator[tuple[str, str, str, str]]:
    for dialect in _rowed():
        for voice, framing in ((dialect, "event stream"), (dialect.native, dialect.framing.name.lower())):
            if voice is None:
                continue
            frame = voice.error_frame(Truncated("MESSAGE"), StreamState())
            then = "abort" if voice.aborts_after_error or not frame else "a clean end"
            yield code(dialect.name), framing, bytes_code(frame), then
