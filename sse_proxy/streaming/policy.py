"""The settings of the data path, put into the form in which a response uses them; made once per middleware."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.dialects import Dialect, generic_with_terminal
from ..core.heartbeat import HeartbeatMode
from ..core.pacing import Limits
from ..core.requests import RequestFacts, Wish
from ..settings import Settings

__all__ = ["Policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What applies to every response of one middleware."""

    settings: Settings
    #: The application is our own reverse proxy: it may be cancelled when the client leaves, and ordinary responses
    #: are under the timeouts too. Other applications are told of the departure and left alone.
    owns_app: bool = False
    #: The row for streams that no other row knows, where the application has an end marker of its own.
    generic: Dialect | None = None

    @classmethod
    def of(cls, settings: Settings, *, owns_app: bool = False, terminal: str | None = None) -> Policy:
        """The policy of *settings*; *terminal* is the application's own end marker."""
        generic = generic_with_terminal(terminal) if terminal is not None else None
        return cls(settings=settings, owns_app=owns_app, generic=generic)

    @property
    def heartbeat_mode(self) -> HeartbeatMode:
        """The form of heartbeats; `waiting_limits` and `stream_limits` know when there are none."""
        return self.settings.heartbeat_mode

    @property
    def heartbeats(self) -> bool:
        """Whether any are sent."""
        return self._heartbeat > 0

    def waiting_limits(self, facts: RequestFacts) -> Limits:
        """Before anything is known of the response."""
        settings = self.settings
        if not (facts.candidate or self.owns_app):
            return Limits()
        return Limits(
            heartbeat=self._heartbeat,
            commit_after=settings.commit_after_seconds if facts.wish is Wish.YES and settings.reframe != "never" else 0,
            first_event=settings.first_event_timeout_seconds,
            idle=settings.idle_timeout_seconds,
            total=settings.total_timeout_seconds if facts.candidate else 0,
            client_stall=settings.client_stall_timeout_seconds,
        )

    def stream_limits(self, facts: RequestFacts) -> Limits:
        """Once the response is known to be a stream."""
        settings = self.settings
        return Limits(
            heartbeat=self._heartbeat,
            commit_after=settings.commit_after_seconds,
            first_event=0 if facts.may_be_silent else settings.first_event_timeout_seconds,
            idle=0 if facts.may_be_silent else settings.idle_timeout_seconds,
            total=settings.total_timeout_seconds,
            completion_grace=settings.completion_grace_seconds,
            client_stall=settings.client_stall_timeout_seconds,
        )

    def plain_limits(self) -> Limits:
        """Once the response is known to be an ordinary one."""
        if not self.owns_app:
            return Limits()
        return Limits(idle=self.settings.idle_timeout_seconds, client_stall=self.settings.client_stall_timeout_seconds)

    def concluding_limits(self) -> Limits:
        """While the end of a failed response is being written."""
        return Limits(client_stall=self.settings.client_stall_timeout_seconds)

    @property
    def _heartbeat(self) -> float:
        return 0.0 if self.settings.heartbeat_mode == "off" else self.settings.heartbeat_seconds
