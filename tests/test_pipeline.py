"""`core.pipeline`: repairs to the byte, endings verified, errors that start on a line of their own."""

from __future__ import annotations

from typing import Literal

import pytest

from sse_proxy.core.dialects import GENERIC, StreamState, dialect_by_name
from sse_proxy.core.framers import Framing
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.shapes import shape_for
from sse_proxy.errors import EventTooLarge, IdleTimeout, Truncated, UpstreamProtocolError

from .dialect_streams import ALL, COMPLETE, DONE, FINISH, LIMIT, TOKEN, drained, pipeline
from .event_streams import splits

DIALECTS = pytest.mark.parametrize("dialect", ALL)


@DIALECTS
def test_canonical_stream_passes_as_the_very_same_objects(dialect: str) -> None:
    """After the first event, a canonical chunk without a marker is forwarded, not copied."""
    of_body = pipeline(dialect)
    first, *others = [block + b"\n\n" for block in COMPLETE[dialect].removesuffix(b"\n\n").split(b"\n\n")]
    of_body.feed(first)
    row = ALL[dialect]
    quiet = [chunk for chunk in others if row.is_quiet(chunk) and not row.only_data]
    quiet = [chunk for chunk in quiet if not chunk.startswith(b"id:")]
    # Of short answers every event says something.
    assert quiet or dialect in {"terminal", "gemini", "sglang_generate", "lmdeploy", "replicate"}
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
        assert of_body.state.complete or ALL[dialect].completes_at_end


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
    if ALL[dialect].completes_at_end:
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


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic"])
def test_the_first_event_after_a_ping_is_looked_into(dialect: str) -> None:
    """A ping is no event of the answer, so the fast path waits for the one behind it."""
    of_body = pipeline(dialect)
    of_body.feed(b'event: ping\ndata: {"type":"ping"}\n\n')
    of_body.feed(TOKEN)
    assert of_body.state.started


@pytest.mark.parametrize(
    ("body", "output"),
    [
        (b'data: {"token":"a"}\n\n{"token":\n"b"}\n', b'data: {"token":"a"}\n\ndata: {"token":"b"}\n\n'),
        (b'data: {"token":"a"}\n\ndata: {}\ndata: {}\n\n', b'data: {"token":"a"}\n\n' + b"data: {}\n\n" * 2),
        (b'data: {"token":"a"}\n\ndata: {}\n\n' + b"x" * 101, b'data: {"token":"a"}\n\ndata: {}\n\n'),
    ],
)
def test_what_the_first_event_tells_of_the_dialect_holds_for_the_rest_of_its_chunk(body: bytes, output: bytes) -> None:
    """Wherever the network has cut the stream, also in front of a fatal event."""
    for chunks in splits(body, seed=11):
        of_body = Pipeline(GENERIC, state=StreamState(), max_event_bytes=100, recognises=True)
        told = b""
        try:
            for chunk in chunks:
                told += of_body.feed(chunk)
        except EventTooLarge as error:
            told += of_body.fail(error).partition(b"event: error")[0]
        assert told == output
        assert of_body.dialect.name == "tokens"


def test_the_first_line_of_data_tells_the_dialect_where_no_blank_line_comes() -> None:
    """So that each event is told when the next begins, and the type of the last is not that of all."""
    events = [
        b'event: message\ndata: {"token":"a"}\n',
        b'event: message\ndata: {"token":"b"}\n',
        b"event: done\ndata: {}\n",
    ]
    for chunks in splits(b"".join(events) + b"\n", seed=12):
        of_body = Pipeline(GENERIC, state=StreamState(), max_event_bytes=100, recognises=True)
        assert b"".join(map(of_body.feed, chunks)) == b"\n".join(events) + b"\n"
        assert of_body.repairs == {"single_newline": 2}


def test_an_event_without_data_tells_no_dialect() -> None:
    """The one behind it does, wherever the network has cut the stream."""
    empty, first = b"data: \n\n", b'data: {"token":"a"}\n\n'
    for chunks in ((empty, first), (empty + first,)):
        of_body = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, recognises=True)
        assert b"".join(map(of_body.feed, chunks)) == empty + first
        assert of_body.dialect.name == "tokens"


