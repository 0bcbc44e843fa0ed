"""What holds at any moment of one stream's life, and behind its end: `test_life_machine` has what may happen in it."""

from __future__ import annotations

import sys

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant
from starlette.types import Message

from sse_proxy import Settings
from sse_proxy.replay.base import End

from .life_model import Limits, Model
from .life_stage import OWNER, TTL_SECONDS, Stage
from .life_words import words

__all__ = ["MAX_EVENT_BYTES", "CheckedLife", "body"]

MAX_EVENT_BYTES = 2000
_ENDS = {"completed": End.COMPLETE, "upstream_truncated": End.TRUNCATED, "stopped": End.STOPPED}


def body(data: bytes, *, more: bool = True) -> Message:
    """A body message."""
    return {"type": "http.response.body", "body": data, "more_body": more}


class CheckedLife(RuleBasedStateMachine):
    """One stream beside its model."""

    @initialize(
        heartbeat=st.sampled_from([0.0, 6.113]),
        commit=st.sampled_from([0.0, 9.337]),
        total=st.sampled_from([0.0, 151.931]),
        store=st.sampled_from([None, None, "ok", "slow", "down", "full"]),
    )
    def begin(self, heartbeat: float, commit: float, total: float, store: str | None) -> None:
        """A request comes."""
        self.store = store
        self.limits = Limits(
            heartbeat=heartbeat,
            commit=commit,
            first_event=47.351,
            idle=33.719,
            total=total,
            grace=8.929,
            stall=21.773,
            detach=17.341,
        )
        chosen = Settings(
            upstream="http://127.0.0.1:1",
            resume="off" if store is None else "memory",
            heartbeat_seconds=heartbeat,
            commit_after_seconds=commit,
            first_event_timeout_seconds=self.limits.first_event,
            idle_timeout_seconds=self.limits.idle,
            total_timeout_seconds=total,
            completion_grace_seconds=self.limits.grace,
            client_stall_timeout_seconds=self.limits.stall,
            detach_seconds=self.limits.detach,
            max_event_bytes=MAX_EVENT_BYTES,
        )
        self.stage = Stage(chosen, store=store, stream_bytes=700 if store == "full" else 1 << 20)
        self.has_head = self.has_half = self.is_over = False
        self.count = 0
        self.model: Model | None = None
        if store != "slow":
            self._admitted()

    def _admitted(self) -> None:
        self.model = Model(self.limits, self.stage.loop.time(), keeps=self.store in {"ok", "slow", "full"})

    @property
    def life(self) -> Model:
        """The model, once there is something to model."""
        assert self.model is not None
        return self.model

    def runs(self) -> bool:
        """Whether the stream has begun and has no end yet."""
        return self.model is not None and not self.model.closed

    def hears(self) -> bool:
        """Whether the upstream can say something now: of what it says while a heartbeat is stuck, one event waits."""
        if not self.runs() or self.is_over or self.life.failed or self.life.error or self.life.waiting:
            return False
        return self.life.blocked in {None, "beat"} and not self.life.terminated

    def _tell(self, data: bytes) -> None:
        if not self.has_head:
            self.has_head = True
            head = (b"content-type", b"text/event-stream")
            self.stage.tell({"type": "http.response.start", "status": 200, "headers": [head]})
        self.stage.tell(body(data))

    def let_the_store_answer(self) -> None:
        """The store has taken its time."""
        assert self.stage.store is not None
        self.stage.store.answer.set()
        self.stage.loop.settle()
        self._admitted()

    def let_the_client_leave(self) -> None:
        """Its connection is closed."""
        self.life.leave()
        self.stage.leave()

    def let_time_pass(self, seconds: float) -> None:
        """For both."""
        if self.model is not None:
            self.life.advance(seconds)
        self.stage.loop.advance(seconds)

    @invariant()
    def the_client_got_what_it_should(self) -> None:
        """Every word at its moment, the end as it should be, and nothing behind it."""
        said = list(words(self.stage.said))
        if self.model is None:
            assert [] == said
            return
        assert [word for _, word in self.life.said] == [word for _, word in said]
        assert [moment for moment, _ in self.life.said] == pytest.approx([moment for moment, _ in said])
        assert self.stage.late == []
        assert self.life.end == self.stage.end

    @invariant()
    def ids_increase(self) -> None:
        """By one from one event to the next."""
        lines = b"".join(data for _, data in self.stage.said if isinstance(data, bytes)).split(b"\n")
        numbers = [int(line.rpartition(b".")[2]) for line in lines if line.startswith(b"id: ")]
        assert list(range(1, len(numbers) + 1)) == numbers

    @invariant()
    def the_books_balance(self) -> None:
        """Started = outcomes + active, and whoever is over has one outcome, the right one."""
        stage, metrics = self.stage, self.stage.metrics
        active = len(stage.lifecycle)
        assert metrics.started == len(metrics.reports) + active
        if self.model is None:
            return
        expected = [self.life.outcome] if self.life.closed else []
        assert expected == [report.outcome and report.outcome.value for report in metrics.reports]
        assert len(stage.middleware._entrance.admission) == active == (0 if self.life.closed else 1)  # noqa: SLF001
        for report in metrics.reports:
            assert self.life.beats == sum(report.heartbeats.values())
            assert self.life.events == report.events

    @invariant()
    def a_cut_stream_never_looks_complete(self) -> None:
        """Whoever was told a clean end without an error had the finish signal first."""
        told = [word for _, word in words(self.stage.said)]
        errors = [word for word in told if isinstance(word, str) and word.startswith("error:")]
        if self.stage.end == "clean" and not errors:
            assert "finish" in told or self.life.over
            assert self.life.outcome == "completed"

    def teardown(self) -> None:
        """Whatever is not over is ended; then nothing may be left, and the store has all that it should."""
        if not hasattr(self, "stage"):
            return
        try:
            if sys.exc_info()[0] is not None:
                return  # of two failures the first is the one to tell
            if self.model is None:
                self.let_the_store_answer()
            if not self.life.gone:
                self.let_the_client_leave()
            self.let_time_pass(200.0)
            self.the_client_got_what_it_should()
            self.the_books_balance()
            assert self.life.closed
            assert self.stage.task.done()
            assert self.stage.upstream in {"over", "cancelled", "idle"}
            assert self.stage.lifecycle.ledger.bytes == 0
            self._store_has_it_all()
            self.let_time_pass(TTL_SECONDS)
            assert self.stage.loop.timers == []
            assert self.stage.store is None or self.stage.store.stats.streams == 0
        finally:
            self.stage.close()

    def _store_has_it_all(self) -> None:
        store = self.stage.store
        if store is None or not self.life.keeps or self.life.status != 200:
            return
        loop = self.stage.loop
        reader = loop.run_until_complete(store.attach(store.streams[0], OWNER))
        if reader is None:
            assert self.store == "full"
            return
        with reader:
            glance = loop.run_until_complete(reader.look())
            assert glance is not None
            batch = loop.run_until_complete(reader.read(glance.oldest - 1))
            kept = [word for n, data in batch.events for _, word in words([(0.0, data)])]
        assert self.life.log[len(self.life.log) - len(kept) :] == kept
        assert self.store == "full" or self.life.log == kept
        assert _ENDS.get(self.life.outcome or "", batch.end) == batch.end
