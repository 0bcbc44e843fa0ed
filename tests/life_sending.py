"""The half of `life_model` that sends: to a client that does not read one thing is in flight, and the rest waits."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Limits", "Sending", "Word"]

Word = tuple[float, int | str]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Seconds; 0 switches off."""

    heartbeat: float
    commit: float
    first_event: float
    idle: float
    total: float
    grace: float
    stall: float
    detach: float


@dataclass
class Sending:
    """What is sent to the client; *keeps*: all of it is kept for those who come back.

    Attributes:
        blocked: What is in flight to a client that does not read: ``beat``, ``write`` or ``ending``; or None.
        log: What those who come back are told: all but heartbeats and statuses.
    """

    limits: Limits
    now: float
    keeps: bool
    said: list[Word] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    outcome: str | None = None
    end: str | None = None
    status: int | None = None
    events: int = 0
    beats: int = 0
    over: bool = False
    terminated: bool = False
    failed: bool = False
    reading: bool = True
    gone: bool = False
    detached: bool = False
    closed: bool = False
    blocked: str | None = None
    waiting: list[str] = field(default_factory=list)
    error: str | None = None

    def __post_init__(self) -> None:
        self.started = self.last_event = self.last_write = self.last_data = self.since = self.left = self.now

    def _write(self, *words: str) -> None:
        if self.blocked is not None:
            self.waiting.extend(words)
            return
        if self.status is None:
            self._say(200)
        self._tell(words)
        self._send("write", data=True)

    def _complete(self) -> None:
        self.outcome = "upstream_error" if self.failed else "completed"
        self._finish([] if self.terminated else ["done"])

    def _finish(self, words: list[str]) -> None:
        self.terminated = True
        if self.blocked is not None:
            self.error, self.waiting = "waits", words
            return
        self._tell(words)
        self.error = None
        self.end = self.end or ("clean" if not self.gone else None)
        self._send("ending", data=True)

    def _tell(self, words: list[str] | tuple[str, ...]) -> None:
        self.log.extend(words)
        if not (self.gone or self.detached):
            self.said.extend((self.now, word) for word in words)

    def _say(self, status: int) -> None:
        self.status = status
        if not self.gone:
            self.said.append((self.now, status))

    def _send(self, what: str, *, data: bool) -> None:
        """Hand over what was just said; a client that does not read blocks it."""
        self._is_data = data
        self.blocked, self.since = what, self.now
        if self.reading or self.gone or self.detached:
            self._through()

    def _through(self) -> None:
        what, self.blocked = self.blocked, None
        # While the client did not read, the upstream was not read either: that time is not the upstream's.
        self.last_event = min(self.last_event + self.now - self.since, self.now)
        self.last_write = self.now
        if self._is_data:
            self.last_data = self.now
        if what == "ending":
            self._close(self.end)
        elif self.error is not None:
            self._finish(self.waiting)
        elif self.waiting:
            waiting, self.waiting = self.waiting, []
            self._write(*waiting)

    def _detaches(self) -> bool:
        """The upstream goes on for those who may come back, where the client knows by what."""
        if not (self.keeps and self.status == 200):
            return False
        self.detached, self.left = True, self.now
        if self.blocked is not None:
            self._through()
        return True

    def _close(self, end: str | None) -> None:
        self.closed, self.end, self.blocked = True, end, None
