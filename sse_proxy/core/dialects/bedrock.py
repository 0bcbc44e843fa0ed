"""AWS Bedrock: ``converse-stream`` and ``invoke-with-response-stream``, binary messages (reference: formats.md § A1).

Converse has events of its own; Invoke packs the model's native JSON, in base64, into events named ``chunk``. Clients
that ask for SSE get the payloads as events, those of Invoke unpacked. Errors are exception messages, which become
``event: error``; a message that was cut cannot be closed, so then there is only the abort.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import replace

from ...errors import SSEProxyError, UpstreamReported
from ..documents import json_object
from ..framers.aws import encode_message
from ..framers.base import Framing
from ..sse import Event
from .anthropic import ANTHROPIC
from .base import Dialect, compact, reported_error, usage_counts
from .deltas import Delta, ToolCall
from .native import BLOCK, error_object, named_error
from .openai_chat import CHAT, COMPLETIONS
from .openai_deltas import objects
from .state import JSONObject, StreamState
from .voice import Voice

__all__ = ["BEDROCK_CONVERSE", "BEDROCK_INVOKE"]

_STATUS = {
    b"throttlingException": 429,
    b"modelStreamErrorException": 424,
    b"internalServerException": 500,
    b"serviceUnavailableException": 503,
    b"validationException": 400,
    b"modelTimeoutException": 408,
}
_EXCEPTIONS = {429: "throttlingException", 503: "serviceUnavailableException", 504: "modelTimeoutException"}
_EXCEPTION = b"exception:"
_ERROR = b"error"
_USAGE = {"inputTokens": "input", "outputTokens": "output", "cacheReadInputTokens": "cached_input"}
_METRICS = {"inputTokenCount": "input", "outputTokenCount": "output"}
_FINISH = {"max_tokens": "length", "tool_use": "tool_calls", "guardrail_intervened": "content_filter"}
_FINISH |= {"content_filtered": "content_filter", "length": "length", "LENGTH": "length"}


def _named(event: Event) -> Event:
    """An exception as an error that others know for one too; any other event as it is."""
    if not event.event.startswith(_EXCEPTION):
        return event
    message = (json_object(event.data) or {}).get("message")
    kind = event.event.removeprefix(_EXCEPTION)
    name = kind.decode()
    about = {"message": message if isinstance(message, str) else name, "type": name, "code": _STATUS.get(kind, 502)}
    return Event(event=_ERROR, data=compact({"message": about["message"], "error": about}))


def _refusal(event: Event, payload: JSONObject) -> UpstreamReported | None:
    return reported_error(payload, event.data) if event.event == _ERROR else None


def _inspect_converse(event: Event, payload: JSONObject, state: StreamState) -> None:
    if (refusal := _refusal(event, payload)) is not None:
        state.error = refusal
    elif event.event == b"messageStop":
        state.finished = True
    elif event.event == b"metadata":
        state.usage = usage_counts(payload.get("usage"), _USAGE)
        state.terminated = state.finished


def _object(payload: JSONObject, *path: str) -> JSONObject:
    for key in path:
        found = payload.get(key)
        payload = found if isinstance(found, dict) else {}
    return payload


def _converse_deltas(event: Event, payload: JSONObject, _state: StreamState) -> list[Delta]:
    index = payload.get("contentBlockIndex")
    number = index if isinstance(index, int) else 0
    match event.event:
        case b"contentBlockStart":
            use = _object(payload, "start", "toolUse")
            call = ToolCall(index=number, id=str(use.get("toolUseId")), name=str(use.get("name")))
            return [Delta(tool_calls=(call,))] if use else []
        case b"contentBlockDelta":
            delta = _object(payload, "delta")
            use, thought = _object(delta, "toolUse"), _object(delta, "reasoningContent")
            calls = (ToolCall(index=number, arguments=str(use.get("input", ""))),) if use else ()
            return [Delta(text=str(delta.get("text", "")), reasoning=str(thought.get("text", "")), tool_calls=calls)]
        case b"messageStop":
            return [Delta(finish=_FINISH.get(str(payload.get("stopReason")), "stop"))]
    return []


def _unpack(event: Event) -> Event:
    """The model's own JSON out of a ``chunk``; an event of the type that it names, if any."""
    packed = (json_object(event.data) or {}).get("bytes") if event.event == b"chunk" else None
    if not isinstance(packed, str):
        return _named(event)
    try:
        data = b64decode(packed, validate=True)
    except (Base64Error, ValueError):
        return event
    kind = (json_object(data) or {}).get("type")
    line = data.replace(b"\r", b"").replace(b"\n", b"").decode(errors="replace").encode()
    return Event(data=line, event=kind.encode() if isinstance(kind, str) and kind.isidentifier() else b"")


