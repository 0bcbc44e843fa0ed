"""Frameworks, agent protocols, and servers that speak no one's API (reference: formats.md § A3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from ..blocks import Block, JSONObject, to_json
from ..framings import CLOSING
from .base import ERROR_MESSAGE, INPUT_TOKENS, Api, Ask, error_document

__all__ = ["FRAMEWORKS"]

_Blocks = Callable[[Ask], Iterator[Block]]


def _named_error(ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(event="error", data=to_json({"status_code": ask.error_status or 500, "message": ERROR_MESSAGE}))


def _record_error(ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(data=to_json(error_document(ask.error_status or 500, ERROR_MESSAGE)))


def _array_error(ask: Ask, events: int) -> Iterator[Block]:
    yield from _record_error(ask, events)
    yield CLOSING


def _over(ask: Ask) -> bool:
    return not (ask.no_done or ask.no_finish)


def _langserve(ask: Ask) -> Iterator[Block]:
    yield Block(event="metadata", data=to_json({"run_id": ask.id}))
    for token in ask.tokens:
        yield Block(event="data", data=to_json(token), tokens=1)
    yield Block(event="end", events=0)


def _langgraph(ask: Ask) -> Iterator[Block]:
    yield Block(event="metadata", data=to_json({"run_id": ask.id}))
    for text in accumulate(ask.tokens):
        yield Block(event="messages/partial", data=to_json([{"type": "ai", "content": text}]), tokens=1)


def _dify(ask: Ask) -> Iterator[Block]:
    for token in ask.tokens:
        yield Block(data=to_json({"event": "message", "task_id": ask.id, "answer": token}), tokens=1)
    if _over(ask):
        usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": len(ask.tokens)}
        yield Block(data=to_json({"event": "message_end", "task_id": ask.id, "metadata": {"usage": usage}}))


def _dify_error(ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(data=to_json({"event": "error", "status": ask.error_status or 500, "message": ERROR_MESSAGE}))


def _ai_sdk_ui(ask: Ask) -> Iterator[Block]:
    for kind in ("start", "start-step"):
        yield Block(data=to_json({"type": kind}))
    yield Block(data=to_json({"type": "text-start", "id": "0"}))
    for token in ask.tokens:
        yield Block(data=to_json({"type": "text-delta", "id": "0", "delta": token}), tokens=1)
    yield Block(data=to_json({"type": "text-end", "id": "0"}))
    if not ask.no_finish:
        yield Block(data=to_json({"type": "finish"}))
    if not ask.no_done:
        yield Block(data="[DONE]")


def _ai_sdk_ui_error(_ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(data=to_json({"type": "error", "errorText": ERROR_MESSAGE}))
    yield Block(data="[DONE]")


def _ai_sdk_data(ask: Ask) -> Iterator[Block]:
    for token in ask.tokens:
        yield Block(data=f"0:{to_json(token)}", tokens=1)
    if _over(ask):
        usage = {"promptTokens": INPUT_TOKENS, "completionTokens": len(ask.tokens)}
        for code in "ed":
            yield Block(data=f"{code}:{to_json({'finishReason': 'stop', 'usage': usage})}")


def _ai_sdk_data_error(_ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(data=f"3:{to_json(ERROR_MESSAGE)}")


def _rpc(result: JSONObject) -> str:
    return to_json({"jsonrpc": "2.0", "id": 1, "result": result})


def _mcp(ask: Ask) -> Iterator[Block]:
    yield Block(id=f"{ask.id}-0", retry=1000, data="")
    for number, token in enumerate(ask.tokens, 1):
        params = {"progressToken": 1, "progress": number, "message": token}
        data = to_json({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        yield Block(event="message", id=f"{ask.id}-{number}", data=data, tokens=1)
    if _over(ask):
        yield Block(event="message", data=_rpc({"content": [{"type": "text", "text": ask.text}], "isError": False}))


def _rpc_error(_ask: Ask, _events: int) -> Iterator[Block]:
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": ERROR_MESSAGE}}
    yield Block(event="error", data=to_json(error))


def _a2a(ask: Ask) -> Iterator[Block]:
    yield Block(data=_rpc({"kind": "task", "id": ask.id, "status": {"state": "working"}}))
    for token in ask.tokens:
        part = {"parts": [{"kind": "text", "text": token}], "artifactId": "0"}
        yield Block(data=_rpc({"kind": "artifact-update", "taskId": ask.id, "artifact": part}), tokens=1)
    if _over(ask):
        status = {"kind": "status-update", "taskId": ask.id, "status": {"state": "completed"}, "final": True}
        yield Block(data=_rpc(status))


def _ag_ui(ask: Ask) -> Iterator[Block]:
    run: JSONObject = {"threadId": "mock", "runId": ask.id}
    yield Block(data=to_json({"type": "RUN_STARTED", **run}))
    yield Block(data=to_json({"type": "TEXT_MESSAGE_START", "messageId": "0", "role": "assistant"}))
    for token in ask.tokens:
        yield Block(data=to_json({"type": "TEXT_MESSAGE_CONTENT", "messageId": "0", "delta": token}), tokens=1)
    yield Block(data=to_json({"type": "TEXT_MESSAGE_END", "messageId": "0"}))
    if _over(ask):
        yield Block(data=to_json({"type": "RUN_FINISHED", **run}))


def _ag_ui_error(_ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(data=to_json({"type": "RUN_ERROR", "message": ERROR_MESSAGE}))


def _seed(ask: Ask) -> Iterator[Block]:
    for token in ask.tokens:
        yield Block(data=to_json({"token": token}), tokens=1)
    if not ask.no_finish:
        yield Block(data=to_json({"done": True}))
    if not ask.no_done:
        yield Block(event="done", data="[DONE]")


def _records(ask: Ask) -> Iterator[Block]:
    for token in ask.tokens:
        yield Block(data=to_json({"text": token}), tokens=1)


def _array(ask: Ask) -> Iterator[Block]:
    yield from _records(ask)
    yield CLOSING


def _text(ask: Ask) -> Iterator[Block]:
    for token in ask.tokens:
        yield Block(data=token, tokens=1)


def _row(
    name: str,
    path: str,
    blocks: _Blocks,
    *,
    error: Callable[[Ask, int], Iterator[Block]] = _named_error,
    framing: str = "sse",
    media_type: str = "text/event-stream; charset=utf-8",
    methods: frozenset[str] = frozenset({"POST"}),
    headers: tuple[tuple[str, str], ...] = (),
    example: JSONObject | None = None,
) -> Api:
    return Api(
        name=name,
        path=path,
        blocks=blocks,
        document=lambda ask: {"text": ask.text},
        error=error,
        framing=framing,
        media_type=media_type,
        methods=methods,
        headers=headers,
        streams=lambda _body: True,
        example=example or {},
    )


_UI = (("x-vercel-ai-ui-message-stream", "v1"),)
_DATA = (("x-vercel-ai-data-stream", "v1"),)
_TEXT = "text/plain; charset=utf-8"
_BOTH = frozenset({"GET", "POST"})

FRAMEWORKS: tuple[Api, ...] = (
    _row("langserve", "/chain/stream", _langserve, framing="sse-crlf", example={"input": "Hi"}),
    _row("langgraph", "/threads/mock/runs/stream", _langgraph, example={"assistant_id": "mock"}),
    _row("dify", "/v1/chat-messages", _dify, error=_dify_error, example={"query": "Hi", "response_mode": "streaming"}),
    _row("ai_sdk_ui", "/api/ai-sdk", _ai_sdk_ui, error=_ai_sdk_ui_error, headers=_UI),
    _row(
        "ai_sdk_data", "/api/ai-sdk-v4", _ai_sdk_data,
        error=_ai_sdk_data_error, framing="lines", media_type=_TEXT, headers=_DATA,
    ),
    _row(
        "mcp", "/mcp", _mcp, error=_rpc_error, methods=_BOTH,
        example={"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "mock"}},
    ),
    _row("a2a", "/a2a", _a2a, error=_rpc_error, example={"jsonrpc": "2.0", "id": 1, "method": "message/stream"}),
    _row("ag_ui", "/ag-ui", _ag_ui, error=_ag_ui_error, example={"threadId": "mock", "runId": "1"}),
    _row("tokens", "/chat/stream", _seed, methods=_BOTH, example={"prompt": "Hi"}),
    _row(
        "generic", "/ndjson", _records,
        error=_record_error, framing="ndjson", media_type="application/x-ndjson",
    ),
    _row(
        "generic", "/json-array", _array,
        error=_array_error, framing="array", media_type="application/json",
    ),
    _row("generic", "/text", _text, framing="text", media_type=_TEXT),
)  # fmt: skip
