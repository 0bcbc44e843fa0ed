"""The probe's vocabulary, which the proxy writes and the doctor reads: what may be asked of it, and its events.

A probe is an event stream that says of each event when it was written, so that whoever reads it behind a chain of hops
can tell what was held back on the way. What is asked for is bounded here (`Plan`); the number at a time is the
endpoint's business (`sse_proxy.probe`).

Events, each with one JSON object as its data; ``n`` counts from 0 and ``offset`` is seconds since the request came in:

``start``   what arrived of the request, what was answered, and the plan
``tick``    ``{"n","offset","wall"}`` and ``padding``, which does not compress
``end``     as a tick, the last one: without it the stream was cut
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from ..errors import BadRequest
from .headers import RawHeaders
from .sse import Event, encode

__all__ = ["MAX_SECONDS", "PROBE", "Plan", "event_bytes", "events_of", "padding_of", "plan_of", "shown_headers"]

#: The reserved name of the endpoint.
PROBE = "probe"

#: A stream's length, all in all: over the longest limits of hops that one would wait for (15 minutes).
MAX_SECONDS = 1200.0
#: A stream's padding, all in all, and what of it may be written in a second: enough to fill any buffer of a hop.
MAX_PADDING_BYTES = 4_194_304
MAX_BYTES_PER_SECOND = 1_048_576

_NONCE = re.compile(r"[A-Za-z0-9_-]{1,64}")

# What hops tell about themselves. Nothing else of a request is shown, so no credential is; X-Request-Id and the like
# are left out as well, since nothing is found by them.
_SHOWN = frozenset({
    b"accept", b"accept-encoding", b"cache-control", b"cdn-loop", b"connection", b"content-length", b"forwarded",
    b"host", b"keep-alive", b"last-event-id", b"te", b"transfer-encoding", b"upgrade", b"user-agent", b"via",
    b"x-real-ip",
})  # fmt: skip
_SHOWN_PREFIXES = (b"x-forwarded-", b"x-envoy-expected-", b"x-envoy-attempt-", b"x-envoy-external-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one probe does; every bound is checked by `plan_of`."""

    #: Ticks between ``start`` and ``end``.
    events: int = 20
    #: Seconds before each write of ticks.
    interval: float = 0.1
    #: Seconds of silence before ``end``.
    idle: float = 0.0
    #: Seconds between comments in that silence; 0 for none.
    heartbeat: float = 0.0
    #: Bytes of padding in each tick.
    padding: int = 0
    #: Ticks that are written at once.
    burst: int = 1
    #: Every event has an id, its ``n``.
    ids: bool = False
    #: By which requests that belong together are counted; empty for none.
    nonce: str = ""
    #: Count the request, and close the connection without an answer, as a server does that dies of it.
    drop: bool = False

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return math.ceil(self.events / self.burst) * self.interval + self.idle

    def query(self) -> str:
        """The query string that asks for it."""
        wanted = {name: value for name, value in asdict(self).items() if value != getattr(_DEFAULT, name)}
        return "&".join(f"{name}={int(value) if isinstance(value, bool) else value}" for name, value in wanted.items())


_DEFAULT = Plan()
#: Smallest and largest value of each number.
_BOUNDS: Mapping[str, tuple[float, float]] = {
    "events": (1, 5000),
    "interval": (0.01, 60),
    "idle": (0, MAX_SECONDS),
    "heartbeat": (0, MAX_SECONDS),
    "padding": (0, 65_536),
    "burst": (1, 1000),
}


def plan_of(query: Mapping[str, str]) -> Plan:
    """The plan that *query* asks for; what it does not know is ignored, so that caches can be avoided.

    Raises:
        BadRequest: a value that is none or out of bounds; it names the parameter and what is accepted.
    """
    given = {field.name: _value(field.name, query[field.name]) for field in fields(Plan) if field.name in query}
    plan = Plan(**given)  # type: ignore[arg-type]  # each is of its field's type
    if plan.drop and not plan.nonce:
        raise BadRequest("drop: expected with a nonce")
    if plan.seconds > MAX_SECONDS:
        raise BadRequest(f"the probe would take {plan.seconds:g} seconds, expected at most {MAX_SECONDS:g}")
    if plan.events * plan.padding > MAX_PADDING_BYTES:
        raise BadRequest(f"padding: expected at most {MAX_PADDING_BYTES} bytes in all events together")
    if plan.burst * plan.padding > MAX_BYTES_PER_SECOND * plan.interval:
        raise BadRequest(f"padding: expected at most {MAX_BYTES_PER_SECOND} bytes a second")
    return plan


def _value(name: str, text: str) -> int | float | bool | str:
    if name == "nonce":
        if not _NONCE.fullmatch(text):
            raise BadRequest("nonce: expected 1 to 64 letters, digits, - or _")
        return text
    default = getattr(_DEFAULT, name)
    if isinstance(default, bool):
        if text not in {"0", "1"}:
            raise BadRequest(f"{name}: expected 0 or 1")
        return text == "1"
    low, high = _BOUNDS[name]
    kind = type(default)
    try:
        value: int | float = kind(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise BadRequest(f"{name}: expected {'a number' if kind is float else 'an integer'} from {low:g} to {high:g}")
    return value


def shown_headers(headers: RawHeaders) -> list[list[str]]:
    """What of a request's *headers* tells of the hops it came through, names in lower case; never a credential."""
    return [
        [name.lower().decode("latin-1"), value.decode("latin-1")]
        for name, value in headers
        if name.lower() in _SHOWN or name.lower().startswith(_SHOWN_PREFIXES)
    ]


def padding_of(size: int, number: int) -> str:
    """*size* characters that no content coding makes much smaller, others for each *number*."""
    seed = b"%d:%d" % (size, number)
    return hashlib.shake_128(seed).hexdigest(size // 2 + 1)[:size]


def event_bytes(kind: str, document: Mapping[str, object], *, with_id: bool) -> bytes:
    """One event of a probe; *document* holds ``n``, its id."""
    data = json.dumps(document, separators=(",", ":")).encode("ascii")
    identity = str(document["n"]).encode("ascii") if with_id else None
    return encode(Event(data=data, event=kind.encode("ascii"), id=identity))


def events_of(plan: Plan, after: int) -> list[range]:
    """The numbers of the ticks of *plan* that follow the event *after*, in groups that are written at once."""
    first = max(after + 1, 1)
    return [range(n, min(n + plan.burst, plan.events + 1)) for n in range(first, plan.events + 1, plan.burst)]
