"""`core.pipeline`: the fast path means what the slow one does, output is canonical, endings are verified."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_proxy.core.heartbeat import COMMENT, COMMENT_BLOCK, Heartbeat, HeartbeatMode, heartbeat
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.errors import EventTooLarge, IdleTimeout, Truncated

from .dialect_streams import ALL, COMPLETE, drained, facts, pipeline, streams
from .event_streams import (
    CAPTURES,
    ReferenceEvent,
    capture_body,
    check_canonical,
    chunked,
    cuts,
    dechunked,
    reference_events,
    reframed_by_httpx_sse,
    splits,
)
from .work import calls_made, cpu_seconds

DIALECTS = pytest.mark.parametrize("dialect", ALL)
BODIES = st.sampled_from(sorted(ALL)).flatmap(lambda name: st.tuples(st.just(name), streams(name)))
MODES: tuple[HeartbeatMode, ...] = ("auto", "comment", "comment-block", "data")


def lived(of_body: Pipeline, chunks: Sequence[bytes], dialect: str) -> tuple[bytes, str, dict[str, object]]:
    """All that the client gets for *chunks*, how that ended, and what was learnt."""
    output = b""
    try:
        for chunk in chunks:
            output += of_body.feed(chunk)
        output += of_body.flush()
        output += of_body.conclude()
        ending = "whole"
    except (EventTooLarge, Truncated) as error:
        output += of_body.fail(error)
        ending = error.code
        if isinstance(error, EventTooLarge):
            # Line ends are put right a read at a time, so those behind the fatal event are counted or not.
            of_body.repairs.pop("line_endings", None)
    return output, ending, facts(of_body, dialect)


@settings(max_examples=500, deadline=None)
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


@settings(max_examples=250, deadline=None)
@given(body=BODIES)
def test_fast_path_for_each_event_in_a_chunk_of_its_own(body: tuple[str, bytes]) -> None:
    """The same for the traffic that the fast path is made for: a chunk an event."""
    dialect, stream = body
    chunks = [piece + b"\n\n" for piece in stream.split(b"\n\n")]
    joined = b"".join(chunks)
    slow = lived(pipeline(dialect), [joined[at : at + 1] for at in range(len(joined))], dialect)
    assert lived(pipeline(dialect), chunks, dialect) == slow


@settings(max_examples=250, deadline=None)
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


@settings(max_examples=500, deadline=None)
@given(body=BODIES, places=cuts())
def test_output_is_canonical_and_needs_no_further_repair(body: tuple[str, bytes], places: list[int]) -> None:
    """What comes out is canonical to the byte, and goes through a second proxy unchanged."""
    dialect, stream = body
    output, first = drained(dialect, *chunked(stream, places))
    check_canonical(output, of_json=ALL[dialect].json)
    again, second = drained(dialect, *chunked(output, places))
    assert again == output
    assert second.repairs == {}
    assert second.events == first.events


def heartbeats(dialect: str, of_body: Pipeline) -> list[Heartbeat]:
    """Every heartbeat that may be sent in this state."""
    return [
        heartbeat(ALL[dialect], of_body.state, mode, browser=browser, data_due=data_due)
        for mode, browser, data_due in itertools.product(MODES, (False, True), (False, True))
    ]


def without(events: list[ReferenceEvent], noops: list[bytes]) -> list[tuple[str, str, str]]:
    """*events* without those that the *noops* stand for."""
    known = {(event.type, event.data) for noop in noops for event in reference_events(noop)}
    return [(e.type, e.data, e.last_event_id) for e in events if (e.type, e.data) not in known]


@settings(max_examples=250, deadline=None)
@given(body=BODIES, places=cuts(), choice=st.integers(min_value=0, max_value=15))
def test_heartbeats_between_any_two_outputs_change_nothing(
    body: tuple[str, bytes], places: list[int], choice: int
) -> None:
    """A browser dispatches the same events with heartbeats in between, their own no-op events aside."""
    dialect, stream = body
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


@settings(max_examples=200, deadline=None)
@given(body=BODIES, places=cuts(), choice=st.integers(min_value=0, max_value=15))
def test_heartbeats_never_make_an_sdk_dispatch_nothing(body: tuple[str, bytes], places: list[int], choice: int) -> None:
    """Readers that take every blank line after an id for an event are never given an empty one (DESIGN fact 1)."""
    dialect, stream = body
    if not ALL[dialect].json:
        return  # there an event without data may be the upstream's own
    of_body = pipeline(dialect)
    beaten = b""
    for chunk in chunked(stream, places):
        beaten += of_body.feed(chunk)
        beaten += heartbeats(dialect, of_body)[choice].data
    assert "" not in reframed_by_httpx_sse(beaten)


@DIALECTS
def test_canonical_stream_passes_as_the_very_same_objects(dialect: str) -> None:
    """After the first event, a canonical chunk without a marker is forwarded, not copied."""
    of_body = pipeline(dialect)
    first, *others = [block + b"\n\n" for block in COMPLETE[dialect].removesuffix(b"\n\n").split(b"\n\n")]
    of_body.feed(first)
    quiet = [chunk for chunk in others if not any(marker in chunk for marker in ALL[dialect].markers)]
    assert quiet or dialect == "terminal"
    for chunk in quiet:
        assert of_body.feed(chunk) is chunk


@DIALECTS
def test_whole_answer_is_unchanged_and_complete_in_any_split(dialect: str) -> None:
    """A sound stream needs no repair and ends as complete."""
    body = COMPLETE[dialect]
    for chunks in splits(body, seed=5):
        output, of_body = drained(dialect, *chunks)
        assert output == body
        assert of_body.conclude() == b""
        assert of_body.repairs == {}
        assert of_body.state.complete or dialect == "generic"


FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
TOKEN = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    ("body", "output", "repairs"),
    [
        pytest.param(
            TOKEN + b"\n\n" + FINISH + DONE, TOKEN + FINISH + DONE, {"extra_blank_lines": 2}, id="blank lines"
        ),
        pytest.param(
            TOKEN[:-1] + FINISH[:-1] + DONE, TOKEN + FINISH + DONE, {"single_newline": 2}, id="single newline"
        ),
        pytest.param(
            (TOKEN + FINISH + DONE).replace(b"data: ", b"data:"),
            TOKEN + FINISH + DONE,
            {"missing_space": 3},
            id="no space",
        ),
        pytest.param(b"data: " + TOKEN + FINISH + DONE, TOKEN + FINISH + DONE, {"double_data": 1}, id="doubled data"),
        pytest.param(
            b"data: : keepalive\n\n" + TOKEN + FINISH + DONE,
            TOKEN + FINISH + DONE,
            {"comment_in_data": 1},
            id="comment wrapped in data",
        ),
        pytest.param(
            TOKEN[:-2] + FINISH[6:] + DONE, TOKEN + FINISH + DONE, {"concatenated_json": 1}, id="concatenated JSON"
        ),
        pytest.param(
            TOKEN.replace(b",", b",\ndata: ") + FINISH + DONE,
            TOKEN + FINISH + DONE,
            {"multi_line_data": 1},
            id="several data lines",
        ),
        pytest.param(
            TOKEN + FINISH + b"data: [DONE]", TOKEN + FINISH + DONE, {"missing_final_blank_line": 1}, id="no blank line"
        ),
        pytest.param(b"\xef\xbb\xbf" + TOKEN + FINISH + DONE, TOKEN + FINISH + DONE, {"bom": 1}, id="byte order mark"),
        pytest.param(
            (TOKEN + FINISH + DONE).replace(b"\n", b"\r\n"), TOKEN + FINISH + DONE, {"line_endings": 6}, id="CRLF"
        ),
        pytest.param(
            (TOKEN + FINISH + DONE).replace(b"\n", b"\r"), TOKEN + FINISH + DONE, {"line_endings": 6}, id="CR"
        ),
        pytest.param(
            TOKEN.replace(b'"a"', b'"\xe2\x82"') + FINISH + DONE,
            TOKEN.replace(b'"a"', '"\ufffd"'.encode()) + FINISH + DONE,
            {"invalid_utf8": 1},
            id="invalid UTF-8",
        ),
        pytest.param(b"data: \n\n" + TOKEN + FINISH + DONE, TOKEN + FINISH + DONE, {"empty_data": 1}, id="empty data"),
        pytest.param(
            b"data:  " + TOKEN[6:] + FINISH + DONE, TOKEN + FINISH + DONE, {"white_space": 1}, id="two spaces"
        ),
        pytest.param(TOKEN + FINISH, TOKEN + FINISH + DONE, {"missing_terminator": 1}, id="no terminator"),
        pytest.param(
            TOKEN + b'error: {"message":"no"}\n\n' + DONE,
            TOKEN + b'data: {"error":{"message":"no"}}\n\n' + DONE,
            {"error_field": 1},
            id="error as a field",
        ),
        pytest.param(
            TOKEN + b'data: {"object":"error","message":"no"}\n\n' + DONE,
            TOKEN + b'data: {"error":{"object":"error","message":"no"}}\n\n' + DONE,
            {"bare_error": 1},
            id="error without its envelope",
        ),
        pytest.param(b": a\n\n" + TOKEN + b":\n\n" + FINISH + DONE, TOKEN + FINISH + DONE, {}, id="comments"),
    ],
)
def test_every_repair_has_its_exact_bytes_and_count(body: bytes, output: bytes, repairs: dict[str, int]) -> None:
    """Each malformed framing comes out canonical and complete, in any split, counted under its kind alone."""
    for chunks in splits(body, seed=6):
        found, of_body = drained("openai_chat", *chunks)
        assert found + of_body.conclude() == output
        assert of_body.repairs == repairs


def test_of_several_documents_in_one_event_the_last_bears_the_id() -> None:
    """A client that reconnects after the first of them must not be told that it has them all."""
    output, _ = drained("openai_chat", b'id: 7\nevent: e\nretry: 5\ndata: {"a":1}{"b":2}\n\n')
    assert output == b'event: e\ndata: {"a":1}\n\nid: 7\nevent: e\nretry: 5\ndata: {"b":2}\n\n'


def test_a_cut_document_at_the_end_is_dropped() -> None:
    """Half a JSON document is no event, and the answer is not whole."""
    output, of_body = drained("openai_chat", TOKEN + FINISH[:-10])
    assert output == TOKEN
    with pytest.raises(Truncated):
        of_body.conclude()


def test_a_generic_event_without_blank_line_at_the_end_is_kept() -> None:
    """Nothing tells half a text from a whole one, and the body ended cleanly."""
    output, of_body = drained("generic", b"data: a\n\nid: 2\ndata: b")
    assert output == b"data: a\n\nid: 2\ndata: b\n\n"
    assert of_body.repairs == {"missing_final_blank_line": 1}
    assert of_body.conclude() == b""


@DIALECTS
def test_empty_body_is_truncated_where_an_ending_is_known(dialect: str) -> None:
    """No event at all is no answer; a generic stream may be empty."""
    output, of_body = drained(dialect)
    assert output == b""
    if dialect == "generic":
        assert of_body.conclude() == b""
        return
    with pytest.raises(Truncated):
        of_body.conclude()


@pytest.mark.parametrize("rewrite", [True, False])
def test_terminator_is_added_only_when_rewriting(rewrite: bool) -> None:
    """Who only watches adds nothing, though the answer is complete."""
    _, of_body = drained("openai_chat", TOKEN + FINISH, rewrite=rewrite)
    assert of_body.conclude() == (DONE if rewrite else b"")
    assert of_body.state.complete


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic", "generic"])
def test_pings_of_the_upstream_are_swallowed(dialect: str) -> None:
    """Neither comments nor native pings reach the client, and they do not count as events."""
    first, rest = COMPLETE[dialect].split(b"\n\n", 1)
    ping = b'event: ping\ndata: {"type": "ping"}\n\n' if dialect == "anthropic" else b":\n\n: ping\n\n"
    output, of_body = drained(dialect, ping, first + b"\n\n", ping, rest, ping)
    assert output == COMPLETE[dialect]
    assert of_body.events == drained(dialect, COMPLETE[dialect])[1].events


def test_events_before_one_that_is_too_large_are_not_lost() -> None:
    """`fail` gives out what the same chunk completed before the limit was passed."""
    of_body = pipeline("openai_chat", limit=100)
    with pytest.raises(EventTooLarge) as caught:
        of_body.feed(TOKEN + b"data: " + b"x" * 100)
    assert of_body.fail(caught.value).startswith(TOKEN + b'data: {"error":{')
    assert of_body.events == 1


def test_a_chunk_over_the_limit_is_judged_event_by_event() -> None:
    """Many small events in one read are no large one, and one large event is not let through with them."""
    of_body = pipeline("generic", limit=50)
    assert of_body.feed(b"data: a\n\n") == b"data: a\n\n"
    assert of_body.feed(b"data: b\n\n" * 20) == b"data: b\n\n" * 20
    with pytest.raises(EventTooLarge):
        of_body.feed(b"data: c\n\n" + b"data: " + b"x" * 50 + b"\n\n")


@pytest.mark.parametrize(
    ("before", "opened"),
    [
        (b"data: a\n\n", b""),
        (b"data: a\n\ndata: half", b"\n\n"),
        (b"data: a\n", b"\n\n"),
        (b"data: a\n\n: comm", b"\n\n"),
    ],
)
def test_error_starts_on_a_line_of_its_own(before: bytes, opened: bytes) -> None:
    """Who has forwarded half an event closes it first; canonical output never is in the middle of one."""
    error = IdleTimeout()
    watching, rewriting = pipeline("generic", rewrite=False), pipeline("generic")
    watching.feed(before)
    rewriting.feed(before)
    frame = ALL["generic"].error_frame(error, watching.state)
    assert watching.between_events is (not opened)
    assert rewriting.between_events
    assert watching.fail(error) == opened + frame
    assert rewriting.fail(error) == frame


@pytest.mark.parametrize(
    ("body", "began_with_error"),
    [
        (b'data: {"error":{"message":"no"}}\n\n', True),
        (TOKEN + b'data: {"error":{"message":"no"}}\n\n', False),
        (TOKEN, False),
    ],
)
def test_began_with_error(body: bytes, began_with_error: bool) -> None:
    """Only an error that is the very first event can still become a status."""
    for chunks in splits(body, seed=7):
        assert drained("openai_chat", *chunks)[1].began_with_error is began_with_error


def test_large_or_hopeless_payloads_are_not_parsed() -> None:
    """What is over 8 MiB, nested beyond reason or no object is only passed on."""
    of_body = pipeline("openai_chat", limit=1 << 30)
    for payload in (
        b'{"error":1,"x":"' + b"x" * (8 << 20) + b'"}',
        b'{"error":' + b"[" * 100_000,
        b"[1]",
        b'{"error":1',
    ):
        event = b"data: " + payload + b"\n\n"
        assert of_body.feed(event) == event
    assert of_body.state.error is None
    assert of_body.events == 4


# The recorded streams of a real server: what it sent is canonical already, so nothing may change.

STREAM_CAPTURES = {
    "llama-chat-progress": "openai_chat",
    "llama-chat-resumable": "openai_chat",
    "llama-completion-native": "generic",
    "llama-messages": "anthropic",
    "llama-responses": "openai_responses",
    "llama-stream": "openai_chat",
    "llama-stream-chunked": "openai_chat",
    "llama-v1-completions": "openai_completions",
}


@pytest.mark.parametrize(("name", "dialect"), STREAM_CAPTURES.items(), ids=STREAM_CAPTURES)
def test_captures_of_whole_streams_pass_unchanged(name: str, dialect: str) -> None:
    """A real server's stream comes out byte for byte as it went in, complete, without a repair."""
    body = capture_body(name)
    for chunks in splits(body, seed=8, rounds=8):
        output, of_body = drained(dialect, *chunks)
        assert output == body
        assert of_body.conclude() == b""
        assert of_body.repairs == {}
        assert of_body.events == len(reference_events(body))
        assert of_body.state.complete or dialect == "generic"


