"""MCP's Streamable HTTP and A2A: JSON-RPC messages in an event stream (reference: formats.md § A3).

MCP's ids, reconnection times and events without data belong to its own way of resuming, so its events pass as they
come; its GET streams are silent by design, and whatever it sends ends with the body. A2A ends with a final status.
"""

from __future__ import annotations

from ...errors import SSEProxyError
from ..documents import json_object
from ..headers import accepts, first
from ..sse import Event
from .base import ANY_PATH, Dialect, Sign, compact, reported_error
from .deltas import Delta
from .native import error_object
from .state import JSONObject, StreamState

__all__ = ["A2A", "MCP"]

_MCP_HEADERS = (b"mcp-session-id", b"mcp-protocol-version")
_A2A_METHODS = frozenset({"message/stream", "tasks/resubscribe", "SendStreamingMessage", "SubscribeToTask"})
_A2A_KINDS = frozenset({"artifactUpdate", "message", "statusUpdate", "task"})
#: The task's own failure is an answer like any other, but where the answer is told in words that have none for it.
_FAILED_STATES = frozenset({"failed", "rejected"})
_FINAL_STATES = _FAILED_STATES | {"completed", "canceled", "input-required", "auth-required"}
#: JSON-RPC 2.0 § 5.1: reserved for implementations.
_SERVER_ERROR = -32000


def _rpc_error(error: SSEProxyError) -> bytes:
    about = {**error_object(error), "code": _SERVER_ERROR, "data": {"code": error.code, "type": error.error_type}}
    return compact({"jsonrpc": "2.0", "id": None, "error": about})


def _inspect_mcp(_event: Event, _payload: JSONObject, _state: StreamState) -> None:
    """A JSON-RPC error is an answer like any other; nothing else ends a stream of MCP but its body."""


def _texts(parts: object) -> str:
    found = parts if isinstance(parts, list) else []
    return "".join(part["text"] for part in found if isinstance(part, dict) and isinstance(part.get("text"), str))


def _mcp_deltas(event: Event, _payload: JSONObject, _state: StreamState) -> list[Delta]:
    result = (json_object(event.data) or {}).get("result")
    text = _texts(result.get("content")) if isinstance(result, dict) else ""
    return [Delta(text=text)] if text else []


def _result(payload: JSONObject) -> JSONObject:
    """The object that a message of A2A tells of, with its ``kind``; since version 1 that is the key which holds it."""
    result = payload.get("result")
    fields: JSONObject = result if isinstance(result, dict) else {}
    for kind in _A2A_KINDS & fields.keys():
        inner = fields[kind]
        if isinstance(inner, dict):
            return {"kind": kind, **inner}
    return fields


def _inspect_a2a(event: Event, payload: JSONObject, state: StreamState) -> None:
    if event.event == b"error" or payload.get("error"):
        state.error = reported_error(payload, event.data)
        return
    fields = _result(payload)
    status = fields.get("status")
    told = str(status.get("state")) if isinstance(status, dict) else ""
    reached = told.removeprefix("TASK_STATE_").replace("_", "-").lower()
    message = fields.get("kind") == "message"  # an answer without a task is one message
    if state.retold and reached in _FAILED_STATES:
        state.error = reported_error({"error": {"message": _said(fields)}}, event.data)
    elif fields.get("final") is True or message or reached in _FINAL_STATES:
        state.finished = True


def _said(fields: JSONObject) -> str:
    """The text that comes with a state."""
    status = fields.get("status")
    message = status.get("message") if isinstance(status, dict) else None
    return _texts(message.get("parts")) if isinstance(message, dict) else ""


def _a2a_deltas(_event: Event, payload: JSONObject, _state: StreamState) -> list[Delta]:
    fields = _result(payload)
    artifact = fields.get("artifact")
    added = _texts(artifact.get("parts")) if isinstance(artifact, dict) else _said(fields)
    text = _texts(fields.get("parts")) + added
    return [Delta(text=text)] if text else []


def _is_mcp(sign: Sign) -> bool:
    if any(first(sign.headers, name) for name in _MCP_HEADERS):
        return True
    both = accepts(sign.headers, b"text/event-stream") and accepts(sign.headers, b"application/json")
    return both and (sign.document is None or sign.document.get("jsonrpc") == "2.0")


def _is_a2a(sign: Sign) -> bool:
    return sign.document is not None and str(sign.document.get("method")) in _A2A_METHODS


A2A = Dialect(
    name="a2a",
    paths=ANY_PATH,
    claims=_is_a2a,
    reads_body=True,
    always_streams=True,
    markers=(b'"final"', b'"state"', b'"message"', b'"error"', b"event: error"),
    inspect=_inspect_a2a,
    deltas=_a2a_deltas,
    error_body=_rpc_error,
    error_frame=lambda error, _state: b"event: error\ndata: " + _rpc_error(error) + b"\n\n",
)

MCP = Dialect(
    name="mcp",
    paths=ANY_PATH,
    methods=("DELETE", "GET", "POST"),
    claims=_is_mcp,
    json=False,
    numbers_events=True,
    inspect=_inspect_mcp,
    deltas=_mcp_deltas,
    error_body=_rpc_error,
    error_frame=lambda error, _state: b"event: message\ndata: " + _rpc_error(error) + b"\n\n",
    aborts_after_error=True,
    completes_at_end=True,
)
