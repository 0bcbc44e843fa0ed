"""What a dialect is: one row of data and small functions per API (reference: formats.md § A to § C).

A row answers, without I/O: is this request for it, does it ask for a stream, is this event the upstream's own ping,
what does it change in the `StreamState`, what does it add to the answer; and, as a `Voice`, which bytes are a
heartbeat, an error, an ending. Adding a dialect means adding a row to the table in ``__init__`` and its tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import UpstreamReported
from ..framers.base import Framing
from ..headers import RawHeaders
from ..sse import Event
from .deltas import Delta
from .state import JSONObject, StreamState
from .voice import Voice

__all__ = [
    "ANY_PATH", "Dialect", "JSONObject", "Sign", "StreamState", "compact",
    "free_keys", "quiet_key", "reported_error",
    "usage_counts",
]  # fmt: skip

#: For `Dialect.paths`: every path; `Dialect.claims` decides.
ANY_PATH = ("",)

#: Larger counts are nonsense, and a float (a counter is one) could not hold them.
_MAX_COUNT = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """What a request shows of the API that it is for."""

    method: str = "POST"
    #: Decoded, without query and without slashes at its end.
    path: str
    query: bytes = b""
    headers: RawHeaders = ()
    #: The body's JSON object, {} when it is none; None when the body was not looked into: then the path has to do.
    document: JSONObject | None = None


def _asks(document: JSONObject) -> bool:
    return document.get("stream") is True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect(Voice):
    """One row of the table; as a `Voice` it speaks the event stream of its API."""

    #: The label value in the metrics.
    name: str

    # How a request, or else the response, tells the API.
    #: Path endings by which a request is recognised: () fits no request, `ANY_PATH` every one.
    paths: tuple[str, ...] = ()
    #: Methods of requests that are recognised.
    methods: tuple[str, ...] = ("POST",)
    #: What else must be true of such a request.
    claims: Callable[[Sign], bool] = lambda _sign: True
    #: `claims` or `asks` looks at more of the body than ``"stream": true``: it is parsed even without that.
    reads_body: bool = False
    #: Whether the request's JSON object asks for a stream.
    asks: Callable[[JSONObject], bool] = _asks
    #: The path alone asks for a stream.
    always_streams: bool = False
    #: Name and value (or its beginning), lower case, of a response header that tells the API.
    response_header: tuple[bytes, bytes] | None = None
    #: Whether the first event of a stream that no other sign was known of is this API's; None: cannot be told.
    speaks: Callable[[Event, JSONObject], bool] | None = None

    # What its server writes.
    framing: Framing = Framing.SSE
    #: For clients that expect the server's own framing; None where that is SSE.
    native: Voice | None = None
    #: Every payload is one JSON document or ``[DONE]``: the repairs of `core.repair` apply.
    json: bool = True
    #: Bytes that every event worth parsing holds, unless it is told by `quiet`; an event without any of them is only
    #: counted. Rows whose server writes no SSE have none: of those, every event is looked into.
    markers: tuple[bytes, ...] = ()
    #: Keys that say something only where their value is another one than this, by `quiet_key`.
    quiet: tuple[tuple[bytes, bytes, bytes], ...] = ()
    #: Fold an event (payload parsed where it is a JSON object, else {}) into the state.
    inspect: Callable[[Event, JSONObject, StreamState], None]
    #: Whether the event is the upstream's own keep-alive, to be swallowed.
    is_ping: Callable[[Event], bool] = lambda _event: False
    #: What an event adds to the answer; called, after `inspect`, for output shapes only.
    deltas: Callable[[Event, JSONObject, StreamState], list[Delta]] = lambda _event, _payload, _state: []
    #: The stream's events for an answer that came as one JSON document although a stream was asked for; None: the
    #: document is itself an event.
    from_document: Callable[[JSONObject], list[Event] | None] = lambda _document: None
    #: Its events have the type that their payload's ``type`` says, and clients go by that.
    names_events: bool = False
    #: Its clients take ``[DONE]`` for the end even within a text: there it is escaped. It has to be a marker.
    hides_done: bool = False
    #: Its clients raise on everything but ``data``: ids, types and reconnection times of events are dropped.
    only_data: bool = False
    #: Makes the payload of a record that is packed in another one its data.
    unpack: Callable[[Event], Event] = lambda event: event
    #: A request may ask for several answers in one stream: unless it is one, every event is looked into.
    parallel: bool = False
    #: Its server gives events ids of its own, by which clients resume: they pass as they are, and ours yield to them
    #: (`core.numbering`).
    numbers_events: bool = False
    #: A clean end of the body completes the stream, whatever was seen, but for `StreamState.owes_end`.
    completes_at_end: bool = False
    #: Types of events that its server writes without data: to the grammar they are none.
    dataless: frozenset[bytes] = frozenset()
    #: Where the values of keys begin that say nothing of the stream (`free_keys`): text, and numbers that count.
    #: None where a text may have to be changed (`hides_done`).
    free: re.Pattern[bytes] | None = None
    #: What `StreamState.last` is to hold; None when the dialect needs nothing of what has passed.
    keeps: re.Pattern[bytes] | None = None

    def is_quiet(self, chunk: bytes) -> bool:
        """Whether no event of *chunk* says anything of the stream, so that all may pass unseen."""
        find = chunk.find  # half the price of `in`, which first tries to take the marker for a number
        for marker in self.markers:
            if find(marker) >= 0:
                return False
        for key, silent, spaced in self.quiet:
            keys = chunk.count(key)
            if keys and keys != chunk.count(silent) and keys != chunk.count(spaced):
                return False
        return True


def free_keys(*keys: str) -> re.Pattern[bytes]:
    """For `Dialect.free`: where the value of one of *keys* begins, if it is a string or a number."""
    return re.compile(rb'"(?:%b)": ?(?:"|(?=[0-9]))' % "|".join(map(re.escape, keys)).encode())


def quiet_key(key: str, value: str = "null") -> tuple[bytes, bytes, bytes]:
    """For `Dialect.quiet`: *key*, and as servers write it with the *value* that says nothing."""
    return f'"{key}"'.encode(), f'"{key}":{value}'.encode(), f'"{key}": {value}'.encode()


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
