"""`core.pipeline`: in whose words the client is told, with whose ids, and what the end of a body may have left out."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import GENERIC, StreamState, dialect_by_name
from sse_proxy.core.framers import Framing
from sse_proxy.core.numbering import Numbering
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.shapes import shape_for
from sse_proxy.errors import EventTooLarge, IdleTimeout, Truncated, UpstreamProtocolError

from .dialect_samples import SAMPLES
from .dialect_streams import DONE, FINISH, LIMIT, TOKEN, drained, pipeline
from .event_streams import check_canonical, reference_events, splits

CHAT, OLLAMA, TOKENS = dialect_by_name("openai_chat"), dialect_by_name("ollama"), dialect_by_name("tokens")
STREAM = "0123456789abcdef" * 2
FIRST = b'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'


@pytest.mark.parametrize("rewrite", [True, False])
def test_a_recognised_stream_has_its_dialect_s_voice(rewrite: bool) -> None:
    """From its first event on; the generic one before."""
    of = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, recognises=True, rewrite=rewrite)
    assert of.voice is GENERIC
    assert of.feed(b": comment\n") == (b"" if rewrite else b": comment\n")
    assert of.voice is GENERIC
    assert of.feed(FIRST) == FIRST
    assert of.voice is of.dialect is CHAT
    assert of.told is of.state
    assert of.fail(IdleTimeout()).endswith(DONE)


def test_a_voice_of_another_kind_stays() -> None:
    """What was promised to the client does not change with what the upstream speaks."""
    shape = shape_for("tokens", identity={})
    of = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, recognises=True, shape=shape)
    assert of.feed(FIRST) == b'data: {"token":"a"}\n\n'
    assert (of.dialect, of.voice) == (CHAT, TOKENS)
    assert of.told is shape.state


@pytest.mark.parametrize(("framing", "end"), [(Framing.NDJSON, b"\n"), (Framing.JSON, b"\0")])
def test_records_of_other_framings_tell_the_dialect_too(framing: Framing, end: bytes) -> None:
    """Servers that forget the fields of an event stream, mostly; then its terminator is known as well."""
    documents = [FIRST[6:-2], FINISH[6:-2], b"[DONE]"]
    body = end.join(documents) + end
    for pieces in splits(body, seed=1):
        of = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, framing=framing, recognises=True)
        out = b"".join([*map(of.feed, pieces), of.flush(), of.conclude()])
        assert out == FIRST + FINISH + DONE
        assert (of.dialect, of.state.complete) == (CHAT, True)


def numbered(*, apart: bool = False, limit: int = LIMIT) -> Pipeline:
    """One that numbers a chat stream."""
    numbering = Numbering(STREAM, apart=apart)
    return Pipeline(CHAT, state=StreamState(), max_event_bytes=limit, numbering=numbering)


def ids(out: bytes) -> list[int]:
    """The numbers of the events in *out*."""
    return [int(event.last_event_id.removeprefix(f"{STREAM}.")) for event in reference_events(out)]


@pytest.mark.parametrize("apart", [True, False])
def test_every_event_is_numbered_the_terminator_included(apart: bool) -> None:
    """However the body is cut; the upstream's own ids are not told."""
    body = b"id: 9\n" + TOKEN + TOKEN + FINISH
    for pieces in splits(body, seed=2):
        of = numbered(apart=apart)
        out = b"".join([*map(of.feed, pieces), of.flush(), of.conclude()])
        assert ids(out) == [1, 2, 3, 4]
        assert out.replace(b"\n\ndata", b"\ndata").count(b"id: ") == 4
        assert out.endswith(DONE)


@pytest.mark.parametrize("own", [True, False], ids=["the first has one", "a later one has"])
def test_ids_give_way_to_those_of_the_first_event(own: bool) -> None:
    """However the body is cut: by the first event all are told as they came, or all are numbered."""
    events = [b"id: 7\n" + TOKEN, TOKEN, b"id: 9\n" + TOKEN][:: 1 if own else -1]
    events = events if own else [TOKEN, *events]
    for pieces in splits(b"".join(events), seed=3):
        numbering = Numbering(STREAM, apart=False, yields=True)
        of = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, numbering=numbering)
        out = b"".join([*map(of.feed, pieces), of.flush(), of.conclude()])
        assert numbering.gave_way is own
        if own:
            assert out == b"".join(events)
        else:
            assert ids(out) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("last", "error"),
    [
        (b"data: " + b"x" * 200, EventTooLarge()),
        (b'data: {"object":"chat.cdata: {"id":"x"}\n\n', UpstreamProtocolError()),
    ],
)
def test_numbers_go_on_over_an_error(last: bytes, error: EventTooLarge | UpstreamProtocolError) -> None:
    """What the same chunk completed before it comes first."""
    of = numbered(limit=150)
    out = of.feed(TOKEN)
    with pytest.raises(type(error)):
        of.feed(TOKEN * 2 + last)
    out += of.fail(error)
    check_canonical(out, of_json=True)
    assert ids(out) == [1, 2, 3, 4, 5]


