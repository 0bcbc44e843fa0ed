"""What one client asks for and what goes wrong with it, made from a seed and a number alone.

The client and the upstream are processes of their own and make the same errand of the same number, so each knows what
the other will do without a word between them: a client knows every event that its stream has, and how many of them were
written before the fault.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from sse_proxy.core.dialects import dialect_by_name
from sse_proxy.demo.apis import APIS, Api

from .expected import Fault, is_silent_by_design

__all__ = [
    "BRIDGE_PATH",
    "MIXES",
    "NUMBER_HEADER",
    "QUICK",
    "SOAK",
    "STORM",
    "Errand",
    "Kind",
    "Mix",
    "errand",
    "request",
]

#: The header by which the upstream knows the errand; the proxy passes it on.
NUMBER_HEADER = "X-Soak"
BRIDGE_PATH = "/bridge"
_CHAT, _ANTHROPIC = "/v1/chat/completions", "/v1/messages"


class Kind(StrEnum):
    """What is asked for."""

    STREAM = "stream"
    #: A stream in the upstream's framing, which the client wants as an event stream.
    REFRAMED = "reframed"
    BRIDGE = "bridge"
    #: A stream that its reader leaves and comes back to.
    RESUME = "resume"
    DOCUMENT = "document"
    UPLOAD = "upload"

    @property
    def is_stream(self) -> bool:
        """Whether an outcome is counted for it."""
        return self not in {Kind.DOCUMENT, Kind.UPLOAD}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """A load: how often each kind and each fault comes, and how long streams are.

    *faults*: weights; those that do not fit what was asked for are left out.
    *pause_seconds*, *quiet_seconds*: between two tokens, least and most; the one long silence of `Fault.QUIET`.
    *life_seconds*: mean time until a stream's fault, which then comes at any moment of its life (exponential, so that
    the same part of all streams is hit in every second); None: faults come behind one of the stream's few events.
    """

    kinds: Mapping[Kind, float]
    faults: Mapping[Fault, float]
    tokens: tuple[int, int]
    pause_seconds: tuple[float, float]
    quiet_seconds: float
    apis: tuple[Api, ...] = APIS
    life_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One of them.

    *at*: so many tokens come before the upstream's fault; a client leaves after so many bytes.
    *after_seconds*: how long its stream lives, where a `Mix.life_seconds` is given: a client leaves then, and the
    upstream's fault comes *rest_seconds* behind the last token before it.
    """

    number: int
    kind: Kind
    api: Api
    fault: Fault
    tokens: int
    at: int
    pause_seconds: float
    quiet_seconds: float
    after_seconds: float | None
    rest_seconds: float
    #: Length of an upload; status of `Fault.STATUS`.
    size_bytes: int
    status: int


#: Every dialect and every fault.
SOAK = Mix(
    kinds={
        Kind.STREAM: 10, Kind.REFRAMED: 2, Kind.BRIDGE: 2, Kind.RESUME: 3, Kind.DOCUMENT: 2, Kind.UPLOAD: 2,
    },
    faults={
        Fault.NONE: 14, Fault.QUIET: 2, Fault.TRICKLE: 2, Fault.SLOW: 1, Fault.STALLED: 0.5,
        Fault.RESET: 1, Fault.DIE: 1, Fault.DIE_MID_EVENT: 1, Fault.TRUNCATE: 1, Fault.STALL: 1, Fault.GARBAGE: 1,
        Fault.ERROR: 1, Fault.ERROR_FIRST: 1, Fault.STATUS: 1, Fault.HANG_UP: 1, Fault.LATE: 1, Fault.TOO_LARGE: 0.5,
        Fault.LEAVE: 2, Fault.LEAVE_RESET: 2,
    },
    tokens=(3, 60),
    pause_seconds=(0.005, 0.12),
    quiet_seconds=2.6,
)  # fmt: skip

#: The same in short, for a run of seconds.
QUICK = replace(SOAK, tokens=(3, 12), pause_seconds=(0.002, 0.04), quiet_seconds=1.6)

#: Thousands of long streams, a hundredth of which are hit in any second: a ninth of them just ends, and those that
#: stall are there for a while longer.
STORM = Mix(
    kinds={Kind.STREAM: 1},
    faults={
        Fault.RESET: 1, Fault.DIE: 1, Fault.TRUNCATE: 1, Fault.STALL: 1, Fault.GARBAGE: 1, Fault.ERROR: 1,
        Fault.LEAVE: 1, Fault.LEAVE_RESET: 1, Fault.NONE: 1,
    },
    tokens=(2, 2),
    pause_seconds=(8.0, 16.0),
    quiet_seconds=0.0,
    apis=tuple(api for api in APIS if api.path in {_CHAT, _ANTHROPIC}),
    life_seconds=82.0,
)  # fmt: skip

#: By the names that the upstream is told.
MIXES = {"soak": SOAK, "quick": QUICK, "storm": STORM}

