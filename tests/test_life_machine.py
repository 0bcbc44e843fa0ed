"""Any life that one stream can have, against a model of it: what the client gets and when, the outcome, what is left.

Events, silences, errors and the end of the upstream, a client that stops reading, reads on or leaves, a drain, a stop,
and a store that is slow, down or full, in any order and at any time.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from sse_proxy.errors import UpstreamClosed

from .life_checks import MAX_EVENT_BYTES, CheckedLife, body
from .life_stage import OWNER
from .streaming import DONE, chunk

#: None is a sum of others, nor of the deadlines: so no two things fall on the same moment.
_SECONDS = st.sampled_from([0.11, 1.03, 4.07, 9.01, 30.02])
#: A life takes a tenth of a second. `make fuzz` asks for 50,000 of what is cheaper. The same ones each time: a rare
#: find belongs into that campaign, not into somebody's check of another change.
_EXAMPLES = max(60, settings().max_examples // 25)


class Life(CheckedLife):
    """One stream from its request to its end."""

    @precondition(lambda self: self.model is None)
    @rule()
    def store_answers(self) -> None:
        """The store has taken its time."""
        self.let_the_store_answer()

    @precondition(lambda self: self.hears() and not self.has_half)
    @rule()
    def event(self) -> None:
        """A token."""
        self.count += 1
        self.life.event(f"t{self.count}")
        self._tell(chunk(f"t{self.count}"))

    @precondition(lambda self: self.hears() and not self.has_half and self.life.blocked is None)
    @rule(number=st.integers(2, 4))
    def burst(self, number: int) -> None:
        """Several tokens, each in a read of its own."""
        for _ in range(number):
            self.event()
            if not self.hears() or self.life.blocked is not None:
                break

    @precondition(lambda self: self.hears() and not self.has_half and not self.life.over)
    @rule()
    def half(self) -> None:
        """The beginning of an event, which the network has cut."""
        self.has_half = True
        self._tell(chunk(f"t{self.count + 1}")[:40])

    @precondition(lambda self: self.hears() and self.has_half)
    @rule()
    def other_half(self) -> None:
        """The rest of it."""
        self.has_half = False
        self.count += 1
        self.life.event(f"t{self.count}")
        self._tell(chunk(f"t{self.count}")[40:])

    @precondition(lambda self: self.hears() and not self.has_half)
    @rule(piece=st.sampled_from([b": busy\n\n", b"event: ping\ndata: {}\n\n", b"data: \n\n"]))
    def keepalive(self, piece: bytes) -> None:
        """What is no payload is told to nobody and pushes back nothing."""
        self._tell(piece)

    @precondition(lambda self: self.hears() and not self.has_half)
    @rule()
    def finish(self) -> None:
        """The finish signal."""
        self.life.event("finish", finish=True)
        self._tell(chunk("", finish="stop"))

    @precondition(lambda self: self.hears() and not self.has_half and self.life.events)
    @rule()
    def done(self) -> None:
        """The terminator."""
        self.life.done()
        self._tell(DONE)

    @precondition(lambda self: self.hears() and not self.has_half and not self.life.over and not self.life.blocked)
    @rule()
    def reports(self) -> None:
        """An error of the upstream's own."""
        self.life.reports(429)
        self._tell(b'data: {"error":{"message":"busy","code":429}}\n\n')

    @precondition(lambda self: self.hears() and not self.has_half and not self.life.over and not self.life.blocked)
    @rule()
    def too_large(self) -> None:
        """An event over the limit."""
        self.life.cut("too_large")
        self._tell(chunk("x" * MAX_EVENT_BYTES))

    @precondition(lambda self: self.runs() and not self.is_over and self.life.blocked is None and not self.life.error)
    @rule(how=st.sampled_from(["end", "return", "raise"]))
    def upstream_ends(self, how: str) -> None:
        """The body ends, the application returns without its end, or the connection breaks."""
        if how == "end" and self.has_head:
            self.life.ends()
            self.stage.tell(body(b"", more=False))
        else:
            self.life.cut("upstream_error")
            self.stage.tell(UpstreamClosed() if how == "raise" else None)
        self.is_over = True

    @precondition(lambda self: self.runs() and self.life.reading and not self.life.gone)
    @rule()
    def client_stalls(self) -> None:
        """From now on nothing is read."""
        self.life.reading = False
        self.stage.stall()

    @precondition(lambda self: self.runs() and not self.life.reading and not self.life.gone)
    @rule()
    def client_reads(self) -> None:
        """All is read."""
        self.life.read()
        self.stage.read()

    @precondition(lambda self: self.model is not None and not self.model.gone)
    @rule()
    def client_leaves(self) -> None:
        """The connection is closed by the client."""
        self.let_the_client_leave()

    @precondition(lambda self: self.runs() and self.life.blocked != "ending" and not self.life.error)
    @rule()
    def drain(self) -> None:
        """The process ends."""
        self.life.cut("drained")
        self.stage.lifecycle.cut_all()
        self.stage.loop.settle()

    @precondition(
        lambda self: self.runs() and self.life.keeps and self.life.blocked != "ending" and not self.life.error
    )
    @rule()
    def stop(self) -> None:
        """Its caller stops it from elsewhere."""
        store = self.stage.store
        assert store is not None
        self.life.cut("stopped")
        self.stage.loop.run_until_complete(store.stop(store.streams[0], OWNER))
        self.stage.loop.settle()

    @rule(seconds=_SECONDS)
    def time_passes(self, seconds: float) -> None:
        """Nothing else happens."""
        self.let_time_pass(seconds)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=_EXAMPLES, stateful_step_count=30, deadline=None, derandomize=True)