def test_text_tells_no_dialect() -> None:
    """It has no first event: what comes first is what the network makes of it."""
    of_body = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, framing=Framing.TEXT, recognises=True)
    assert of_body.feed(b'{"token":"a"}') == b'data: {"token":"a"}\n\n'
    assert of_body.dialect is GENERIC


def test_what_the_first_event_tells_of_the_dialect_holds_for_the_fast_path() -> None:
    """A stream that turns out to be Gemini's has nothing but data from then on."""
    first, named = b'data: {"candidates":[]}\n\n', b'event: e\ndata: {"candidates":[]}\n\n'
    of_body = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, recognises=True)
    assert [of_body.feed(chunk) for chunk in (first, named)] == [first, first]


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
        b'{"error":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[1]",
        b'{"error":nope}',
    ):
        event = b"data: " + payload + b"\n\n"
        assert of_body.feed(event) == event
    assert of_body.state.error is None
    assert of_body.events == 4


@pytest.mark.parametrize("output", ["openai", "tokens"])
@pytest.mark.parametrize("behind", [TOKEN, b'data: {"error":{"message":"no"}}\n\n', DONE])
def test_nothing_is_told_behind_the_end_of_a_shape(output: Literal["openai", "tokens"], behind: bytes) -> None:
    """Its client has stopped to read, or would take it for another answer."""
    told = []
    for body in (TOKEN + FINISH + DONE, TOKEN + FINISH + DONE + behind):
        shape = shape_for(output, identity={"id": "c"})
        of_body = Pipeline(ALL["openai_chat"], state=StreamState(), max_event_bytes=LIMIT, shape=shape)
        told.append(of_body.feed(body) + of_body.flush() + of_body.conclude())
    assert told[0] == told[1]


def test_line_ends_of_a_canonical_chunk_are_mended_on_the_fast_path() -> None:
    """The same bytes and the same counts as on the slow one."""
    for dialect, chunk in (("openai_chat", TOKEN), ("generic", b"data: a\n\n")):
        of_body = pipeline(dialect)
        of_body.feed(chunk)
        assert of_body.feed((chunk * 2).replace(b"\n", b"\r\n")) == chunk * 2
        assert of_body.repairs == {"line_endings": 4}
        watching = pipeline(dialect, rewrite=False)
        watching.feed(chunk)
        assert watching.feed(chunk.replace(b"\n", b"\r\n")) == chunk.replace(b"\n", b"\r\n")
        assert watching.repairs == {}


def test_what_is_only_watched_is_not_repaired_and_not_bounded_by_the_mender() -> None:
    """Every byte as it came, and no repair is told of."""
    broken = b"data:" + TOKEN[6:-2] + b"\n: c\n\ndata: data: {}\n\n"
    output, of_body = drained("openai_chat", broken, rewrite=False)
    assert (output, of_body.repairs) == (broken, {})


def test_a_document_in_several_events_is_bounded() -> None:
    """By the same limit as one event."""
    of_body = pipeline("openai_chat", limit=60)
    of_body.feed(b'data: {"a":"' + b"x" * 40 + b"\n\n")
    with pytest.raises(EventTooLarge):
        of_body.feed(b"data: " + b"y" * 40 + b"\n\n")


def test_what_is_told_by_end_and_error_is_told_once() -> None:
    """A flush gives out what an error has held back, and a second conclusion adds nothing."""
    of_body = pipeline("openai_chat", limit=100)
    with pytest.raises(EventTooLarge):
        of_body.feed(TOKEN + b"data: " + b"x" * 200)
    assert of_body.flush() == TOKEN
    assert of_body.flush() == b""
    output, of_body = drained("openai_chat", TOKEN + FINISH)
    assert (output, of_body.conclude(), of_body.conclude()) == (TOKEN + FINISH, DONE, b"")
    assert of_body.state.terminated is True


