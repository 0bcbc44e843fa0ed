"""Text Generation Inference and Triton, ``generate_stream`` (reference: formats.md § A2).

TGI's last event holds the whole text; its Python client fails on any JSON that is no token, so the heartbeat is a
comment whatever the settings say. Triton has no end but that of the body.
"""

from __future__ import annotations

from ...errors import SSEProxyError
from ..sse import Event
from .base import Dialect, Sign, compact, quiet_key, reported_error, usage_counts
from .deltas import Delta
from .native import BLOCK, error_body, error_object, named_error
from .state import JSONObject, StreamState

__all__ = ["TGI", "TRITON"]

_FINISH = {"length": "length"}
_USAGE = {"input_length": "input", "generated_tokens": "output"}


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    if payload.get("error"):
        state.error = reported_error(payload, event.data)
        return
    if not isinstance(payload.get("generated_text"), str):
        return
    state.finished = True
    details = payload.get("details")
    if isinstance(details, dict):
        state.usage = usage_counts(details, _USAGE)


def _deltas(_event: Event, payload: JSONObject, _state: StreamState) -> list[Delta]:
    token, details, whole = payload.get("token"), payload.get("details"), payload.get("generated_text")
    fields = token if isinstance(token, dict) else {"text": whole}  # a whole answer in place of a stream has no tokens
    text = "" if fields.get("special") else fields.get("text")
    reason = details.get("finish_reason") if isinstance(details, dict) else None
    finish = _FINISH.get(str(reason), "stop") if isinstance(whole, str) else None
    return [Delta(text=text if isinstance(text, str) else "", finish=finish)]


def _from_document(document: JSONObject) -> list[Event] | None:
    """One token that is all of the text: its Python client fails on an event without one."""
    text = document.get("generated_text")
    if not isinstance(text, str) or "token" in document:
        return None
    token = {"id": 0, "text": text, "logprob": 0.0, "special": False}
    told = {"index": 1, "token": token, "generated_text": text, "details": document.get("details")}
    return [Event(data=compact(told))]


def _error_body(error: SSEProxyError) -> bytes:
    return compact({"error": error_object(error), "error_type": "generation"})


def _error_frame(error: SSEProxyError, _state: StreamState) -> bytes:
    return b"data: " + compact({"error": str(error), "error_type": "generation", "code": error.code}) + b"\n\n"


def _is_triton(sign: Sign) -> bool:
    return "/models/" in sign.path or "text_input" in (sign.document or {})


def _inspect_triton(event: Event, payload: JSONObject, state: StreamState) -> None:
    if payload.get("error"):
        state.error = reported_error(payload, event.data)


def _triton_deltas(_event: Event, payload: JSONObject, _state: StreamState) -> list[Delta]:
    text = payload.get("text_output")
    return [Delta(text=text)] if isinstance(text, str) else []


TRITON = Dialect(
    name="triton",
    paths=("/generate_stream",),
    claims=_is_triton,
    reads_body=True,
    always_streams=True,
    markers=(b'"error"',),
    inspect=_inspect_triton,
    deltas=_triton_deltas,
    comment=BLOCK,
    error_body=error_body,
    error_frame=named_error,
    aborts_after_error=True,
    completes_at_end=True,
)

TGI = Dialect(
    name="tgi",
    paths=("/generate_stream",),
    claims=lambda sign: sign.document is None or "inputs" in sign.document,
    reads_body=True,
    always_streams=True,
    markers=(b'"error"', b"event: ping"),
    quiet=(quiet_key("generated_text"),),
    inspect=_inspect,
    # Not of this API, whose keep-alives are comments; its Python client fails on the data of one.
    is_ping=lambda event: event.event == b"ping",
    deltas=_deltas,
    from_document=_from_document,
    error_body=_error_body,
    error_frame=_error_frame,
)
