"""What the life of one stream should be, on one page of plain Python: no bytes, no tasks, time is a number.

Written from the contract (INTERFACE, "Settings", "Heartbeats", "Errors to the client", "Resume"), for an OpenAI chat
stream behind our own proxy. What a client is told is a list of `Word`s: a status, a text, ``finish``, ``done``,
``beat`` (comment), ``noop`` (heartbeat as data), ``error:<code>``.
"""

from __future__ import annotations

from collections.abc import Iterator

from .life_sending import Limits, Sending, Word

__all__ = ["Limits", "Model", "Word"]

_STATUS = {
    "first_event_timeout": 504,
    "idle_timeout": 504,
    "total_timeout": 504,
    "upstream_error": 502,
    "upstream_truncated": 502,
    "too_large": 502,
    "drained": 503,
    "stopped": 410,
    "client_disconnected": 499,
}
_DATA_HEARTBEAT_SECONDS = 60.0


class Model(Sending):
    """The stream, from the moment at which its request is admitted."""

    # What the upstream does ---------------------------------------------------------------------------------------

    def event(self, word: str, *, finish: bool = False) -> None:
        """A payload event."""
        self.events += 1
        self.last_event = self.now
        self.over = self.over or finish
        self._write(word)

    def done(self) -> None:
        """The terminator, an event like another, but the last."""
        self.events += 1
        self.last_event = self.now
        self.over = self.terminated = True
        self._write("done")

    def reports(self, status: int) -> None:
        """Its own error event: a status where it comes first, else told on, and the end of it all."""
        self.events += 1
        self.last_event = self.now
        if self.status is None:
            self.outcome = "upstream_error"
            self._say(status)
            self._finish(["error:"])
            return
        self.over = self.failed = True
        self._write("error:")

    def ends(self) -> None:
        """A clean end of the body."""
        if self.over:
            self._complete()
        else:
            self.cut("upstream_truncated")

    # What else happens --------------------------------------------------------------------------------------------

    def cut(self, code: str) -> None:
        """End it for the reason *code*: what is over is not spoiled by it, if the client has it all."""
        was_writing = self.blocked == "write" or bool(self.waiting)
        if self.blocked == "write":
            self.blocked = None
        self.waiting.clear()
        if self.over and self.status is not None and not was_writing:
            self._complete()
            return
        self.outcome = code
        if self.status is None:
            self._say(_STATUS[code])
            self._finish([f"error:{code}"])
        else:
            self._finish([f"error:{code}", "done"])

    def stalls(self) -> None:
        """The client does not take what is in flight."""
        if self.error is not None or self.blocked == "ending":
            self._close(self.end or "abort")
        elif self._detaches():
            self.end = "abort"
        else:
            self.outcome = "client_stalled"
            self._close("abort")

    def read(self) -> None:
        """The client reads on; what was in flight has got through."""
        self.reading = True
        if self.blocked is not None:
            self._through()

    def leave(self) -> None:
        """The client is gone."""
        self.gone = True
        if self.closed or self.detached:
            return
        if self.outcome is None:
            if self._detaches():
                return
            has_all = self.over and self.blocked is None
            self.outcome = ("upstream_error" if self.failed else "completed") if has_all else "client_disconnected"
        self._close(self.end)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        while (due := min(self._deadlines(), default=None)) is not None and due[0] <= until:
            self.now = due[0]
            self._act(due[1])
        self.now = until

    # The rest is how ----------------------------------------------------------------------------------------------

    def _deadlines(self) -> list[tuple[float, str]]:
        return [(since + seconds, what) for what, since, seconds in self._clocks() if seconds]

    def _clocks(self) -> Iterator[tuple[str, float, float]]:
        """What runs out: its name, since when it runs, and for how long it may; 0: for ever."""
        limits = self.limits
        if self.closed:
            return
        if self.blocked is not None and not self.detached:
            yield "stall", self.since, limits.stall
        if self.error is not None or self.blocked == "ending":
            return
        yield "total_timeout", self.started, limits.total
        if self.detached:
            yield "client_disconnected", self.left, limits.detach
        if self.blocked is not None:
            return
        if self.over:
            yield "grace", self.last_event, limits.grace
            return
        yield "idle_timeout" if self.events else "first_event_timeout", self.last_event, self._silence
        if self.status is None and not self.events:
            yield "commit", self.started, limits.commit
        if self.status is not None and not self.detached:
            yield "heartbeat", self.last_write, limits.heartbeat

    @property
    def _silence(self) -> float:
        return self.limits.idle if self.events else self.limits.first_event

    def _act(self, what: str) -> None:
        if what == "commit":
            self._say(200)
            self.last_write = self.now
            if self.limits.heartbeat:
                self._beat()
        elif what == "heartbeat":
            self._beat()
        elif what == "grace":
            self._complete()
        elif what == "stall":
            self.stalls()
        else:
            self.cut(what)

    def _beat(self) -> None:
        is_data = self.now - self.last_data >= _DATA_HEARTBEAT_SECONDS
        self.beats += 1
        self.said.append((self.now, "noop" if is_data else "beat"))
        self._send("beat", data=is_data)
