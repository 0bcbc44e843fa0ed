"""One stream of this process: what its producer has said and the store does not have yet.

Nothing that is to be kept is forgotten before the store has confirmed it, so an outage costs nothing by itself; what is
written twice is skipped there. What the stream's bound has no room for is passed over, here as there. Above the bound
of all streams that wait, or of all that the process holds, this one is given up: it flows on, and cannot be resumed any
more.
"""

from __future__ import annotations

import json
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

from ...core.ledger import Account
from ..base import End, Head, Opening
from .keys import named_key, stream_channel, stream_keys
from .scripts import APPEND, DROP, EXTEND, RELEASE, Call
from .terms import Terms
from .trim import Trim

__all__ = ["EVENT_COST_BYTES", "RedisRecording"]

#: What an event costs besides its bytes, here and in Redis (measured there: 51; reference: ops.md § 5.2).
EVENT_COST_BYTES = 64
#: What one call carries at most: Redis does nothing else meanwhile.
_CALL_BYTES = 262_144
_CALL_EVENTS = 1024
#: So often a store may refuse to drop a stream, whose keys have their time anyhow.
_REFUSALS = 8


@dataclass(slots=True)
class _Sent:
    """What the call in flight says; counted as said when it is confirmed."""

    latest: int = 0
    head: str = ""
    end: End | None = None
    renews: bool = False
    oldest: int = 1
    drops: bool = False


class RedisRecording:
    """`Recording`; and for the writer `take`, then `settle`, one at a time.

    Args:
        opening: What it is opened with.
        terms: What applies to it.
        wake: Called with it when there is something to write.
        on_stop: Called once, when somebody stops the stream.
        now: By the journal's clock.

    Attributes:
        over: The store has its end, or will not take it.
        runs: The producer has not ended it.
        before: What `chat` led to before; "" for nothing.
    """

    def __init__(
        self,
        opening: Opening,
        terms: Terms,
        wake: Callable[[RedisRecording], None],
        on_stop: Callable[[], None],
        now: float,
    ) -> None:
        self.opening = opening
        #: Who has it may write; it stands in the store, and nobody else asks for it there.
        self.token = secrets.token_hex(16)
        self.keys = stream_keys(opening.stream)
        self.once = None if opening.once is None else named_key("once", opening.owner, opening.once)
        self.chat = None if opening.chat is None else named_key("chat", opening.owner, opening.chat)
        self.resumable = True
        self.heard = now
        self.over = False
        self.runs = True
        self.before = ""
        self._terms = terms
        self._wake = wake
        self._on_stop: Callable[[], None] | None = on_stop
        self._channel = stream_channel(opening.stream)
        self._renewed = now
        self._latest = 0
        self._trim = Trim(terms.stream_bytes)
        self._end: End | None = None
        self._drops = False
        self._refusals = 0
        self._pending: deque[tuple[int, bytes]] = deque()
        self._room = Account(terms.ledger)
        # What the next call has to say besides.
        self._head = ""
        self._renews = False
        self._oldest_told = 1
        self._sent = _Sent()

    def begin(self, head: Head) -> None:
        self._head = json.dumps(head, separators=(",", ":"))
        self._wake(self)

    def append(self, n: int, event: bytes) -> None:
        if self._end is not None or not self.resumable:
            return
        if n != self._latest + 1:
            raise ValueError(f"event {n} does not follow event {self._latest}")
        self._latest = n
        size = len(event) + EVENT_COST_BYTES
        self._pending.append((n, event))
        self._hold(size)
        if evicted := self._trim.add(size):
            self._terms.stats.evictions += evicted
            self._pass_over(self._trim.oldest - 1)
        if self._terms.stats.bytes > self._terms.total_bytes or self._room.must_stop:
            # Readers have to be told, as soon as the store is there again.
            self._lose()
            self._end = End.UNAVAILABLE
        self._wake(self)

    def end(self, end: End, *, keep: bool = True) -> None:
        if not self.runs:
            return
        self.runs, self._on_stop = False, None
        if not keep:
            self._lose()
            self._drops = True
        elif self._end is None:
            self._end = end
        self._wake(self)

    def stop(self) -> None:
        """Tell the producer, once."""
        on_stop, self._on_stop = self._on_stop, None
        if on_stop is not None:
            on_stop()

    def renew(self, now: float) -> None:
        """Let its keys live on, when it is time; what the store answers may be news as well."""
        if now - self._renewed >= self._terms.renewal_seconds:
            self._renewed = now
            self._renews = True
            self._wake(self)

    def take(self) -> list[Call]:
        """What to write next; the reply to the first of the calls is to be settled."""
        names = [name for name in (self.once, self.chat) if name is not None]
        stream = self.opening.stream
        if self._drops:
            self._sent = _Sent(drops=True)
            lifetime = self._terms.running_milliseconds
            releases = [RELEASE.call([n], stream, self.before if n == self.chat else "", lifetime) for n in names]
            return [DROP.call(self.keys, self.token, self._channel), *releases]
        taken, has_all = self._first_pending()
        sent = self._sent = _Sent(
            latest=taken[-1][0] if taken else 0,
            head=self._head,
            end=self._end if has_all else None,
            renews=self._renews or (has_all and self._end is not None),
            oldest=self._trim.oldest,
        )
        terms = self._terms
        lifetime = terms.running_milliseconds if sent.end is None else terms.kept_milliseconds
        call = APPEND.call(
            self.keys,
            *(self.token, self._channel, lifetime, "1" if sent.renews else ""),
            *(sent.oldest if sent.oldest > self._oldest_told else "", sent.head, sent.end or ""),
            *(part for n, event in taken for part in (n, event)),
        )
        return [call, *(EXTEND.call([name], stream, lifetime) for name in names if sent.renews)]

    def settle(self, reply: object) -> bool:
        """Take note of the *reply*; returns whether there is more to write (if nothing came of it, the same again)."""
        if self._sent.drops:
            self._refusals += isinstance(reply, Exception)
            self.over = reply in {b"ok", b"gone"} or self._refusals > _REFUSALS
            return not self.over
        if reply in {b"gone", b"fenced", b"gap"}:
            self._lose()
            self.over = True
            return False
        if reply not in {b"ok", b"stop"}:
            return True
        sent = self._sent
        self._pass_over(sent.latest)
        self._head = "" if self._head == sent.head else self._head
        self._renews = self._renews and not sent.renews
        self._oldest_told = sent.oldest
        self.over = sent.end is not None
        if reply == b"stop":
            self.stop()
        return not self.over and bool(self._pending or self._head or self._end or self._renews or self._drops)

    def _first_pending(self) -> tuple[list[tuple[int, bytes]], bool]:
        """As many events as one call may carry, and whether those are all."""
        taken: list[tuple[int, bytes]] = []
        size = 0
        for item in islice(self._pending, _CALL_EVENTS):
            taken.append(item)
            size += len(item[1])
            if size > _CALL_BYTES:
                break
        return taken, len(taken) == len(self._pending)

    def _pass_over(self, latest: int) -> None:
        """Forget the events up to *latest*."""
        while self._pending and self._pending[0][0] <= latest:
            self._hold(-(len(self._pending.popleft()[1]) + EVENT_COST_BYTES))

    def _lose(self) -> None:
        self.resumable = False
        self._pending.clear()
        self._hold(-self._room.bytes)

    def _hold(self, size: int) -> None:
        self._room.add(size)
        self._terms.stats.bytes += size