@pytest.mark.parametrize(
    ("name", "dialect", "usage"),
    [
        ("llama-stream", "openai_chat", {"input": 30, "output": 48, "cached_input": 0}),
        ("llama-messages", "anthropic", {"input": 5, "output": 16, "cached_input": 25}),
        ("llama-responses", "openai_responses", {"input": 30, "output": 16, "cached_input": 25}),
    ],
)
def test_usage_of_captures(name: str, dialect: str, usage: dict[str, int]) -> None:
    """The token counts are those that the server reported."""
    assert drained(dialect, capture_body(name))[1].state.usage == usage


@pytest.mark.parametrize("choices", [0, 2])
def test_capture_with_two_answers_is_complete_when_both_are(choices: int) -> None:
    """With n=2 every event is looked into, and the first finish is not the end."""
    body = capture_body("llama-chat-n2-logprobs")
    blocks = [block + b"\n\n" for block in body.removesuffix(b"\n\n").split(b"\n\n")]
    of_body = pipeline("openai_chat", choices=choices)
    ended = [bool(of_body.feed(block)) and of_body.over for block in blocks]
    finishes = [at for at, block in enumerate(blocks) if b'"finish_reason":"' in block]
    assert len(finishes) == 2
    assert ended.index(True) == finishes[-1]
    assert of_body.conclude() == b""
    assert len(of_body.state.finished_choices) == 2


