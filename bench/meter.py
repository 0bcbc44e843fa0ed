"""What the streams of one measurement have in common: the counts, and the times that are being recorded."""

from __future__ import annotations

__all__ = ["Meter"]


class Meter:
    """Counts all the time, and records times while `is_recording`. Nanoseconds throughout."""

    __slots__ = ("delays", "events", "faults", "first_bytes", "is_recording", "jitters")

    def __init__(self) -> None:
        self.is_recording = False
        #: Tokens that have arrived.
        self.events = 0
        #: From the moment that a token was written until it arrived.
        self.delays: list[int] = []
        #: How much longer or shorter that took than for the token before it on the same stream.
        self.jitters: list[int] = []
        #: From the request until the first byte of the body, for each stream that has one.
        self.first_bytes: list[int] = []
        #: What went wrong on any stream.
        self.faults: list[str] = []

    def record(self) -> None:
        """Begin to record, without what was recorded before."""
        self.delays, self.jitters = [], []
        self.is_recording = True

    def rest(self) -> None:
        """Record no more."""
        self.is_recording = False
