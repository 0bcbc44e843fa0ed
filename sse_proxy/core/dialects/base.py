"""What a dialect is: one row of data and small functions per API (reference: formats.md § B3 and § C).

A row answers, without I/O: is this event the upstream's own ping, what does it change in the `StreamState`, which bytes
are a heartbeat, an error, an ending. Adding a dialect means adding a row to the table in ``__init__`` and its tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from ...errors import SSEProxyError, UpstreamReported
from ..sse import Event

__all__ = ["Dialect", "JSONObject", "StreamState", "compact", "reported_error", "usage_counts"]

JSONObject = dict[str, object]

#: Larger counts are nonsense, and a float (a counter is one) could not hold them.
_MAX_COUNT = 2**53


@dataclass(slots=True)
class StreamState:
    """What is known of one stream so far; written by `Dialect.inspect`, read by everyone else."""

    #: Parallel answers that the request asked for; 0 when that is not known.
    choices: int = 1
    #: The client looks for errors only in events named ``error``.
    wants_named_errors: bool = False
    #: ``id``, ``model`` and the like of the first event, for no-op events that look like its siblings.
    identity: JSONObject = field(default_factory=dict)
    #: A payload event has passed.
    started: bool = False
    #: Any event carried an ``id``; then a blank line after a comment kills clients (DESIGN fact 1).
    has_ids: bool = False
    #: The answers that have begun, by index; collected only while `choices` is not known.
    seen_choices: set[int] = field(default_factory=set)
    #: The answers that have their finish signal, by index.
    finished_choices: set[int] = field(default_factory=set)
    #: The dialect's finish signal was seen: the answer is complete even if the terminator is missing.
    finished: bool = False
    #: The dialect's terminator was seen: nothing more is to come.
    terminated: bool = False
    #: The upstream's own error event, once one was seen.
    error: UpstreamReported | None = None
    #: Token counts of the last usage that the upstream reported, by type.
    usage: dict[str, int] = field(default_factory=dict)
    #: The last event, or chunk of events, in which `Dialect.keeps` was found.
    last: bytes = b""

    @property
    def complete(self) -> bool:
        """Whether the answer is known to be whole."""
        return (self.finished or self.terminated) and self.error is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One row of the table."""

    name: str
    #: Path endings by which a POST is recognised.
    paths: tuple[str, ...] = ()
    #: Every payload is one JSON document or ``[DONE]``: the repairs of `core.repair` apply.
    json: bool = True
    #: Bytes that every event worth parsing holds; an event without any of them is only counted.
    markers: tuple[bytes, ...] = ()
    #: Fold an event (payload parsed where it is a JSON object, else {}) into the state.
    inspect: Callable[[Event, JSONObject, StreamState], None]
    #: Whether the event is the upstream's own keep-alive, to be swallowed.
    is_ping: Callable[[Event], bool] = lambda _event: False
    #: The first-tier heartbeat while no ``id`` is on the wire; with ids it is ``: ping`` and one LF.
    comment: bytes = b": ping\n"
    #: The dialect's own event that changes nothing; None while there is none that is safe.
    noop: Callable[[StreamState], bytes | None] = lambda _state: None
    #: The no-op event is the dialect's native ping and better than a comment.
    prefers_noop: bool = False
    #: The JSON error document of an answer that has not begun.
    error_body: Callable[[SSEProxyError], bytes]
    #: The in-stream error, its terminator included where the dialect has one.
    error_frame: Callable[[SSEProxyError, StreamState], bytes]
    #: After an error frame: True aborts the connection, since a clean end would look like success.
    aborts_after_error: bool = False
    #: Written when a complete answer ends without it, and after the upstream's own error where `ends_errors`.
    terminator: bytes = b""
    #: The terminator follows error events too.
    ends_errors: bool = False
    #: A request may ask for several answers in one stream: unless it is one, every event is looked into.
    parallel: bool = False
    #: A clean end of the body completes the stream, whatever was seen.
    completes_at_end: bool = False
    #: What `StreamState.last` is to hold; None when the dialect needs nothing of what has passed.
    keeps: re.Pattern[bytes] | None = None


def compact(document: object) -> bytes:
    """JSON without white space, safe for line readers: U+2028, U+2029 and U+0085 come out escaped."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=True).encode()


def reported_error(payload: JSONObject, data: bytes) -> UpstreamReported:
    """The error that the upstream's own event *payload* tells of, with its status where it names a 4xx or 5xx."""
    found = payload.get("error")
    error = found if isinstance(found, dict) else payload
    message = error.get("message", found)
    status = next((n for key in ("code", "status", "http_status_code") if (n := _status(error.get(key)))), 502)
    return UpstreamReported(message if isinstance(message, str) else "", status=status, body=data)


def _status(value: object) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len("599"):
        value = int(value)
    return value if isinstance(value, int) and 400 <= value <= 599 else 0


def usage_counts(usage: object, names: dict[str, str]) -> dict[str, int]:
    """The counts in a usage object, renamed by *names* (``a.b`` reaches one level down); absent ones are left out."""
    counts: dict[str, int] = {}
    if not isinstance(usage, dict):
        return counts
    for path, name in names.items():
        outer, _, inner = path.partition(".")
        value = usage.get(outer)
        if inner:
            value = value.get(inner) if isinstance(value, dict) else None
        if type(value) is int and 0 <= value < _MAX_COUNT:  # a bool is an int too
            counts[name] = value
    return counts
