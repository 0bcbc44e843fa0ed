"""A stream of the proxy's probe: when each event was written, beside when it arrived. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..core.documents import json_object
from .stream import Stream

__all__ = ["Probed", "Step", "probed_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One event of a probe. The two clocks differ by an amount that nobody knows; it is the same for all steps."""

    number: int
    #: Written: seconds since the proxy had the request.
    offset: float
    #: Arrived: seconds since the doctor sent the request.
    at: float
    #: Which read of the socket completed it.
    read: int
    #: Bytes of the body since the step before.
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """What a probe has told."""

    #: The document of the event ``start``: what the proxy saw of the request.
    start: Mapping[str, Any]
    #: All events, the first and the last included.
    steps: tuple[Step, ...]
    #: The event ``end`` came.
    ended: bool
    #: It came early, since the proxy is shutting down.
    drained: bool

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The request's headers as the proxy saw them, names in lower case."""
        return [(str(name), str(value)) for name, value in self.start.get("headers", ())]

    @property
    def answered(self) -> list[tuple[str, str]]:
        """The headers that the proxy has sent."""
        return [(str(name), str(value)) for name, value in self.start.get("answered", ())]

    @property
    def http_version(self) -> str:
        """What the hop in front of the proxy speaks to it."""
        return str(self.start.get("http_version", ""))

    @property
    def heartbeat_seconds(self) -> float:
        """After how much silence the proxy sends heartbeats into streams; 0 for never."""
        return float(self.start.get("heartbeat_seconds", 0))

    def header(self, name: str) -> str | None:
        """The first value of the request header *name* (lower case) as the proxy saw it."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def quickest(self) -> float:
        """How long the quickest event was on its way, in seconds, and by how much the two clocks differ."""
        return min(step.at - step.offset for step in self.steps)

    def held_back(self) -> list[float]:
        """How much longer than the quickest each event was on its way, in seconds."""
        quickest = self.quickest
        return [step.at - step.offset - quickest for step in self.steps]

    def held_bytes(self) -> int:
        """The most bytes that had been written and had not arrived, before any read: about the size of a buffer."""
        quickest = self.quickest
        most = held = 0
        arrived = 0
        for turn, step in enumerate(self.steps):
            if turn == 0 or step.read != self.steps[turn - 1].read:
                # What was written before this read, and lay somewhere until now.
                written = sum(other.size for other in self.steps if other.offset + quickest < step.at)
                held = written - arrived
                most = max(most, held)
            arrived += step.size
        return most


def probed_of(stream: Stream) -> Probed | None:
    """What the probe that *stream* is has told; None where it is none."""
    steps: list[Step] = []
    start: Mapping[str, Any] | None = None
    last: Mapping[str, Any] = {}
    kind = b""
    for arrived in stream.events:
        document = json_object(arrived.event.data) or {}
        number, offset = document.get("n"), document.get("offset")
        if not isinstance(number, int) or not isinstance(offset, int | float):
            return None
        kind, last = arrived.event.event, document
        if start is None:
            start = document
        steps.append(Step(number=number, offset=offset, at=arrived.at, read=arrived.read, size=arrived.size))
    if start is None or start.get("probe") != 1:
        return None
    return Probed(start=start, steps=tuple(steps), ended=kind == b"end", drained=last.get("drained") is True)