#: What ends the body of a document early, or never begins it; other faults are those of streams.
_OF_DOCUMENTS = frozenset({
    Fault.NONE, Fault.RESET, Fault.DIE, Fault.STATUS, Fault.HANG_UP, Fault.LATE, Fault.LEAVE, Fault.LEAVE_RESET,
})  # fmt: skip
_OF_STREAMS = frozenset(Fault)
#: A reader that comes back leaves by itself.
_OF_READERS = _OF_STREAMS - {Fault.LEAVE, Fault.LEAVE_RESET, Fault.SLOW, Fault.STALLED}
#: An upload that is refused while it is being sent may be cut (RFC 9112 § 9.6), whoever refuses it.
_OF_UPLOADS = frozenset({Fault.NONE, Fault.STATUS, Fault.LATE})
_STATUSES = (429, 500, 503)
#: What the upstream has left to say when a client of a storm leaves.
_MORE_TOKENS = 20
#: Their events are as large as their tokens, in every framing alike.
_OF_TOKENS = frozenset({"openai_chat", "openai_completions", "anthropic"})


def errand(mix: Mix, seed: int, number: int) -> Errand:
    """The errand of that *number*."""
    dice = random.Random(f"{seed} {number}")  # noqa: S311  what is to be tried
    kind = dice.choices(list(mix.kinds), list(mix.kinds.values()))[0]
    api = dice.choice(_apis(mix, kind))
    fitting = {fault: weight for fault, weight in mix.faults.items() if _fits(fault, kind, api)}
    fault = dice.choices(list(fitting), list(fitting.values()))[0]
    tokens, pause = dice.randint(*mix.tokens), dice.uniform(*mix.pause_seconds)
    at = dice.randint(1, 4000) if fault.is_of_client else dice.randint(1, tokens - 1)
    lives, rest = None, 0.0
    if mix.life_seconds is not None:
        lives = dice.expovariate(1 / mix.life_seconds)
        before, rest = divmod(lives, pause)
        at = int(before) + 1
        tokens = at + (_MORE_TOKENS if fault.is_of_client else 1)
    return Errand(
        number=number,
        kind=kind,
        api=api,
        fault=fault,
        tokens=tokens,
        at=at,
        pause_seconds=pause,
        quiet_seconds=mix.quiet_seconds,
        after_seconds=lives,
        rest_seconds=rest,
        size_bytes=dice.choice((1_000, 60_000, 400_000)),
        status=dice.choice(_STATUSES),
    )


def _apis(mix: Mix, kind: Kind) -> list[Api]:
    match kind:
        case Kind.BRIDGE | Kind.DOCUMENT | Kind.UPLOAD:
            return [api for api in mix.apis if api.path == _CHAT]
        case Kind.RESUME:
            # Those that have ids of their own keep them, and are not kept.
            return [api for api in mix.apis if api.path in {_CHAT, _ANTHROPIC, "/v1/responses", "/v2/chat"}]
        case Kind.REFRAMED:
            return [api for api in mix.apis if api.framing == "ndjson" and api.media_type]
        case _:
            return list(mix.apis)


#: What a fault needs of an API; others need nothing.
_FITS: Mapping[Fault, Callable[[Api], bool]] = {
    # Of the others a clean end is the end: nobody can tell.
    Fault.TRUNCATE: lambda api: not dialect_by_name(api.name).completes_at_end,
    **dict.fromkeys((Fault.STALL, Fault.LATE, Fault.QUIET), lambda api: not is_silent_by_design(api)),
    # Text has no errors.
    **dict.fromkeys((Fault.ERROR, Fault.ERROR_FIRST), lambda api: api.framing != "text"),
    **dict.fromkeys((Fault.TOO_LARGE, Fault.STALLED), lambda api: api.name in _OF_TOKENS),
}


def _fits(fault: Fault, kind: Kind, api: Api) -> bool:
    of_kind = {Kind.DOCUMENT: _OF_DOCUMENTS, Kind.UPLOAD: _OF_UPLOADS, Kind.RESUME: _OF_READERS}
    if fault not in of_kind.get(kind, _OF_STREAMS):
        return False
    if not kind.is_stream:
        return True
    return fault not in _FITS or _FITS[fault](api)


def request(errand: Errand, name: str, *, headers: tuple[str, ...] = ()) -> bytes:
    """The request of *errand*, whose id is *name*, with *headers* of its own."""
    method, path, body = _parts(errand)
    accept = "text/event-stream" if errand.kind in {Kind.REFRAMED, Kind.BRIDGE} else "*/*"
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Accept: {accept}", f"X-Request-Id: {name}"]
    lines += [f"{NUMBER_HEADER}: {errand.number}", *headers]
    if method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join((*lines, "", "")).encode() + body


def _parts(errand: Errand) -> tuple[str, str, bytes]:
    api = errand.api
    match errand.kind:
        case Kind.BRIDGE:
            return "GET", f"{BRIDGE_PATH}?prompt=hello", b""
        case Kind.UPLOAD:
            return "POST", "/upload", b'{"data":"' + b"0123456789abcdef" * (errand.size_bytes // 16) + b'"}'
        case Kind.DOCUMENT:
            return "POST", api.path, b'{"model":"soak","messages":[]}'
        case _:
            path = f"{api.path}?alt=sse" if api.name == "gemini" else api.path
            if "POST" not in api.methods:
                return "GET", path, b""
            body = api.example if api.streams(api.example) else {"model": "soak", "messages": [], **api.example}
            return "POST", path, json.dumps(body if api.streams(body) else {**body, "stream": True}).encode()