def _inspect_invoke(event: Event, payload: JSONObject, state: StreamState) -> None:
    if (refusal := _refusal(event, payload)) is not None:
        state.error = refusal
        return
    if "type" in payload:
        ANTHROPIC.inspect(event, payload, state)
        state.terminated = state.terminated and state.error is None
    reason = next((payload[key] for key in ("stop_reason", "completionReason") if payload.get(key)), None)
    outputs = payload.get("outputs")  # Mistral
    for output in outputs if isinstance(outputs, list) else ():
        reason = reason or (isinstance(output, dict) and output.get("stop_reason"))
    metrics = payload.get("amazon-bedrock-invocationMetrics")  # in the last chunk, whatever the model
    state.finished = state.finished or bool(reason) or "messageStop" in payload or metrics is not None
    if counts := usage_counts(metrics, _METRICS):
        state.usage = state.usage | counts


def _invoke_deltas(event: Event, payload: JSONObject, state: StreamState) -> list[Delta]:
    if "type" in payload:
        return ANTHROPIC.deltas(event, payload, state)
    if choices := objects(payload.get("choices")):  # OpenAI's models, and others that speak like them
        return (CHAT if "delta" in choices[0] else COMPLETIONS).deltas(event, payload, state)
    outputs = payload.get("outputs")
    found = outputs[0] if isinstance(outputs, list) and outputs and isinstance(outputs[0], dict) else payload
    text = _object(payload, "contentBlockDelta", "delta").get("text")  # Nova
    for key in ("generation", "outputText", "text"):  # Llama, Titan, Mistral
        text = found.get(key) if text is None else text
    reason = (
        found.get("stop_reason") or payload.get("completionReason") or _object(payload, "messageStop").get("stopReason")
    )
    finish = _FINISH.get(str(reason), "stop") if reason else None
    return [Delta(text=text if isinstance(text, str) else "", finish=finish)]


def _error_body(error: SSEProxyError) -> bytes:
    # AWS's SDKs read the message at the top.
    return compact({"message": str(error), "error": error_object(error)})


def _exception(error: SSEProxyError, _state: StreamState) -> bytes:
    kind = _EXCEPTIONS.get(error.http_status, "internalServerException")
    headers = {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"}
    return encode_message(headers, compact({"message": str(error)}))


BEDROCK_CONVERSE = Dialect(
    name="bedrock_converse",
    paths=("/converse-stream",),
    always_streams=True,
    framing=Framing.AWS,
    native=Voice(
        media_type=b"application/vnd.amazon.eventstream",
        comment=b"",
        error_body=_error_body,
        error_frame=_exception,
        closes=None,
    ),
    unpack=_named,
    inspect=_inspect_converse,
    deltas=_converse_deltas,
    comment=BLOCK,
    error_body=_error_body,
    error_frame=named_error,
    aborts_after_error=True,
)

BEDROCK_INVOKE = replace(
    BEDROCK_CONVERSE,
    name="bedrock_invoke",
    paths=("/invoke-with-response-stream",),
    unpack=_unpack,
    inspect=_inspect_invoke,
    deltas=_invoke_deltas,
)
