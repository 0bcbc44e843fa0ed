"""What the parts of one response share: who asks, under which policy, what was counted so far, and when.

Counters are plain integers; they become metrics and a log line once, in `Transfer.report`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace

from ..core.dialects import GENERIC, Dialect, StreamState, Voice, document_voice
from ..core.headers import HeaderList
from ..core.ledger import Account
from ..core.numbering import Numbering
from ..core.pacing import Limits, Pacer
from ..core.pipeline import Pipeline
from ..core.requests import RequestFacts
from ..core.shapes import Shape, shape_for
from ..core.sse import Repairs
from ..errors import Outcome
from ..metrics.base import Metrics, StreamReport
from .client import Client
from .policy import Policy

__all__ = ["Transfer"]


class Transfer:
    """The shared state of one response.

    Args:
        facts: What the request asks for.
        policy: What applies.
        metrics: Where numbers go.
        clock: Monotonic seconds.
        on_deadline: Called when a deadline may have moved closer, or the response has become a stream.
        numbering: Gives every event an id; None leaves them as they are.
    """

    __slots__ = (
        "_metrics", "_on_deadline", "_repairs", "bytes_in", "client", "clock", "facts", "first_event", "head",
        "heartbeats", "is_plain", "is_stream", "numbering", "pacer", "pipeline", "policy", "room", "shape", "started",
    )  # fmt: skip

    client: Client

    def __init__(
        self,
        facts: RequestFacts,
        policy: Policy,
        metrics: Metrics,
        clock: Callable[[], float],
        *,
        on_deadline: Callable[[], None],
        numbering: Numbering | None = None,
    ) -> None:
        if facts.dialect is GENERIC and policy.generic is not None:
            own = policy.generic
            facts = replace(facts, dialect=own, voice=own if facts.voice is GENERIC else facts.voice)
        if policy.keeps_json(facts):
            facts = replace(facts, voice=document_voice(facts.voice))
        self.facts = facts
        self.policy = policy
        self.clock = clock
        self.numbering = numbering
        #: Tells the answer in another API's words; None in its own.
        self.shape: Shape | None = None
        if facts.output != "native":
            identity = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": facts.model}
            self.shape = shape_for(facts.output, identity=identity)
        self.started = clock()
        self.pacer = Pacer(policy.waiting_limits(facts), self.started)
        self.pipeline: Pipeline | None = None
        #: Status and headers of the stream that the client is to get; None until the upstream's are known.
        self.head: tuple[int, HeaderList] | None = None
        self.room = Account(policy.ledger)  # what is held of the stream
        self.bytes_in = 0
        self.heartbeats: dict[str, int] = {}
        #: A stream, or a request that may still become one: counted among the streams.
        self.is_stream = False
        #: The response has turned out to be an ordinary one.
        self.is_plain = False
        self.first_event: float | None = None
        self._metrics = metrics
        self._on_deadline = on_deadline
        self._repairs: Repairs = {}
        if facts.candidate:
            self._count_in()

    @property
    def dialect(self) -> Dialect:
        """What the upstream speaks, as far as that is known."""
        return self.pipeline.dialect if self.pipeline is not None else self.facts.dialect

    @property
    def voice(self) -> Voice:
        """How the client has to be spoken to."""
        if self.pipeline is not None:
            return self.pipeline.voice
        return self.facts.voice if self.shape is None else self.shape.voice

    @property
    def told(self) -> StreamState:
        """What `voice` is to be told of the stream."""
        if self.pipeline is not None:
            told = self.pipeline.told
        elif self.shape is not None:
            told = self.shape.state
        else:
            told = StreamState(wants_named_errors=self.facts.variant.wants_named_errors)
        told.has_ids = told.has_ids or self.numbering is not None
        return told

    @property
    def begins_at_once(self) -> bool:
        """Whether the head goes out before any event: where silence is the rule, or no event is known for an error.

        An `EventSource` would not open, and an MCP client wait. Whatever else may still turn into a status. So may what
        is promised of a stream whose first event tells whose ids it has.
        """
        unknown = self.dialect.name == GENERIC.name and not self.policy.owns_app
        may_yield = self.numbering is not None and self.numbering.yields
        waits = may_yield and self.policy.settings.commit_after_seconds > 0  # else it would wait for ever
        return (self.facts.may_be_silent or unknown) and not waits

    def speaks(self, dialect: Dialect) -> None:
        """The head of the response tells that the upstream speaks *dialect*."""
        voice = self.facts.voice
        if voice is self.facts.dialect or voice is self.facts.dialect.native:
            voice = dialect if self.facts.expects_sse or dialect.native is None else dialect.native
        self.facts = replace(self.facts, dialect=dialect, voice=voice, may_be_silent=False)

    def recognised(self) -> None:
        """The first event has told what the upstream speaks: whoever answers for an LLM is not silent by design."""
        if self.facts.may_be_silent:
            self.facts = replace(self.facts, may_be_silent=False)
            self._relimit(self.policy.stream_limits(self.facts))

    def tells_events(self) -> None:
        """The client gets an event stream, though its API may have another framing; unless that was promised to it."""
        if self.client.status is None and not self.facts.voice.is_sse:
            self.facts = replace(self.facts, voice=self.facts.dialect)

    @property
    def events(self) -> int:
        """Payload events so far."""
        return self.pipeline.events if self.pipeline is not None else 0

    @property
    def has_told_all(self) -> bool:
        """Whether the client has it all: many leave at the terminator, or at the upstream's own error."""
        return self.pipeline is not None and self.pipeline.over and self.pacer.sending_since is None

    def becomes_stream(self) -> None:
        """The response is an event stream."""
        if not self.is_stream:
            self._count_in()
        self._relimit(self.policy.stream_limits(self.facts))

    def becomes_plain(self) -> None:
        """The response is an ordinary one."""
        self.is_plain = True
        self.pacer.event(self.clock())
        self._relimit(self.policy.plain_limits())

    def count_events(self, events: int) -> None:
        """*events* payload events came just now, in one piece."""
        now = self.clock()
        if self.first_event is None:
            self.first_event = now
        else:
            self._metrics.gap(now - self.pacer.last_event)
        if events > 1:
            self._metrics.gap(0.0, events - 1)
        self.pacer.event(now)

    def pass_events(self, events: int) -> None:
        """As `count_events`, of further ones that have gone out already."""
        now = self.clock()
        self._metrics.gap(now - self.pacer.last_event)
        if events > 1:
            self._metrics.gap(0.0, events - 1)
        self.pacer.passed(now)

    def release(self) -> None:
        """The response is over: the parts let go of one another, so that no garbage collector has to find them."""
        self._on_deadline = lambda: None
        self.client.sink = None
        self.room.close()

    def detach(self) -> None:
        """The client is gone, and the response goes on without it."""
        self.client.detach()
        self.pacer.leave_alone()
        self._on_deadline()

    def nothing_more_expected(self) -> None:
        """The terminal signal was seen; the upstream has `completion_grace_seconds` to end by itself."""
        self.pacer.completed(self.clock())
        self._on_deadline()

    def repair(self, kind: str) -> None:
        """Count a repair made outside the pipeline."""
        self._repairs[kind] = self._repairs.get(kind, 0) + 1

    def describe(self) -> dict[str, object]:
        """The state now, ready for JSON; ages in seconds."""
        now = self.clock()
        return {
            "dialect": self.dialect.name,
            "stream": self.is_stream,
            "status": self.client.status,
            "detached": self.client.detached,
            "age_seconds": round(now - self.started, 3),
            "ttft_seconds": None if self.first_event is None else round(self.first_event - self.started, 3),
            "events": self.events,
            "heartbeats": sum(self.heartbeats.values()),
            "repairs": self._repairs | (self.pipeline.repairs if self.pipeline is not None else {}),
            "bytes_in": self.bytes_in,
            "bytes_out": self.client.bytes_taken,
            "last_event_age_seconds": round(now - self.pacer.last_event, 3),
            "last_write_age_seconds": round(now - self.pacer.last_write, 3),
        }

    def report(self, outcome: Outcome | None, *, silence: float | None) -> StreamReport:
        """The numbers of the whole life; *silence* is what a client that left had before."""
        pipeline = self.pipeline
        return StreamReport(
            dialect=self.dialect.name,
            outcome=outcome,
            first_event_seconds=None if self.first_event is None else self.first_event - self.started,
            duration_seconds=self.clock() - self.started,
            events=self.events,
            bytes_in=self.bytes_in,
            bytes_out=self.client.bytes_taken,
            heartbeats=self.heartbeats,
            repairs=self._repairs | (pipeline.repairs if pipeline is not None else {}),
            tokens=pipeline.state.usage if pipeline is not None else {},
            disconnect_silence_seconds=silence,
        )

    def _count_in(self) -> None:
        self.is_stream = True
        self._metrics.opened()

    def _relimit(self, limits: Limits) -> None:
        self.pacer.limit(limits)
        self._on_deadline()
