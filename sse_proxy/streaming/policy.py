"""The settings of the data path, put into the form in which a response uses them; made once per middleware."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..core.dialects import Dialect, generic_with_terminal
from ..core.heartbeat import HeartbeatMode
from ..core.ledger import Ledger
from ..core.pacing import Limits
from ..core.requests import RequestFacts, Terms, Wish
from ..core.shapes.base import Output
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
    #: What the route says of a request's treatment.
    terms: Terms
    #: Where what is held is counted.
    ledger: Ledger = field(default_factory=Ledger)

    @classmethod
    def of(
        cls, settings: Settings, *, owns_app: bool = False, terminal: str | None = None, ledger: Ledger | None = None
    ) -> Policy:
        """The policy of *settings*; *terminal* is the application's own end marker."""
        generic = generic_with_terminal(terminal) if terminal is not None else None
        terms = Terms(reframe=settings.reframe, client_variants=settings.client_variants)
        ledger = Ledger() if ledger is None else ledger
        return cls(settings=settings, owns_app=owns_app, generic=generic, terms=terms, ledger=ledger)

    def for_route(self, settings: Settings, *, dialect: str | None, output: Output, bridged: bool) -> Policy:
        """The policy of a route that has *settings*, may name its upstream's *dialect* and an *output* shape.

        ``reframe`` is for answers in the upstream's own words. A bridge and an output shape write their events wherever
        the response is a stream, whatever it says.
        """
        told_anew = bridged or output != "native"
        terms = Terms(
            dialect=dialect,
            output=output,
            bridged=bridged,
            reframe="always" if told_anew else settings.reframe,
            client_variants=settings.client_variants,
        )
        return replace(self, settings=settings, terms=terms)

    @property
    def heartbeat_mode(self) -> HeartbeatMode:
        """The form of heartbeats; `waiting_limits` and `stream_limits` know when there are none."""
        return self.settings.heartbeat_mode

    @property
    def reframe(self) -> str:
        """The setting, as far as it applies."""
        return self.terms.reframe

    def beats(self, facts: RequestFacts) -> bool:
        """Whether the client of a response that begins before the upstream's is sent heartbeats."""
        return self._heartbeat > 0 or self.keeps_json(facts) > 0

    def waiting_limits(self, facts: RequestFacts) -> Limits:
        """Before anything is known of the response."""
        settings = self.settings
        if not (facts.candidate or self.owns_app):
            return Limits()
        kept = self.keeps_json(facts)
        return Limits(
            heartbeat=kept or self._heartbeat,
            commit_after=kept or (settings.commit_after_seconds if self._may_commit(facts) else 0),
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

    def _may_commit(self, facts: RequestFacts) -> bool:
        # A framing without heartbeats has nothing to say before the upstream speaks.
        speaks = facts.voice.is_sse or facts.voice.comment != b""
        return facts.wish is Wish.YES and speaks and self.reframe != "never"

    def keeps_json(self, facts: RequestFacts) -> float:
        """Seconds after which, and between which, a late JSON answer is preceded by a space; 0: it is not."""
        return self.settings.json_keepalive_seconds if facts.awaits_json and self.owns_app else 0.0

    @property
    def _heartbeat(self) -> float:
        return 0.0 if self.settings.heartbeat_mode == "off" else self.settings.heartbeat_seconds
