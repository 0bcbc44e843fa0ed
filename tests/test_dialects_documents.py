"""A whole answer in one JSON document in place of a stream (formats.md § A4): told as its API would stream it."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import StreamState, dialect_by_name
from sse_proxy.core.framers import Framing
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.shapes import Output, shape_for

from .dialect_documents import DOCUMENTS, TEXT
from .event_streams import ReferenceEvent, check_canonical, reference_events, splits

WHOLE = [name for name, answer in DOCUMENTS.items() if answer.types]
AS_IT_STANDS = [name for name, answer in DOCUMENTS.items() if not answer.types]


def pipeline(name: str, framing: Framing, output: Output = "native") -> Pipeline:
    """A fresh one for a body of that framing."""
    shape = None if output == "native" else shape_for(output, identity={"id": "x", "created": 1, "model": ""})
    row = dialect_by_name(name)
    return Pipeline(row, state=StreamState(), max_event_bytes=1 << 20, framing=framing, shape=shape)


def run(of: Pipeline, *chunks: bytes) -> bytes:
    """What the client gets for *chunks* and a clean end."""
    return b"".join([*map(of.feed, chunks), of.flush(), of.conclude()])


def bodies(name: str) -> list[tuple[Framing, bytes]]:
    """The document as it may come: alone, pretty-printed, and as the one event of a stream."""
    document = DOCUMENTS[name].document
    compact = json.dumps(document).encode()
    return [
        (Framing.JSON, compact),
        (Framing.JSON, b"\n" + json.dumps(document, indent=2).encode() + b"\n"),
        (Framing.SSE, b"data: " + compact + b"\n\n"),
    ]


def types_of(events: list[ReferenceEvent]) -> tuple[str, ...]:
    """The types in order of appearance."""
    return tuple(dict.fromkeys(event.type for event in events))


@pytest.mark.parametrize("name", WHOLE)
def test_a_document_is_told_as_a_stream(name: str) -> None:
    """Complete, canonical, with the events of the API's own streams; counted as the repair that it is."""
    for framing, body in bodies(name):
        of = pipeline(name, framing)
        out = run(of, body)
        check_canonical(out, of_json=True)
        assert of.state.complete
        assert DOCUMENTS[name].usage == of.state.usage
        assert DOCUMENTS[name].types == types_of(reference_events(out))
        assert of.repairs["single_json"] == 1
        for pieces in splits(body, seed=1):
            assert out == run(pipeline(name, framing), *pieces)


@pytest.mark.parametrize("name", WHOLE)
def test_the_stream_of_a_document_needs_no_repair(name: str) -> None:
    """A second proxy passes it on as it is."""
    framing, body = bodies(name)[0]
    out = run(pipeline(name, framing), body)
    again = pipeline(name, Framing.SSE)
    assert run(again, out) == out
    assert again.repairs == {}


@pytest.mark.parametrize("name", AS_IT_STANDS)
def test_a_document_that_is_an_event_passes_as_one(name: str) -> None:
    """Its API's events look the same."""
    for framing, body in bodies(name):
        of = pipeline(name, framing)
        first, *rest = reference_events(run(of, body))
        assert json.loads(first.data) == DOCUMENTS[name].document
        assert [event.data for event in rest] == (["[DONE]"] if dialect_by_name(name).terminator else [])
        assert DOCUMENTS[name].usage.items() <= of.state.usage.items()


@pytest.mark.parametrize("name", DOCUMENTS)
def test_as_openai_chunks(name: str) -> None:
    """Nothing of the answer is lost."""
    answer = DOCUMENTS[name]
    for framing, body in bodies(name):
        *events, last = reference_events(run(pipeline(name, framing, "openai"), body))
        chunks = [json.loads(event.data) for event in events]
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        deltas = [choice["delta"] for choice in choices]
        calls = [call["function"] for delta in deltas for call in delta.get("tool_calls", [])]
        names = [call["name"] for call in calls if "name" in call]
        tool = (names[0], "".join(call["arguments"] for call in calls)) if calls else None
        assert (answer.text, answer.reasoning, answer.tool, [answer.finish], "[DONE]") == (
            "".join(delta.get("content") or "" for delta in deltas),
            "".join(delta.get("reasoning_content", "") for delta in deltas),
            tool,
            [choice["finish_reason"] for choice in choices if choice["finish_reason"]],
            last.data,
        )
        assert [chunk["usage"]["prompt_tokens"] for chunk in chunks if "usage" in chunk] == [7] * bool(answer.usage)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_as_tokens(name: str) -> None:
    """The text, and one end."""
    for framing, body in bodies(name):
        *events, last = reference_events(run(pipeline(name, framing, "tokens"), body))
        assert last.type == "done"
        assert "".join(json.loads(event.data)["token"] for event in events) == TEXT


@pytest.mark.parametrize("name", WHOLE)
def test_only_the_first_event_can_be_a_whole_answer(name: str) -> None:
    """Later ones are events that look like it, whatever they are."""
    document = json.dumps(DOCUMENTS[name].document).encode()
    of = pipeline(name, Framing.SSE)
    assert of.feed(b"data: {}\n\ndata: " + document + b"\n\n").count(b"data: ") == 2
    assert "single_json" not in of.repairs


PERPLEXITY = {
    "id": "p",
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "finish_reason": None,
            "message": {"role": "assistant", "content": "Hi"},
            "delta": {"role": "assistant", "content": "Hi"},
        }
    ],
}


def test_a_chunk_with_the_message_so_far_is_no_document() -> None:
    """Perplexity's have it beside their delta, and the type of a whole answer; the finish reason tells the last one."""
    first = b"data: " + json.dumps(PERPLEXITY).encode() + b"\n\n"
    last = first.replace(b"null", b'"stop"')
    of = pipeline("openai_chat", Framing.SSE)
    assert of.feed(first) == first
    assert not of.state.finished
    assert of.feed(last) == last
    assert of.flush() + of.conclude() == b"data: [DONE]\n\n"
    assert of.repairs == {"missing_terminator": 1}
    assert run(pipeline("openai_chat", Framing.SSE, "tokens"), last).count(b'{"token":"Hi"}') == 1


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("openai_chat", {"choices": [{"message": "Hi"}]}),
        ("openai_chat", {"choices": []}),
        ("openai_completions", {"choices": [{"text": "a", "finish_reason": None}], "usage": {"prompt_tokens": 1}}),
        ("openai_completions", {"choices": [{"text": "a", "finish_reason": "stop"}]}),
        ("openai_completions", {"choices": [], "usage": {"prompt_tokens": 1}}),
        ("openai_responses", {"object": "response", "output": None}),
        ("openai_responses", {"object": "list", "output": []}),
        ("anthropic", {"type": "message", "content": "Hi"}),
        ("anthropic", {"type": "error", "content": []}),
        ("cohere", {"message": "Hi", "finish_reason": "COMPLETE"}),
        ("cohere", {"message": {}}),
        ("cloudflare", {"response": "Hi"}),
        ("cloudflare", {"result": {"description": "an image"}}),
        ("dify", {"event": "message", "answer": "Hi"}),
        ("dify", {"event": "message_end", "mode": "chat"}),
        ("lm_studio", {"type": "chat.start", "model_instance_id": "m"}),
        ("lm_studio", {"output": []}),
        ("tgi", {"token": {"text": "Hi"}, "generated_text": "Hi"}),
        ("tgi", {"token": {"text": "Hi"}, "generated_text": None}),
    ],
)
def test_what_is_no_whole_answer_is_an_event(name: str, document: dict[str, object]) -> None:
    """It passes as it came."""
    assert dialect_by_name(name).from_document(document) is None