def test_capture_of_a_killed_server_is_truncated() -> None:
    """What a SIGKILL left behind is told on, and never taken for whole."""
    body = capture_body("llama-stream-killed")
    for chunks in splits(body, seed=9):
        output, of_body = drained("openai_chat", *chunks)
        assert output == body
        with pytest.raises(Truncated):
            of_body.conclude()


def test_pings_of_a_capture_are_swallowed() -> None:
    """The three bytes that llama-server sends every second do not reach the client, however they are cut."""
    raw = (CAPTURES / "llama-stream-ping.txt").read_bytes().partition(b"\r\n\r\n")[2]
    chunks = dechunked(raw)
    assert chunks.count(b":\n\n") == 5
    wanted = b"".join(chunk for chunk in chunks if chunk != b":\n\n")
    output, of_body = drained("openai_chat", *chunks)
    assert output == wanted
    for cut in splits(b"".join(chunks), seed=10):
        assert drained("openai_chat", *cut)[0] == wanted
    assert of_body.repairs == {}
    assert of_body.state.complete


# Work.


def in_reads(body: bytes, size: int = 4096) -> list[bytes]:
    """*body* as a socket gives it."""
    return [body[at : at + size] for at in range(0, len(body), size)]


def huge(size: int) -> bytes:
    """A stream with one event of *size* bytes in it."""
    return TOKEN + b'data: {"choices":[{"delta":{"content":"' + b"x" * size + b'"}}]}\n\n' + FINISH + DONE


