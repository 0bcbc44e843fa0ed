"""`core.pipeline` for any stream cut anywhere: both paths mean the same, output is canonical, heartbeats harmless."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sse_proxy.core.heartbeat import Heartbeat, HeartbeatMode, heartbeat
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.errors import EventTooLarge, Truncated, UpstreamProtocolError

from .dialect_streams import ALL, SOUND, SPOILED, drained, facts, pipeline, streams, survived
from .event_streams import (
    ReferenceEvent,
    check_canonical,
    chunked,
    cuts,
    reference_events,
    reframed_by_httpx_sse,
)

BODIES = st.sampled_from(sorted(ALL)).flatmap(lambda name: st.tuples(st.just(name), streams(name)))
MODES: tuple[HeartbeatMode, ...] = ("auto", "comment", "comment-block", "data")


def examples(usual: int) -> int:
    """The *usual* number of examples, or the many that a profile asks for (`make fuzz`)."""
    return max(usual, settings().max_examples)


def lived(of_body: Pipeline, chunks: Sequence[bytes], dialect: str) -> tuple[bytes, str, dict[str, object]]:
    """All that the client gets for *chunks*, how that ended, and what was learnt."""
    output = b""
    try:
        for chunk in chunks:
            output += of_body.feed(chunk)
        output += of_body.flush()
        output += of_body.conclude()
        ending = "whole"
    except (EventTooLarge, Truncated, UpstreamProtocolError) as error:
        output += of_body.fail(error)
        ending = str(error)
        if not isinstance(error, Truncated):
            # Lines are put right a read at a time, so repairs behind the fatal event are counted or not.
            of_body.repairs.clear()
    return output, ending, facts(of_body, dialect)


@settings(max_examples=examples(500), deadline=None)
@given(
    body=BODIES, places=cuts(), choices=st.integers(min_value=0, max_value=2), limit=st.sampled_from([30, 90, 1 << 20])
)
def test_fast_path_means_the_same_as_the_slow_one(
    body: tuple[str, bytes], places: list[int], choices: int, limit: int
) -> None:
    """However a stream is cut: the same bytes, ending, events, repairs and state as byte by byte.

    Byte by byte no chunk is canonical, so that is the framer's work alone.
    """
    dialect, stream = body
    slow = lived(
        pipeline(dialect, limit=limit, choices=choices), [stream[at : at + 1] for at in range(len(stream))], dialect
    )
    assert lived(pipeline(dialect, limit=limit, choices=choices), chunked(stream, places), dialect) == slow
    assert lived(pipeline(dialect, limit=limit, choices=choices), [stream], dialect) == slow


@settings(max_examples=examples(250), deadline=None)
@given(body=BODIES, ids=st.sampled_from(["", "in", "apart"]), end=st.sampled_from([b"\n", b"\r\n"]))
def test_fast_path_for_each_event_in_a_chunk_of_its_own(
    body: tuple[str, bytes], ids: Literal["", "in", "apart"], end: bytes
) -> None:
    """The same for the traffic that the fast path is made for: a chunk an event, with any line ends and ids of ours."""
    dialect, stream = body
    chunks = [(piece + b"\n\n").replace(b"\n", end) for piece in stream.split(b"\n\n")]
    joined = b"".join(chunks)
    slow = lived(pipeline(dialect, ids=ids), [joined[at : at + 1] for at in range(len(joined))], dialect)
    assert lived(pipeline(dialect, ids=ids), chunks, dialect) == slow


def test_what_is_held_is_told_on_both_paths() -> None:
    """Nothing behind whole events, whichever way they took; all that came of one that is not."""
    of_body = pipeline("generic")
    held = []
    for chunk in (b"data: 1\n\n", b"data: 2\n\n", b"data: 3\r\n\r\n", b"data:", b" 45", b"\n", b"\ndata", b": 6\n\n"):
        of_body.feed(chunk)
        held.append(of_body.held_bytes)
    assert held == [0, 0, 0, 5, 8, 8, 4, 0]  # without line ends


@settings(max_examples=examples(250), deadline=None)
@given(body=BODIES, places=cuts())
def test_what_is_held_is_told_the_same_in_any_split(body: tuple[str, bytes], places: list[int]) -> None:
    """The fast path holds nothing, so it does not look; byte by byte everything is looked at."""
    dialect, stream = body
    assume(survived(dialect, stream))
    quick, thorough = pipeline(dialect), pipeline(dialect)
    for chunk in chunked(stream, places):
        quick.feed(chunk)
        for at in range(len(chunk)):
            thorough.feed(chunk[at : at + 1])
        assert quick.held_bytes == thorough.held_bytes


@pytest.mark.parametrize("dialect", ALL)
def test_fast_path_after_anything_that_spoils_it(dialect: str) -> None:
    """Whatever came just before: a canonical chunk is taken for that only where an event may begin."""
    for spoiled, sound in itertools.product(SPOILED, SOUND[dialect]):
        chunks = [SOUND[dialect][0], spoiled, sound, b"\n", sound]
        joined = b"".join(chunks)
        slow = lived(pipeline(dialect), [joined[at : at + 1] for at in range(len(joined))], dialect)
        assert lived(pipeline(dialect), chunks, dialect) == slow, spoiled


@settings(max_examples=examples(250), deadline=None)
@given(body=BODIES, places=cuts())
def test_watching_forwards_every_byte_and_learns_the_same_in_any_split(
    body: tuple[str, bytes], places: list[int]
) -> None:
    """With ``rewrite=False`` the body goes through as it came, nothing counts as repaired, and splits do not matter."""
    dialect, stream = body
    output, watcher = drained(dialect, *chunked(stream, places), rewrite=False)
    assert output == stream
    assert watcher.repairs == {}
    bytewise = drained(dialect, *(stream[at : at + 1] for at in range(len(stream))), rewrite=False)[1]
    assert facts(watcher, dialect) == facts(bytewise, dialect)


@settings(max_examples=examples(500), deadline=None)
@given(body=BODIES, places=cuts())
def test_output_is_canonical_and_needs_no_further_repair(body: tuple[str, bytes], places: list[int]) -> None:
    """What comes out is canonical to the byte, and goes through a second proxy unchanged."""
    dialect, stream = body
    assume(survived(dialect, stream))
    output, first = drained(dialect, *chunked(stream, places))
    check_canonical(output, of_json=ALL[dialect].json)
    again, second = drained(dialect, *chunked(output, places))
    assert again == output
    assert second.repairs == {}
    assert second.events == first.events


def heartbeats(dialect: str, of_body: Pipeline) -> list[Heartbeat]:
    """Every heartbeat that may be sent in this state."""
    return [
        beat
        for mode, prefers, due in itertools.product(MODES, (False, True), (False, True))
        if (beat := heartbeat(ALL[dialect], of_body.state, mode, prefers_data=prefers, data_due=due))
    ]


def without(events: list[ReferenceEvent], noops: list[bytes]) -> list[tuple[str, str, str]]:
    """*events* without those that the *noops* stand for."""
    known = {(event.type, event.data) for noop in noops for event in reference_events(noop)}
    return [(e.type, e.data, e.last_event_id) for e in events if (e.type, e.data) not in known]


@settings(max_examples=examples(250), deadline=None)
@given(body=BODIES, places=cuts(), choice=st.integers(min_value=0, max_value=15))
def test_heartbeats_between_any_two_outputs_change_nothing(
    body: tuple[str, bytes], places: list[int], choice: int
) -> None:
    """A browser dispatches the same events with heartbeats in between, their own no-op events aside."""
    dialect, stream = body
    assume(survived(dialect, stream))
    of_body = pipeline(dialect)
    plain, beaten, noops = b"", b"", []
    for chunk in [b"", *chunked(stream, places), None]:
        output = of_body.flush() if chunk is None else of_body.feed(chunk)
        assert of_body.between_events
        beat = heartbeats(dialect, of_body)[choice]
        if beat.mode == "data":
            noops.append(beat.data)
        plain += output
        beaten += output + beat.data
    assert without(reference_events(beaten), noops) == without(reference_events(plain), noops)


@settings(max_examples=examples(200), deadline=None)
@given(body=BODIES, places=cuts(), choice=st.integers(min_value=0, max_value=15))
def test_heartbeats_never_make_an_sdk_dispatch_nothing(body: tuple[str, bytes], places: list[int], choice: int) -> None:
    """Readers that take every blank line after an id for an event are never given an empty one (DESIGN fact 1)."""
    dialect, stream = body
    if not ALL[dialect].json:
        return  # there an event without data may be the upstream's own
    assume(survived(dialect, stream))
    of_body = pipeline(dialect)
    beaten = b""
    for chunk in chunked(stream, places):
        beaten += of_body.feed(chunk)
        beaten += heartbeats(dialect, of_body)[choice].data
    assert "" not in reframed_by_httpx_sse(beaten)
