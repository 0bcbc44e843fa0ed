"""Every row of the table of dialects, on one answer each: whole or cut, its text, its usage, its errors, its voices."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import DIALECTS, GENERIC, Dialect, StreamState, dialect_by_name
from sse_proxy.core.framers import Framing
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.shapes import Output, shape_for
from sse_proxy.errors import IdleTimeout, Truncated

from .dialect_samples import SAMPLES, Sample
from .event_streams import check_canonical, reference_events, splits

LIMIT = 1 << 20
NEEDY = [name for name, sample in SAMPLES.items() if sample.needed]
ERRING = [name for name, sample in SAMPLES.items() if sample.error]


def pipeline(name: str, output: Output = "native", *, rewrite: bool = True) -> Pipeline:
    """A fresh one for the dialect's own framing, spoken as it is by default."""
    row, sample = dialect_by_name(name), SAMPLES[name]
    voice = None if rewrite else row.native or row
    shape = None if output == "native" else shape_for(output, identity={"id": "x", "created": 1, "model": ""})
    return Pipeline(
        row,
        state=StreamState(),
        max_event_bytes=LIMIT,
        rewrite=rewrite,
        framing=sample.framing,
        voice=voice,
        shape=shape,
    )


def run(of: Pipeline, *chunks: bytes) -> bytes:
    """What the client gets for *chunks* and a clean end."""
    return b"".join([*map(of.feed, chunks), of.flush(), of.conclude()])


def test_there_is_a_sample_of_every_row() -> None:
    """A row without one is not tested."""
    assert {row.name for row in (*DIALECTS, GENERIC)} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("rewrite", [True, False])
def test_the_whole_answer_is_complete(name: str, rewrite: bool) -> None:
    """With its usage; what is only watched goes out as it came."""
    of, sample = pipeline(name, rewrite=rewrite), SAMPLES[name]
    out = run(of, *sample.records)
    assert of.state.error is None
    assert sample.usage.items() <= of.state.usage.items()
    assert rewrite or out == sample.body


@pytest.mark.parametrize("name", NEEDY)
@pytest.mark.parametrize("rewrite", [True, False])
def test_a_part_of_it_is_never_complete(name: str, rewrite: bool) -> None:
    """Cut after any record before the one that says so; complete from there on."""
    sample = SAMPLES[name]
    for count in range(sample.needed):
        with pytest.raises(Truncated):
            run(pipeline(name, rewrite=rewrite), *sample.records[:count])
    run(pipeline(name, rewrite=rewrite), *sample.records[: sample.needed])


@pytest.mark.parametrize("name", ERRING)
@pytest.mark.parametrize("after", [0, 1])
def test_the_upstreams_own_error_is_one(name: str, after: int) -> None:
    """First or later; only as the first event it can become a status."""
    sample = SAMPLES[name]
    assert sample.error is not None
    record, message, status = sample.error
    if sample.framing is Framing.JSON_ARRAY and after:
        record = b"," + record[1:]
    of = pipeline(name)
    run(of, *sample.records[:after], record)
    assert of.state.error is not None
    assert (str(of.state.error), of.state.error.http_status) == (message, status)
    assert of.began_with_error is (after == 0)
    assert of.over


@pytest.mark.parametrize("name", SAMPLES)
def test_events_for_sse_clients_are_canonical_and_need_no_repair(name: str) -> None:
    """Whatever the upstream's framing."""
    of = pipeline(name)
    out = run(of, SAMPLES[name].body)
    check_canonical(out, of_json=False)
    assert set(of.repairs) <= {"line_endings", "missing_terminator"}


@pytest.mark.parametrize("name", SAMPLES)
def test_any_split_says_the_same(name: str) -> None:
    """How the network cuts the body changes nothing."""
    body = SAMPLES[name].body
    whole = pipeline(name)
    out = run(whole, body)
    for pieces in splits(body, seed=1):
        of = pipeline(name)
        assert out == run(of, *pieces)
        assert (whole.state.usage, whole.state.finished) == (of.state.usage, of.state.finished)


def expected_chat(sample: Sample) -> tuple[str, str, tuple[str, str] | None, str]:
    """What an OpenAI client must have in the end."""
    return sample.text, sample.reasoning, sample.tool, sample.finish