def test_one_large_event_costs_linear_work() -> None:
    """An event of 512 KiB in 4 KiB reads is twice the calls of one of 256 KiB."""

    def work(size: int) -> int:
        chunks = in_reads(huge(size))
        return calls_made(lambda: drained("openai_chat", *chunks))

    assert work(512 << 10) <= 2.1 * work(256 << 10)


def test_one_large_event_is_copied_a_bounded_number_of_times() -> None:
    """An event of 16 MiB in 4 KiB reads takes moments; appending to a string would copy 32 GiB."""
    of_body = pipeline("openai_chat", limit=32 << 20)
    chunks = in_reads(huge(16 << 20))
    assert cpu_seconds(lambda: [of_body.feed(chunk) for chunk in chunks]) < 3
    assert of_body.state.terminated


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param(b"data: {}\n\n", id="many events a read"),
        pytest.param(b"data:data:", id="doubled prefixes"),
        pytest.param(b"}{", id="seams without documents"),
        pytest.param(b'{"a":1}', id="concatenated documents"),
        pytest.param(b"\ndata: 1,", id="many lines"),
        pytest.param(b"\nevent: a", id="many fields"),
        pytest.param(b"\n\n", id="blank lines"),
        pytest.param(b"\n:comment", id="comments"),
        pytest.param(b"\r", id="carriage returns"),
    ],
)
@pytest.mark.parametrize("read", [1, 4096])
def test_pathological_streams_cost_linear_work(unit: bytes, read: int) -> None:
    """Whatever the upstream repeats, and in whatever reads: twice the bytes are at most about twice the calls."""

    def work(count: int) -> int:
        chunks = in_reads(TOKEN + b"data: {" + unit * count + b"\n\n" + DONE, read)
        return calls_made(lambda: drained("openai_chat", *chunks))

    assert work(4000) <= 2.2 * work(2000) + 200


def test_comment_and_block_are_what_readers_need() -> None:
    """The two comments differ by the blank line that some readers need and others die of."""
    assert (COMMENT, COMMENT_BLOCK) == (b": ping\n", b": ping\n\n")