@pytest.mark.parametrize(
    ("dialect", "error", "added"),
    [
        ("openai_chat", b'data: {"error":{"message":"no"}}\n\n', DONE),
        ("anthropic", b'event: error\ndata: {"type":"error","error":{"message":"no"}}\n\n', b""),
    ],
)
def test_behind_the_upstreams_own_error_comes_the_terminator_where_the_api_has_it(
    dialect: str, error: bytes, added: bytes
) -> None:
    """Whether or not a finish signal came before."""
    output, of_body = drained(dialect, error)
    assert (output, of_body.conclude()) == (error, added)


@pytest.mark.parametrize("output", ["openai", "tokens"])
def test_a_shape_ends_by_itself_unless_an_error_was_told(output: Literal["openai", "tokens"]) -> None:
    """Its own ending behind a whole answer, nothing behind an error; and its state says that all is told anew."""
    for tail, ends in ((FINISH, True), (b'data: {"error":{"message":"no"}}\n\n', False)):
        state = StreamState(choices=1)
        shape = shape_for(output, identity={"id": "c"})
        of_body = Pipeline(ALL["openai_chat"], state=state, max_event_bytes=LIMIT, shape=shape)
        assert state.retold is True
        of_body.feed(TOKEN + tail)
        of_body.flush()
        assert bool(of_body.conclude()) is ends
    Pipeline(ALL["openai_chat"], state=state, max_event_bytes=LIMIT)
    assert state.retold is False


def test_cut_parts_make_an_answer_a_cut_one() -> None:
    """Half a record, half a document, or a record that is not whole: with the finish signal or without."""
    for tail in (b"data: {", b'data: {"a":\n\n', b'data: {"choices":['):
        _, of_body = drained("openai_chat", TOKEN + FINISH, tail)
        with pytest.raises(Truncated):
            of_body.conclude()
        _, of_body = drained("openai_chat", TOKEN + FINISH + DONE, tail)
        assert of_body.conclude() == b""


@pytest.mark.parametrize(
    ("name", "begun", "told"),
    [("ollama", b'{"a":', b'\n{"error":"'), ("gemini_array", b'[{"a":', b""), ("bedrock_converse", b"\0", b"")],
)
def test_within_a_record_of_a_stream_that_is_only_watched_an_error_needs_a_line_end(
    name: str, begun: bytes, told: bytes
) -> None:
    """Nothing can be told where no line closes the record: the client sees that it was cut."""
    row = dialect_by_name(name)
    of_body = Pipeline(
        row, state=StreamState(), max_event_bytes=LIMIT, rewrite=False, framing=row.framing, voice=row.native
    )
    of_body.feed(begun)
    out = of_body.fail(IdleTimeout())
    assert out.startswith(told)
    assert bool(out) is bool(told)


def test_a_client_with_a_voice_of_its_own_keeps_it_when_the_dialect_is_known() -> None:
    """The first event tells how the upstream speaks, not how the client has to be spoken to."""
    first = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    for voice, expected in ((None, "openai_chat"), (ALL["anthropic"], "anthropic")):
        of_body = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, voice=voice, recognises=True)
        assert of_body.feed(first) == first
        assert (of_body.dialect.name, of_body.voice) == ("openai_chat", ALL[expected])
    assert pipeline("generic").feed(first) == first
    deaf = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT)
    deaf.feed(first)
    assert deaf.dialect is GENERIC


def test_an_event_whose_type_is_all_it_says_is_kept() -> None:
    """Where the API has such events: to the grammar they are none."""
    assert pipeline("langserve").feed(b"event: end\n\n") == b"event: end\ndata: \n\n"
    assert pipeline("generic").feed(b"event: end\n\n") == b""


@pytest.mark.parametrize("dialect", ["generic", "replicate"])
def test_lines_that_are_no_payloads_of_json_stay_one_event(dialect: str) -> None:
    """Documents in several lines are only taken for several events where every payload is a document."""
    lines = b"id: 1:0\nevent: output\ndata: {}\ndata: {}\n\n"
    assert pipeline(dialect).feed(lines) == lines
    told = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, recognises=True)
    assert told.feed(COMPLETE["replicate"].partition(b"\n\n")[0] + b"\n\n" + lines).endswith(lines)
    assert told.dialect.name == "replicate"


