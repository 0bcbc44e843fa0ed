"""`core.dialects.langchain`: LangServe and LangGraph."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Dialect, StreamState, dialect_for
from sse_proxy.core.dialects.langchain import LANGGRAPH, LANGSERVE
from sse_proxy.core.sse import Event
from sse_proxy.errors import IdleTimeout, Truncated

from .dialect_deltas import event, learnt, texts, told
from .dialect_streams import drained
from .event_streams import reference_events


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ({"content": "a", "type": "AIMessageChunk"}, "a"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "image"}, "odd", {"text": "b"}]}, "ab"),
        ({"content": None}, ""),
        ({"output": "a"}, ""),
        (1, ""),
    ],
)
def test_a_chunk_of_langserve(value: object, text: str) -> None:
    """A text, or a message with one."""
    assert texts(LANGSERVE, event(value if not isinstance(value, str) else f'"{value}"', "data")) == text


@pytest.mark.parametrize("record", [event({"run_id": "r"}, "metadata"), event("no JSON", "data"), event('"a"', "end")])
def test_other_events_of_langserve_are_no_text(record: Event) -> None:
    """Nor is what cannot be read."""
    assert told(LANGSERVE, record) == []


@pytest.mark.parametrize(
    ("kinds", "values", "text"),
    [
        (["messages"], [[{"content": "a"}, {}]], "a"),
        (["messages|sub:1"], [[{"content": "a"}, {}]], "a"),
        (["messages/partial", "messages/partial"], [[{"content": "a"}], [{"content": "ab"}]], "ab"),
        (["messages/partial", "messages/complete"], [[{"content": "a"}], [{"content": "a"}]], "a"),
        (["messages/partial", "messages/partial"], [[{"content": "a"}], [{"content": ""}]], "a"),
        (["messages/partial", "messages/complete"], [[{"content": "a"}], [{"content": "ab"}]], "ab"),
        (["messages/partial"] * 3, [[{"content": text}] for text in ("a", "", "ab")], "ab"),
        (["messages/partial"] * 2, [[{"content": text}] for text in ("", "a")], "a"),
    ],
)
def test_events_of_langgraph(kinds: list[str], values: list[object], text: str) -> None:
    """Chunks, or all of the message so far; a subgraph's have its name behind."""
    assert texts(LANGGRAPH, *map(event, values, kinds)) == text


@pytest.mark.parametrize(
    "record",
    [
        event([], "messages/partial"),
        event([{"content": ""}], "messages/partial"),
        event({}, "messages"),
        event({"messages": [{"content": "a"}]}, "values"),
        event({"a": 1}, "messages/metadata"),
    ],
)
def test_other_events_of_langgraph_are_no_text(record: Event) -> None:
    """Nothing is added."""
    assert told(LANGGRAPH, record) == []


@pytest.mark.parametrize("row", [LANGSERVE, LANGGRAPH], ids=lambda row: row.name)
def test_end_and_errors(row: Dialect) -> None:
    """Both name them; of LangGraph's streams the end of the body is one too."""
    assert learnt(row, event("null", "end")).complete
    assert row.completes_at_end
    error = learnt(row, event({"status_code": 500, "message": "Internal Server Error"}, "error")).error
    assert error is not None
    assert (str(error), error.http_status) == ("Internal Server Error", 500)
    assert str(learnt(row, event("no JSON", "error")).error) == "the upstream failed"


BEGUN = b'event: metadata\r\ndata: {"run_id":"r"}\r\n\r\n'
CHUNK = b'event: data\r\ndata: "Hello"\r\n\r\n'


@pytest.mark.parametrize("end", [b"event: end\r\n\r\n", b"event: end\r\n", b"event: end\ndata: null\n\n"])
def test_the_end_of_langserve_has_no_data(end: bytes) -> None:
    """To the grammar it is no event, to its clients it is the last; it goes on with the data line that it lacks."""
    output, of_body = drained("langserve", BEGUN, CHUNK, end)
    assert output.partition(b"event: end")[2] in {b"\ndata: \n\n", b"\ndata: null\n\n"}
    assert of_body.conclude() == b""
    assert of_body.state.complete


@pytest.mark.parametrize("rewrite", [True, False])
def test_langserve_owes_its_end_once_it_is_known(rewrite: bool) -> None:
    """By its first event; a server of one's own that is asked in the same way ends with the body."""
    with pytest.raises(Truncated):
        drained("langserve", BEGUN, CHUNK, rewrite=rewrite)[1].conclude()
    for first in (CHUNK, b"event: metadata\ndata: {}\n\n", b"event: metadata\ndata: x\n\n"):
        assert drained("langserve", first, CHUNK, rewrite=rewrite)[1].conclude() == b""


@pytest.mark.parametrize("row", [LANGSERVE, LANGGRAPH], ids=lambda row: row.name)
def test_our_errors_have_what_their_clients_look_for(row: Dialect) -> None:
    """Status and message, which LangServe's client takes for granted, beside what everybody gets."""
    frame = row.error_frame(IdleTimeout(), StreamState())
    (found,) = reference_events(frame)
    error = {"message": "the upstream fell silent", "type": "timeout_error", "code": "idle_timeout"}
    assert found.type == "error"
    assert json.loads(found.data) == {"status_code": 504, "message": error["message"], "error": error}


def test_ids_of_langgraph_stay() -> None:
    """It resumes by them."""
    body = b"id: 5\nevent: values\ndata: {}\n\n"
    assert drained("langgraph", body)[0] == body


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/threads/t/runs/stream", "langgraph"),
        ("POST", "/runs/stream", "langgraph"),
        ("GET", "/threads/t/runs/r/stream", "langgraph"),
        ("POST", "/threads/t/runs/wait", "generic"),
        ("DELETE", "/threads/t/runs/r/stream", "generic"),
    ],
)
def test_langgraph_s_paths(method: str, path: str, name: str) -> None:
    """Its runs, and the reconnection to one."""
    assert dialect_for(method, path).name == name


@pytest.mark.parametrize("row", [LANGGRAPH, LANGSERVE], ids=lambda row: row.name)
def test_an_error_keeps_its_event(row: Dialect) -> None:
    """What the upstream has said may be told on as it came."""
    record = event({"status_code": 503, "message": "no"}, "error")
    error = learnt(row, record).error
    assert error is not None
    assert (str(error), error.http_status, error.body) == ("no", 503, record.data)
