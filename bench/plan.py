"""What is measured: the cases, and how thoroughly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from .peers import DIRECT, PEERS, Peer

__all__ = ["FULL", "LEVELS", "QUICK", "Case", "Plan"]

#: Open streams → tokens a second on each, so that the total stays within what two cores can make and take.
LEVELS = {10: 20.0, 100: 20.0, 1000: 4.0, 4000: 1.0, 8000: 1.0}
_STREAMS = 100
_RATE = 20.0
#: What a core of it can take; it would fall behind for good, and the figures tell of the backlog.
_RATES = {"litellm": 4.0}
#: Tokens of one write of a firehose.
_COALESCED = 32

_REFERENCES = ("sse-proxy", "nginx", "envoy", "caddy")
_MAIN = (*_REFERENCES, "haproxy", "vllm-router", "httpx-relay")


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One server in one situation."""

    scenario: str
    peer: str
    form: str = "chat"
    streams: int = _STREAMS
    rate: float = _RATE
    #: Saturation: tokens of one write, and whether they are in one chunk.
    burst: int = 0
    together: bool = False

    @property
    def told(self) -> str:
        """What tells it from the others."""
        writes = f", {self.burst} events a {'chunk' if self.together else 'write'}" if self.burst else ""
        return f"{self.scenario}, {self.peer}, {self.form}, {self.streams} streams{writes}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All cases of a round, and how long each takes."""

    name: str
    rounds: int
    window_seconds: float
    #: Between the last stream's begin and the window.
    settle_seconds: float
    probes: int
    burst_opens: int
    cases: tuple[Case, ...] = field(repr=False)

    def but(self, **changes: float) -> Plan:
        """The same with other lengths."""
        return replace(self, **changes)  # type: ignore[arg-type]  # of the fields that are numbers

    def only(self, *, peers: Iterable[str] = (), scenarios: Iterable[str] = ()) -> Plan:
        """The same with these peers and scenarios alone; without a name, all."""
        wanted, parts = set(peers), set(scenarios)
        return replace(
            self,
            cases=tuple(
                case
                for case in self.cases
                if (not wanted or case.peer in wanted) and (not parts or case.scenario in parts)
            ),
        )


def _each(peers: Iterable[str], make: Callable[[str], Case]) -> list[Case]:
    return [make(peer) for peer in peers]


def _passing(form: str, peers: Iterable[Peer]) -> list[str]:
    return [peer.name for peer in peers if form in peer.paths]


def _cases(
    *, pacing: Iterable[str], anthropic: Iterable[str], growth: dict[int, float], hoses: Iterable[str]
) -> tuple[Case, ...]:
    return (
        *_each(pacing, lambda peer: Case(scenario="load", peer=peer, rate=_RATES.get(peer, _RATE))),
        *_each(pacing, lambda peer: Case(scenario="burst", peer=peer)),
        *_each(anthropic, lambda peer: Case(scenario="anthropic", peer=peer, form="anthropic")),
        Case(scenario="reframing", peer="sse-proxy"),
        Case(scenario="reframing", peer="sse-proxy", form="crlf"),
        Case(scenario="reframing", peer="sse-proxy bridge", form="ids"),
        Case(scenario="reframing", peer="sse-proxy bridge", form="tokens"),
        *(
            Case(scenario="growth", peer=peer, streams=streams, rate=rate)
            for streams, rate in growth.items()
            for peer in _REFERENCES
        ),
        *(
            Case(scenario="saturation", peer=peer, burst=burst, together=together)
            for burst, together in ((1, False), (_COALESCED, False), (_COALESCED, True))
            for peer in hoses
        ),
        Case(scenario="startup", peer="sse-proxy"),
    )


_ALL = [name for name in PEERS if name != "sse-proxy bridge"]

FULL = Plan(
    name="full",
    rounds=5,
    window_seconds=3.0,
    settle_seconds=1.0,
    probes=100,
    burst_opens=1000,
    cases=_cases(
        pacing=(DIRECT, *_ALL),
        anthropic=_passing("anthropic", PEERS.values()),
        growth=LEVELS,
        hoses=(DIRECT, *_ALL),
    ),
)
QUICK = Plan(
    name="quick",
    rounds=2,
    window_seconds=2.0,
    settle_seconds=0.5,
    probes=50,
    burst_opens=1000,
    cases=_cases(
        pacing=(DIRECT, *_MAIN),
        anthropic=_REFERENCES,
        growth={streams: LEVELS[streams] for streams in (100, 4000)},
        hoses=_REFERENCES,
    ),
)
