"""What the project aims at, and whether a run reaches it. Everything is on: heartbeats, endings, checks, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..results import Results
from ..stats import Spread, spread
from .compare import Subject, added_times, times_of
from .numbers import number

__all__ = ["Goal", "goals"]

_CPU = "cpu_us_per_event"
_MEGABYTE = 1e6
_KIB = 1024.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One line of the table."""

    figure: str
    limit: float
    #: Of the figure and of the limit.
    unit: str
    measured: Spread | None
    #: The figure has to be the limit or more, not or less.
    at_least: bool = False

    @property
    def told(self) -> str:
        """The limit in words."""
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}{self.unit}"

    @property
    def found(self) -> str:
        """The figure in words."""
        if self.measured is None:
            return "–"
        return f"{number(self.measured.median)}{self.unit} ({number(self.measured.least)}–{number(self.measured.most)})"

    @property
    def verdict(self) -> str:
        """Whether the median reaches it."""
        if self.measured is None:
            return "not measured"
        median = self.measured.median
        return "reached" if (median >= self.limit if self.at_least else median <= self.limit) else "**missed**"


def _ours(figure: str, scenario: str, **situation: object) -> Subject:
    return Subject(figure=figure, peer="sse-proxy", scenario=scenario, situation=situation)


def _cpu(results: Results) -> Iterable[Goal]:
    limits = {"envoy": 1.0, "caddy": 1.0, "nginx": 1.6, "httpx-relay": 0.25, "litellm": 0.05}
    ours = _ours(_CPU, "load")
    for peer, limit in limits.items():
        yield Goal(
            figure=f"CPU per event, 100 streams × 20/s: to {peer}",
            limit=limit,
            unit=" ×",
            measured=times_of(results, ours, ours.of(peer)),
        )
    ours = _ours(_CPU, "anthropic")
    for peer in ("envoy", "caddy", "nginx"):
        yield Goal(
            figure=f"the same, Anthropic's `event:` + `data:`: to {peer}",
            limit=limits[peer],
            unit=" ×",
            measured=times_of(results, ours, ours.of(peer)),
        )


def _ways(results: Results) -> Iterable[Goal]:
    through = _ours(_CPU, "reframing", form="chat")
    for form, words in (("crlf", "CRLF input"), ("ids", "ids on")):
        peer = "sse-proxy bridge" if form == "ids" else "sse-proxy"
        subject = Subject(figure=_CPU, peer=peer, scenario="reframing", situation={"form": form})
        yield Goal(
            figure=f"CPU per event with re-framing ({words}): to our own pass-through",
            limit=1.5,
            unit=" ×",
            measured=times_of(results, subject, through),
        )
    yield Goal(
        figure="CPU per event at 4,000 streams: to that at 100",
        limit=1.3,
        unit=" ×",
        measured=times_of(results, _ours(_CPU, "growth", streams=4000), _ours(_CPU, "growth", streams=100)),
    )


def _first_byte(results: Results) -> Iterable[Goal]:
    at_load, burst = _ours("first_byte_p50_ms", "load"), _ours("first_byte_p99_ms", "burst")
    yield Goal(
        figure="added time to first byte, 100 opens, p50: to nginx",
        limit=2,
        unit=" ×",
        measured=added_times(results, at_load, at_load.of("nginx")),
    )
    yield Goal(
        figure="added time to first byte, burst of 1,000 opens, p99: to envoy",
        limit=2,
        unit=" ×",
        measured=added_times(results, burst, burst.of("envoy")),
    )


def _memory(results: Results) -> Iterable[Goal]:
    ours = _ours("resident_bytes_per_stream", "growth", streams=4000)
    yield Goal(
        figure="memory per open stream at 4,000",
        limit=20,
        unit=" KiB",
        measured=spread([value / _KIB for value in ours.by_round(results).values()]),
    )
    for peer in ("envoy", "caddy"):
        yield Goal(
            figure=f"memory per open stream at 4,000: to {peer}",
            limit=1.0,
            unit=" ×",
            measured=times_of(results, ours, ours.of(peer)),
        )


def _saturation(results: Results) -> Iterable[Goal]:
    for together, words in ((False, "32 events a write"), (True, "32 events a chunk")):
        ours = _ours("events_per_second", "saturation", burst=32, together=together)
        yield Goal(
            figure=f"events per second at saturation, {words}: to envoy",
            limit=1.0,
            unit=" ×",
            at_least=True,
            measured=times_of(results, ours, ours.of("envoy")),
        )


def _startup(results: Results) -> Iterable[Goal]:
    yield Goal(
        figure="memory of the idle process",
        limit=60,
        unit=" MB",
        measured=spread([value / _MEGABYTE for value in results.values("idle_bytes", "sse-proxy", "startup")]),
    )
    yield Goal(
        figure="from start to ready",
        limit=0.6,
        unit=" s",
        measured=spread(results.values("ready_seconds", "sse-proxy", "startup")),
    )


_PARTS: tuple[Callable[[Results], Iterable[Goal]], ...] = (_cpu, _ways, _first_byte, _memory, _saturation, _startup)


def goals(results: Results) -> list[Goal]:
    """All goals with what *results* has for them."""
    return [goal for part in _PARTS for goal in part(results)]
