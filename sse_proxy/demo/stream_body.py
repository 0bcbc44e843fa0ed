"""The body of one event stream as steps; pure, so that a test reads it without waiting.

Api.blocks ─▶ cut short (`Knobs.cut`) ─▶ keep-alives between ─▶ defects ─▶ writes, paced
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice

from .apis import Api, Ask
from .blocks import Block
from .defects import BYTE_STAGE, COALESCED_EVENTS, WRITE_STAGE, blocks_with, framing_with
from .framings import encoded, is_sse
from .knobs import Knobs
from .steps import Abort, Step, Wait, Write

__all__ = ["StreamBody"]

_COMMENT = Block(comment="ping", events=0)


class StreamBody:
    """One stream's way to its bytes; keeps what keep-alives and byte-stage defects need to know of the past."""

    def __init__(self, api: Api, ask: Ask, knobs: Knobs) -> None:
        self._api = api
        self._ask = ask
        self._knobs = knobs
        self._framing = framing_with(knobs.defect, api.framing)
        self._coalesced = COALESCED_EVENTS if "coalesced" in knobs.defect else 1
        #: Events written so far: Responses' keep-alive repeats the last number.
        self._events = 0
        #: Blocks written so far, keep-alives of other framings than SSE left out: the first opens an array.
        self._blocks = 0

    def steps(self) -> Iterator[Step]:
        """All that follows the headers."""
        yield from self._silence(self._knobs.headers_then_wait)
        blocks, ending, rest = self._cut()
        paced = False
        for batch, last in _marked(_batched(blocks, self._coalesced)):
            tokens = sum(block.tokens for block in batch)
            if tokens and self._knobs.rate:
                # The first token comes at once: its delay has knobs of its own.
                yield from self._silence(tokens / self._knobs.rate if paced else 0.0)
                paced = True
            yield from self._write(batch, last=last and ending == "end")
        if ending == "stall":
            yield from self._silence(math.inf)
        elif ending == "die":
            for block in islice(rest, 1):
                data = self._encoded(block, last=False)
                yield Write(data[: len(data) // 2])
            yield Abort()

    def _cut(self) -> tuple[Iterator[Block], str, Iterator[Block]]:
        """The blocks to write, how it ends (``end``, ``stall``, ``die``), and the blocks to be torn in the middle."""
        defects = self._knobs.defect
        whole = self._api.blocks(self._ask)
        if self._knobs.cut is None:
            return blocks_with(defects, self._with_pings(whole)), "end", iter(())
        number, cut = self._knobs.cut
        head: Iterable[Block] = islice(whole, number)
        if cut == "error":
            head = chain(head, self._error(number))
        elif cut == "tear":
            head = chain(head, _torn(whole))
        ending = {"stall": "stall", "die": "die", "die_mid_event": "die"}.get(cut, "end")
        torn = whole if cut == "die_mid_event" else iter(())
        return blocks_with(defects, self._with_pings(head)), ending, torn

    def _error(self, events: int) -> Iterator[Block]:
        field = "error" if self._knobs.error_form == "field" else "data"
        for block in self._api.error(self._ask, events):
            yield replace(block, field=field) if block.data != "[DONE]" else block

    def _with_pings(self, blocks: Iterable[Block]) -> Iterator[Block]:
        every = self._knobs.comment_every if self._knobs.ping != "none" else 0
        tokens = events = 0
        for block in blocks:
            yield block
            tokens += block.tokens
            events += block.events
            if every and block.tokens and tokens % every == 0:
                yield self._ping(events)

    def _ping(self, events: int) -> Block:
        if self._knobs.ping == "event" and is_sse(self._framing):
            return self._api.named_ping(events)
        if self._knobs.ping == "data" and is_sse(self._framing):
            return self._api.noop(self._ask, events)
        return _COMMENT

    def _silence(self, seconds: float) -> Iterator[Step]:
        """*seconds* without an event, keep-alives in between where the knobs ask for them."""
        every = self._knobs.ping_seconds if self._knobs.ping != "none" else 0.0
        while every and seconds > every:
            yield Wait(every)
            yield from self._write((self._ping(self._events),), last=False)
            seconds -= every
        yield Wait(seconds)

    def _write(self, batch: tuple[Block, ...], *, last: bool) -> Iterator[Step]:
        data = b"".join(
            self._encoded(block, last=last and number == len(batch)) for number, block in enumerate(batch, 1)
        )
        pieces = [data]
        for name, split in WRITE_STAGE.items():
            if name in self._knobs.defect:
                pieces = [part for piece in pieces for part in split(piece)]
        events = sum(block.events for block in batch)
        self._events += events
        yield from (Write(piece) for piece in pieces[:-1])
        yield Write(pieces[-1], events)

    def _encoded(self, block: Block, *, last: bool) -> bytes:
        data = encoded(self._framing, block, self._blocks)
        for name, change in BYTE_STAGE.items():
            if name in self._knobs.defect:
                data = change(data, self._blocks == 0, last)
        if block.data is not None or is_sse(self._framing):
            self._blocks += 1
        return data


def _batched(blocks: Iterator[Block], size: int) -> Iterator[tuple[Block, ...]]:
    while batch := tuple(islice(blocks, size)):
        yield batch


def _torn(blocks: Iterator[Block]) -> Iterator[Block]:
    """*blocks*, the second of which begins inside of the first, whose rest is lost."""
    for first in islice(blocks, 1):
        half = (first.data or "")[: len(first.data or "") // 2]
        for second in islice(blocks, 1):
            yield replace(second, data=f"{half}data: {second.data}")
    yield from blocks


def _marked(batches: Iterator[tuple[Block, ...]]) -> Iterator[tuple[tuple[Block, ...], bool]]:
    """Each of the *batches*, and whether it is the last one."""
    held = next(batches, None)
    while held is not None:
        following = next(batches, None)
        yield held, following is None
        held = following