def test_what_came_before_an_error_is_told_though_the_first_event_tells_the_dialect() -> None:
    """There the lines of a chunk are read one by one."""
    of = Pipeline(GENERIC, state=StreamState(), max_event_bytes=100, recognises=True)
    with pytest.raises(EventTooLarge):
        of.feed(FIRST + TOKEN + b"data: " + b"x" * 101)
    assert of.fail(EventTooLarge()).startswith(FIRST + TOKEN + b'data: {"error":')


HALF = {
    Framing.SSE: b'data: {"usage":',
    Framing.NDJSON: b'{"usage":',
    Framing.JSON: b'{"usage":',
    Framing.AWS: b"\0\0\0",
    Framing.DATA_STREAM: b"",
}


@pytest.mark.parametrize(
    ("name", "finishing"), [("openai_chat", 5), ("anthropic", 9), ("bedrock_converse", 5), ("llamacpp", 3), ("tgi", 3)]
)
@pytest.mark.parametrize("rewrite", [True, False])
def test_half_a_record_behind_the_finish_signal_is_a_cut(name: str, finishing: int, rewrite: bool) -> None:
    """Something is lost, though most of the answer is not; asked again, the end says the same."""
    sample = SAMPLES[name]
    of = Pipeline(
        dialect_by_name(name), state=StreamState(), max_event_bytes=LIMIT, framing=sample.framing, rewrite=rewrite
    )
    of.feed(b"".join(sample.records[:finishing]) + HALF[sample.framing])
    assert of.state.finished
    for _ in range(2):
        of.flush()
        with pytest.raises(Truncated):
            of.conclude()


@pytest.mark.parametrize("name", ["openai_chat", "ollama", "anthropic", "bedrock_converse"])
def test_behind_the_terminator_nothing_can_be_cut(name: str) -> None:
    """The upstream itself has said that there is no more."""
    sample = SAMPLES[name]
    of = Pipeline(dialect_by_name(name), state=StreamState(), max_event_bytes=LIMIT, framing=sample.framing)
    of.feed(sample.body + HALF[sample.framing])
    assert of.flush() + of.conclude() == b""


def test_half_a_record_of_a_stream_that_ends_with_its_body_is_a_cut() -> None:
    """Where the framing can tell one; a generic event has no other end than that of the body."""
    of = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, framing=Framing.NDJSON)
    of.feed(b'{"a":1}\n{"a":')
    assert of.flush() == b""
    with pytest.raises(Truncated):
        of.conclude()


def test_watching_tells_nothing_of_its_own() -> None:
    """No shape, no ids: every byte as it came."""
    of = Pipeline(
        OLLAMA,
        state=StreamState(),
        max_event_bytes=LIMIT,
        rewrite=False,
        framing=Framing.NDJSON,
        voice=OLLAMA.native,
    )
    assert of.feed(b'{"response":"a"}\n{"res') == b'{"response":"a"}\n{"res'
    assert not of.between_events
    assert of.fail(IdleTimeout()) == b'\n{"error":"the upstream fell silent"}\n'


def test_where_nothing_closes_half_a_record_no_error_is_told() -> None:
    """Only the broken connection tells it then."""
    row = dialect_by_name("bedrock_converse")
    of = Pipeline(row, state=StreamState(), max_event_bytes=LIMIT, rewrite=False, framing=Framing.AWS, voice=row.native)
    of.feed(SAMPLES["bedrock_converse"].records[0])
    assert of.fail(IdleTimeout())
    of.feed(b"\0")
    assert of.fail(IdleTimeout()) == b""


def test_comments_are_nothing_to_any_reader() -> None:
    """Nor do they end the wait for the first event."""
    output, of = drained("openai_chat", b": a\n\n" * 3)
    assert (output, of.events, of.over) == (b"", 0, False)
    assert pipeline("openai_chat").state.started is False


def test_a_first_event_in_pieces_tells_the_dialect_of_all_behind_it() -> None:
    """By its name; it is held, so that it is no event yet when that is known."""
    of = Pipeline(GENERIC, state=StreamState(), max_event_bytes=LIMIT, recognises=True)
    event = b'event: chat.start\ndata: {"type":"chat.start","model_instance_id":"m"}\n\n'
    torn = event.replace(b',"model', b'\n\ndata: ,"model')
    told = b"".join(of.feed(torn) for _ in range(3))
    assert (told, of.repairs, of.dialect.name) == (3 * event, {"split_json": 3}, "lm_studio")