@pytest.mark.parametrize("name", SAMPLES)
def test_as_openai_chunks(name: str) -> None:
    """Text, reasoning, tool calls, finish and usage of every dialect; the terminator once, at the end."""
    sample, of = SAMPLES[name], pipeline(name, "openai")
    out = run(of, sample.body)
    check_canonical(out, of_json=True)
    *events, last = [event.data for event in reference_events(out)]
    assert last == "[DONE]"
    chunks = [json.loads(data) for data in events]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == [sample.finish]
    deltas = [choice["delta"] for choice in choices]
    assert [delta["role"] for delta in deltas if "role" in delta] == ["assistant"]
    calls = [call for delta in deltas for call in delta.get("tool_calls", [])]
    names = [call["function"]["name"] for call in calls if "name" in call["function"]]
    tool = (names[0], "".join(call["function"]["arguments"] for call in calls)) if calls else None
    text = "".join(delta.get("content") or "" for delta in deltas)
    thought = "".join(delta.get("reasoning_content", "") for delta in deltas)
    assert expected_chat(sample) == (text, thought, tool, sample.finish)
    usage = [chunk["usage"] for chunk in chunks if "usage" in chunk]
    assert [entry["completion_tokens"] for entry in usage] == ([2] if sample.usage else [])


@pytest.mark.parametrize("name", SAMPLES)
def test_as_tokens(name: str) -> None:
    """The text, and one end."""
    out = run(pipeline(name, "tokens"), SAMPLES[name].body)
    *events, last = reference_events(out)
    assert (last.type, last.data) == ("done", '{"done":true}')
    assert "".join(json.loads(event.data)["token"] for event in events) == SAMPLES[name].text
    assert {event.type for event in events} <= {"message"}


@pytest.mark.parametrize("name", ERRING)
@pytest.mark.parametrize("output", ["openai", "tokens"])
def test_errors_in_a_shape(name: str, output: Output) -> None:
    """Told once, in the shape's words, and never followed by its end."""
    sample = SAMPLES[name]
    assert sample.error is not None
    of = pipeline(name, output)
    out = run(of, *([] if sample.framing is Framing.JSON_ARRAY else sample.records[:1]), sample.error[0])
    assert out.count(b'"error":{') == 1
    assert b"event: done" not in out
    assert out.endswith(b"data: [DONE]\n\n") is (output == "openai")


@pytest.mark.parametrize("name", NEEDY)
@pytest.mark.parametrize("output", ["openai", "tokens"])
def test_a_cut_answer_in_a_shape(name: str, output: Output) -> None:
    """No end of its own; the error is ours to tell."""
    of = pipeline(name, output)
    with pytest.raises(Truncated):
        run(of, *SAMPLES[name].records[: SAMPLES[name].needed - 1])
    assert b"upstream_truncated" in of.fail(Truncated())


def native_voices() -> list[Dialect]:
    """The rows whose own framing is not SSE."""
    return [row for row in DIALECTS if row.native is not None]


@pytest.mark.parametrize("row", native_voices(), ids=lambda row: row.name)
def test_errors_in_the_servers_own_framing_are_read_as_such(row: Dialect) -> None:
    """What we write, the row's own reader takes for an error; so does the first record of a stream."""
    sample = SAMPLES[row.name]
    error = sample.error
    assert error is not None
    voice = row.native
    assert voice is not None
    for before in ((), sample.records[:1]):
        writer = pipeline(row.name, rewrite=False)
        sent = b"".join(map(writer.feed, before))
        reader = pipeline(row.name, rewrite=False)
        frame = writer.fail(IdleTimeout())
        reader.feed(sent + frame)
        assert frame
        assert reader.state.error is not None
        assert voice.error_body(IdleTimeout()).startswith(b"{")


@pytest.mark.parametrize("row", native_voices(), ids=lambda row: row.name)
def test_half_a_record_is_closed_or_nothing_is_said(row: Dialect) -> None:
    """An error frame inside of a record would be a part of it."""
    writer, sample = pipeline(row.name, rewrite=False), SAMPLES[row.name]
    writer.feed(sample.records[0] + sample.records[1][:5])
    assert row.native is not None
    closes = row.native.closes
    assert writer.fail(IdleTimeout()).startswith(closes or b"")
    assert (writer.fail(IdleTimeout()) == b"") is (closes is None)