def test_what_comes_before_a_payload_that_cannot_be_is_not_lost() -> None:
    """A line that is no object, where the API has nothing else, and the upstream's framing is another one."""
    row = dialect_by_name("ollama")
    of_body = Pipeline(row, state=StreamState(), max_event_bytes=LIMIT, framing=row.framing)
    lines = [b'{"message":{"content":"%b"}}' % text for text in (b"a", b"b")]
    with pytest.raises(UpstreamProtocolError) as caught:
        of_body.feed(b"\n".join([*lines, b"[1]\n"]))
    told = b"".join(b"data: " + line + b"\n\n" for line in lines)
    assert of_body.fail(caught.value) == told + row.error_frame(caught.value, of_body.state)


def test_an_event_that_is_too_large_for_a_stream_that_is_only_watched_is_told_by_the_error_alone() -> None:
    """The read that it came in was not forwarded, so nothing is open, and nothing of ours was held back."""
    of_body = pipeline("generic", rewrite=False, limit=50)
    with pytest.raises(EventTooLarge) as caught:
        of_body.feed(b"data: a\n\ndata: " + b"x" * 50)
    assert of_body.fail(caught.value) == ALL["generic"].error_frame(caught.value, of_body.state)


def test_ids_of_ours_are_given_on_either_path() -> None:
    """From 1 on."""
    of_body = pipeline("openai_chat", ids="in")
    told = [of_body.feed(TOKEN), of_body.feed(TOKEN), of_body.feed(TOKEN[:9]) + of_body.feed(TOKEN[9:])]
    assert told == [b"id: %b.%d\n" % (b"0" * 32, number) + TOKEN for number in (1, 2, 3)]


def test_each_event_is_told_in_the_words_of_the_shape() -> None:
    """However canonical it came; an error is told once, and nothing behind it."""
    error = b'data: {"error":{"message":"no"}}\n\n'
    shape = shape_for("tokens", identity={})
    of_body = Pipeline(ALL["openai_chat"], state=StreamState(), max_event_bytes=LIMIT, shape=shape)
    token = b'data: {"token":"a"}\n\n'
    assert [of_body.feed(TOKEN), of_body.feed(TOKEN), of_body.feed(TOKEN * 2)] == [token, token, token * 2]
    assert of_body.feed(error).startswith(b"event: error\n")
    assert [of_body.feed(error), of_body.feed(TOKEN)] == [b"", b""]


def test_a_piece_of_text_is_one_event_whatever_lines_it_has() -> None:
    """Blank lines in it are no ends of events."""
    of_body = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, framing=Framing.TEXT)
    assert of_body.feed(b"a\n\nb\n\nc") == b"data: a\ndata: \ndata: b\ndata: \ndata: c\n\n"
    assert of_body.feed(b"data: d\n\n") == b"data: data: d\ndata: \ndata: \n\n"


@pytest.mark.parametrize("tail", [b'data: {"a":\n', b'{"a":\n', b'data: {"a":'])
def test_a_part_of_an_event_at_the_end_is_not_told(tail: bytes) -> None:
    """Its line may be whole and its document not; and the answer is a cut one, whatever was told before."""
    output, of_body = drained("openai_chat", TOKEN + FINISH, tail)
    assert output == TOKEN + FINISH
    with pytest.raises(Truncated):
        of_body.conclude()


def test_the_terminator_is_added_behind_the_finish_signal() -> None:
    """Also in an API that has none behind an error."""
    body, end, _ = COMPLETE["anthropic"].partition(b"event: message_stop")
    assert end
    output, of_body = drained("anthropic", body)
    assert (output, of_body.conclude()) == (body, b'event: message_stop\ndata: {"type":"message_stop"}\n\n')


def test_a_first_event_that_had_to_be_mended_tells_the_voice_too() -> None:
    """Errors and heartbeats are told as clients of that API expect them, and its repairs are made from there on."""
    first = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
    of_body = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, recognises=True)
    assert of_body.feed(b"data: " + first) == first
    assert of_body.voice is ALL["openai_chat"]
    assert of_body.feed(TOKEN[:-1] + TOKEN) == TOKEN * 2
    assert of_body.repairs == {"double_data": 1, "single_newline": 1}
