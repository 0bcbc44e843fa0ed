"""Ollama's own API, chat and generate: NDJSON whose last line says ``"done": true`` (reference: formats.md § A2, § B4).

Its clients split text at every kind of line end, fail on an empty line and on a BOM: each record is written anew.
``/api/chat`` is also where the AI SDK's ``useChat`` posts to; its requests have the chat's ``id``, and seldom a model.
A request that does not say whether it wants a stream does.
"""

from __future__ import annotations

from dataclasses import replace

from ..framers.base import Framing
from ..sse import Event
from .base import Dialect, Sign, compact, reported_error, usage_counts
from .deltas import Delta, ToolCall
from .native import BLOCK, NDJSON, error_body, named_error
from .state import JSONObject, StreamState

__all__ = ["OLLAMA"]

_USAGE = {"prompt_eval_count": "input", "eval_count": "output"}
_FINISH = {"length": "length", "stop": "stop"}


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    if payload.get("error"):
        state.error = reported_error(payload, event.data)
    elif payload.get("done") is True:
        state.finished = state.terminated = True
        state.usage = usage_counts(payload, _USAGE)
    if not state.started:
        state.identity = {key: payload[key] for key in ("model",) if key in payload}


def _deltas(_event: Event, payload: JSONObject, state: StreamState) -> list[Delta]:
    message = payload.get("message")
    fields = message if isinstance(message, dict) else payload
    text, thinking = fields.get("content", fields.get("response")), fields.get("thinking")
    finish = str(payload.get("done_reason") or "stop") if payload.get("done") is True else None
    return [
        Delta(
            text=text if isinstance(text, str) else "",
            reasoning=thinking if isinstance(thinking, str) else "",
            tool_calls=_tool_calls(fields.get("tool_calls"), state),
            finish=None if finish is None else _FINISH.get(finish, "stop"),
        )
    ]


def _tool_calls(calls: object, state: StreamState) -> tuple[ToolCall, ...]:
    """Calls come whole, their arguments as an object, and without ids."""
    found: list[ToolCall] = []
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            index = state.tool_calls
            state.tool_calls += 1
            arguments = compact(function.get("arguments") or {}).decode()
            name = str(function.get("name") or "")
            found.append(ToolCall(index=index, id=f"call_{index}", name=name, arguments=arguments))
    return tuple(found)


def _claims(sign: Sign) -> bool:
    return sign.document is None or ("model" in sign.document and "id" not in sign.document)


OLLAMA = Dialect(
    name="ollama",
    paths=("/api/chat", "/api/generate"),
    claims=_claims,
    reads_body=True,
    asks=lambda document: document.get("stream") is not False,
    framing=Framing.NDJSON,
    native=replace(NDJSON, record=lambda event: event.data + b"\n"),
    inspect=_inspect,
    deltas=_deltas,
    comment=BLOCK,
    error_body=error_body,
    error_frame=named_error,
    aborts_after_error=True,
)
