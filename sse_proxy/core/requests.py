"""What a request asks for, read from its method, path, headers and (when it is at hand) its JSON body.

The answer decides whether the response is a stream candidate at all: only then is anything of it held, looked into or
changed (DESIGN fact 16).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from .dialects import GENERIC, Dialect, dialect_for
from .documents import json_object
from .headers import RawHeaders, accepts, first, media_type

__all__ = ["RequestFacts", "Wish", "classify", "wants_body"]

_STREAM_TRUE = re.compile(rb'"stream"\s*:\s*true')
_MCP_HEADERS = (b"mcp-session-id", b"mcp-protocol-version")


class Wish(Enum):
    """Whether the client wants a stream."""

    #: No sign of it.
    NO = auto()
    #: The body asks for a stream, in a format that is not known to be SSE, or is too large to be looked into.
    MAYBE = auto()
    #: An event stream, so that ``200 text/event-stream`` may be sent before the upstream says anything.
    YES = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """Everything that later decisions need to know of the request."""

    dialect: Dialect
    wish: Wish
    #: ``Accept`` names ``text/event-stream``.
    accepts_sse: bool = False
    #: Comes from a page's script; hand-written readers there split on blank lines.
    browser: bool = False
    #: The client looks for errors only in events named ``error``.
    wants_named_errors: bool = False
    #: Silent by design (generic GET streams, MCP): no idle timeout.
    may_be_silent: bool = False
    #: Parallel answers asked for; 0 when the body that says so is too large to be looked into.
    choices: int = 1

    @property
    def candidate(self) -> bool:
        """Whether the response may be a stream."""
        return self.wish is not Wish.NO


def wants_body(method: str, path: str, headers: RawHeaders) -> bool:
    """Whether the request body has to be looked at before `classify`: a JSON POST, or one to a known API."""
    if method != "POST":
        return False
    kind = media_type(first(headers, b"content-type"))
    if kind == "application/json" or kind.endswith("+json"):
        return True
    # Clients forget the header (curl -d says urlencoded), servers do not mind; a multipart upload is another matter.
    return dialect_for(method, path) is not GENERIC and not kind.startswith("multipart/")


def classify(
    method: str,
    path: str,
    headers: RawHeaders,
    body: bytes | None,
    *,
    client_variants: bool = True,
) -> RequestFacts:
    """The facts of a request.

    Args:
        method: As on the wire.
        path: Decoded, without query.
        headers: Names in lower case.
        body: The whole body; None when it was not looked at, or is larger than what may be held.
        client_variants: Whether the client's own headers choose forms of heartbeat and error.
    """
    dialect = dialect_for(method, path)
    # Nothing follows the head of an answer to HEAD, so none can be promised or counted as a stream.
    accepts_sse = method != "HEAD" and accepts(headers, b"text/event-stream")
    asked = _asks_for_stream(body) if body else {}
    if accepts_sse or (asked and dialect is not GENERIC):
        wish = Wish.YES
    elif asked or (body is None and dialect is not GENERIC):
        wish = Wish.MAYBE
    else:
        wish = Wish.NO
    agent = (first(headers, b"user-agent") or b"").lower()
    return RequestFacts(
        dialect=dialect,
        wish=wish,
        accepts_sse=accepts_sse,
        browser=client_variants and first(headers, b"sec-fetch-mode") is not None,
        wants_named_errors=client_variants and b"langchain4j" in agent,
        may_be_silent=dialect is GENERIC and (method == "GET" or _is_mcp(headers, accepts_sse=accepts_sse)),
        choices=0 if body is None else _choices(asked),
    )


def _asks_for_stream(body: bytes) -> dict[str, object]:
    """The body's object if it holds ``"stream": true`` at its top level, else {}."""
    # A regular expression first: most large bodies are images in non-stream requests.
    if not _STREAM_TRUE.search(body):
        return {}
    document = json_object(body)
    return document if document is not None and document.get("stream") is True else {}


def _choices(asked: dict[str, object]) -> int:
    """``n`` for each prompt: the legacy completions take a list of them, where one prompt may be a list of tokens."""
    n, prompts = asked.get("n"), asked.get("prompt")
    answers = n if isinstance(n, int) and n > 1 else 1
    if isinstance(prompts, list) and not any(isinstance(token, int) for token in prompts):
        answers *= max(len(prompts), 1)
    return answers


def _is_mcp(headers: RawHeaders, *, accepts_sse: bool) -> bool:
    """Whether a client of MCP's Streamable HTTP asks; its first request has only ``Accept`` to tell by."""
    return (accepts_sse and accepts(headers, b"application/json")) or any(first(headers, name) for name in _MCP_HEADERS)
