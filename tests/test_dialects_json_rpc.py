"""`core.dialects.json_rpc`: MCP and A2A."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Delta, Dialect, StreamState, dialect_for
from sse_proxy.core.dialects.json_rpc import A2A, MCP
from sse_proxy.core.sse import Event
from sse_proxy.errors import IdleTimeout

from .dialect_deltas import event, learnt, texts, told
from .dialect_streams import drained


def rpc(result: object) -> dict[str, object]:
    """A response."""
    return {"jsonrpc": "2.0", "id": 1, "result": result}


TEXT = {"kind": "text", "text": "a"}


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ({"kind": "message", "parts": [TEXT, {"kind": "data", "data": {}}, "odd"]}, "a"),
        ({"kind": "artifact-update", "artifact": {"parts": [TEXT]}}, "a"),
        ({"kind": "status-update", "status": {"state": "working", "message": {"parts": [TEXT]}}}, "a"),
        ({"kind": "status-update", "status": {"state": "working"}}, ""),
        ({"kind": "task", "status": None}, ""),
        ({"message": {"parts": [{"text": "a"}]}}, "a"),
        ({"artifactUpdate": {"artifact": {"parts": [{"text": "a"}]}}}, "a"),
        ({"statusUpdate": {"status": {"message": {"parts": [{"text": "a"}]}}}}, "a"),
        ({"task": {"id": "t", "status": {}}}, ""),
        ({"task": None}, ""),
        (None, ""),
    ],
)
def test_the_text_of_a2a(result: object, text: str) -> None:
    """Of messages, artifacts and states; since version 1 each under a key of its kind."""
    assert texts(A2A, event(rpc(result))) == text


@pytest.mark.parametrize(
    ("result", "finished"),
    [
        ({"kind": "task", "status": {"state": "submitted"}}, False),
        ({"kind": "status-update", "status": {"state": "working"}, "final": False}, False),
        ({"kind": "status-update", "status": {"state": "working"}, "final": True}, True),
        *(
            ({"kind": "status-update", "status": {"state": state}}, True)
            for state in ("completed", "canceled", "failed", "rejected", "input-required", "auth-required")
        ),
        ({"kind": "message", "parts": []}, True),
        ({"statusUpdate": {"status": {"state": "TASK_STATE_WORKING"}}}, False),
        ({"statusUpdate": {"status": {"state": "TASK_STATE_COMPLETED"}}}, True),
        ({"statusUpdate": {"status": {"state": "TASK_STATE_INPUT_REQUIRED"}}}, True),
        ({"task": {"status": {"state": "TASK_STATE_FAILED"}}}, True),
        ({"message": {"parts": []}}, True),
        ({"artifactUpdate": {"lastChunk": True, "artifact": {}}}, False),
        (None, False),
    ],
)
def test_the_end_of_a2a(result: object, finished: bool) -> None:
    """A final state, or an answer without a task."""
    assert learnt(A2A, event(rpc(result))).finished is finished


@pytest.mark.parametrize(
    "result",
    [
        {"kind": "status-update", "status": {"state": "failed", "message": {"parts": [TEXT]}}, "final": True},
        {"statusUpdate": {"status": {"state": "TASK_STATE_REJECTED", "message": {"parts": [TEXT]}}}},
    ],
)
def test_a_task_that_failed_is_an_error_in_words_that_have_no_failure(result: object) -> None:
    """In its own words it is the end of an answer."""
    retold = StreamState(retold=True)
    A2A.inspect(event(rpc(result)), rpc(result), retold)
    assert retold.error is not None
    assert (str(retold.error), retold.error.body) == ("a", event(rpc(result)).data)
    native = StreamState()
    A2A.inspect(event(rpc(result)), rpc(result), native)
    assert native.complete


@pytest.mark.parametrize("kind", ["", "error"])
def test_errors_of_a2a(kind: str) -> None:
    """JSON-RPC's, named or not."""
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no"}}
    assert str(learnt(A2A, event(error, kind)).error) == "no"


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (rpc({"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}), "ab"),
        (rpc({"content": "odd"}), ""),
        (rpc("odd"), ""),
        ({"jsonrpc": "2.0", "method": "notifications/progress"}, ""),
        ("", ""),
    ],
)
def test_the_text_of_mcp(document: object, text: str) -> None:
    """Of a tool's result; what has none adds nothing."""
    assert told(MCP, event(document)) == ([Delta(text=text)] if text else [])


def test_nothing_of_mcp_is_touched_or_judged() -> None:
    """The event that primes its way of resuming has no data; an error is an answer like any other."""
    error = json.dumps({"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no"}}).encode()
    body = b"id: 1\nretry: 500\ndata: \n\nid: 2\nevent: message\ndata: " + error + b"\n\n"
    output, of_body = drained("mcp", body)
    assert output == body
    assert (of_body.state.error, of_body.repairs, of_body.conclude()) == (None, {}, b"")


@pytest.mark.parametrize("row", [A2A, MCP], ids=lambda row: row.name)
def test_our_errors_are_json_rpc_s(row: Dialect) -> None:
    """With a number for the code, as JSON-RPC 2.0 § 5.1 wants it."""
    frame = row.error_frame(IdleTimeout(), StreamState())
    document = json.loads(frame.partition(b"\ndata: ")[2])
    assert (document["jsonrpc"], document["id"]) == ("2.0", None)
    assert document["error"]["code"] == -32000
    assert document["error"]["data"] == {"code": "idle_timeout", "type": "timeout_error"}


@pytest.mark.parametrize("record", [event({"message": "no"}, "error"), event({"error": {"message": "no"}})])
def test_an_error_keeps_its_event(record: Event) -> None:
    """What the upstream has said may be told on as it came."""
    error = learnt(A2A, record).error
    assert error is not None
    assert (str(error), error.body) == ("no", record.data)


BOTH = (b"accept", b"application/json, text/event-stream")


@pytest.mark.parametrize(
    ("headers", "document", "name"),
    [
        ([], {"jsonrpc": "2.0", "method": "message/stream"}, "a2a"),
        ([], {"jsonrpc": "2.0", "method": "tools/call"}, "generic"),
        ([BOTH], {"jsonrpc": "2.0", "method": "tools/call"}, "mcp"),
        ([BOTH], {"jsonrpc": "1.0"}, "generic"),
        ([BOTH], {}, "generic"),
        ([BOTH], None, "mcp"),
        ([(b"accept", b"text/event-stream")], None, "generic"),
        ([(b"accept", b"application/json")], None, "generic"),
        ([(b"mcp-session-id", b"1")], {}, "mcp"),
        ([(b"mcp-protocol-version", b"2025-11-25")], {}, "mcp"),
        ([(b"mcp-session-id", b"")], {}, "generic"),
    ],
)
def test_which_of_the_two_a_request_is_for(
    headers: list[tuple[bytes, bytes]], document: dict[str, object] | None, name: str
) -> None:
    """MCP by its headers, or by taking both forms of an answer; A2A by the method."""
    assert dialect_for("POST", "/any", headers=headers, document=document).name == name
