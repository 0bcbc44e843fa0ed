"""Servers with streams of their own that repeat the text so far: vLLM's demo, SGLang, FastChat (formats.md § A2).

vLLM's demo and FastChat's worker write JSON documents with a line end or NUL between them and end with the body; SGLang
writes SSE, in early releases documents with NUL under the Content-Type of SSE. ``/generate`` with a ``prompt`` is what
many people call an endpoint of their own, so that only the answer tells vLLM's.
"""

from __future__ import annotations

from dataclasses import replace

from ...errors import SSEProxyError
from ..framers.base import Framing
from ..sse import Event
from .base import Dialect, Sign, compact, quiet_key, reported_error, usage_counts
from .deltas import Delta, suffix_of
from .native import BLOCK, NDJSON, error_body, named_error
from .openai_chat import DONE
from .state import JSONObject, StreamState

__all__ = ["FASTCHAT", "LMDEPLOY", "SGLANG_GENERATE", "VLLM_GENERATE"]

_USAGE = {"prompt_tokens": "input", "completion_tokens": "output", "cached_tokens": "cached_input"}
#: One of these is in each request to SGLang's own API, and hardly in one to a server that someone wrote for themselves.
_SGLANG_INPUTS = frozenset({"text", "input_ids", "input_embeds"})
#: FastChat's ErrorCode.INTERNAL_ERROR.
_FASTCHAT_ERROR = 50001
_LMDEPLOY_USAGE = {"input_tokens": "input", "tokens": "output"}


def _grown(text: str, state: StreamState, index: int = 0) -> str:
    added = suffix_of(text, state.texts.get(index, ""))
    state.texts[index] = text
    return added


def _inspect_vllm(event: Event, payload: JSONObject, state: StreamState) -> None:
    if payload.get("error"):
        state.error = reported_error(payload, event.data)


def _vllm_deltas(_event: Event, payload: JSONObject, state: StreamState) -> list[Delta]:
    texts = payload.get("text")
    found = [
        (index, text) for index, text in enumerate(texts if isinstance(texts, list) else ()) if isinstance(text, str)
    ]
    return [Delta(index=index, text=_grown(text, state, index)) for index, text in found]


def _inspect_sglang(event: Event, payload: JSONObject, state: StreamState) -> None:
    if event.data == b"[DONE]":
        state.terminated = True
        return
    if payload.get("error"):
        state.error = reported_error(payload, event.data)
    meta = payload.get("meta_info")
    if isinstance(meta, dict) and meta.get("finish_reason"):
        state.usage = usage_counts(meta, _USAGE)
        state.finished = True


def _sglang_deltas(_event: Event, payload: JSONObject, state: StreamState) -> list[Delta]:
    text, meta = payload.get("text"), payload.get("meta_info")
    reason = meta.get("finish_reason") if isinstance(meta, dict) else None
    kind = reason.get("type") if isinstance(reason, dict) else reason
    finish = ("length" if kind == "length" else "stop") if kind else None
    return [Delta(text=_grown(text, state) if isinstance(text, str) else "", finish=finish)]


def _inspect_fastchat(event: Event, payload: JSONObject, state: StreamState) -> None:
    if payload.get("error_code"):
        message = {"message": payload.get("text"), "code": payload["error_code"]}
        state.error = reported_error({"error": message}, event.data)
    state.usage = usage_counts(payload.get("usage"), _USAGE) or state.usage
    state.finished = state.finished or bool(payload.get("finish_reason"))


def _fastchat_error(error: SSEProxyError, _state: StreamState) -> bytes:
    return compact({"text": str(error), "error_code": _FASTCHAT_ERROR}) + b"\0"


def _fastchat_deltas(_event: Event, payload: JSONObject, state: StreamState) -> list[Delta]:
    text, reason = payload.get("text"), payload.get("finish_reason")
    finish = ("length" if reason == "length" else "stop") if reason else None
    return [Delta(text=_grown(text, state) if isinstance(text, str) else "", finish=finish)]


def _inspect_lmdeploy(event: Event, payload: JSONObject, state: StreamState) -> None:
    if payload.get("error"):
        state.error = reported_error(payload, event.data)
    if payload.get("finish_reason"):
        state.usage = usage_counts(payload, _LMDEPLOY_USAGE)
        state.finished = True


def _lmdeploy_deltas(_event: Event, payload: JSONObject, _state: StreamState) -> list[Delta]:
    text, reason = payload.get("text"), payload.get("finish_reason")
    finish = ("length" if reason == "length" else "stop") if reason else None
    return [Delta(text=text if isinstance(text, str) else "", finish=finish)]


def _is_vllm(event: Event, payload: JSONObject) -> bool:
    texts = payload.get("text")
    return not event.event and isinstance(texts, list) and all(isinstance(text, str) for text in texts)


def _is_sglang(sign: Sign) -> bool:
    return sign.document is None or not _SGLANG_INPUTS.isdisjoint(sign.document)


VLLM_GENERATE = Dialect(
    name="vllm_generate",
    speaks=_is_vllm,
    framing=Framing.JSON,
    native=NDJSON,
    inspect=_inspect_vllm,
    deltas=_vllm_deltas,
    comment=BLOCK,
    error_body=error_body,
    error_frame=named_error,
    aborts_after_error=True,
    completes_at_end=True,
)

SGLANG_GENERATE = Dialect(
    name="sglang_generate",
    paths=("/generate",),
    claims=_is_sglang,
    reads_body=True,
    speaks=lambda _event, payload: "text" in payload and "meta_info" in payload,
    markers=(b'"error"', b"[DONE]"),
    quiet=(quiet_key("finish_reason"),),
    inspect=_inspect_sglang,
    deltas=_sglang_deltas,
    error_body=error_body,
    error_frame=lambda error, _state: b"data: " + error_body(error) + b"\n\n" + DONE,
    terminator=DONE,
    ends_errors=True,
)

FASTCHAT = Dialect(
    name="fastchat",
    paths=("/worker_generate_stream",),
    always_streams=True,
    framing=Framing.JSON,
    native=replace(NDJSON, error_frame=_fastchat_error, closes=b"\0"),
    inspect=_inspect_fastchat,
    deltas=_fastchat_deltas,
    comment=BLOCK,
    error_body=error_body,
    error_frame=named_error,
    aborts_after_error=True,
    completes_at_end=True,
)

LMDEPLOY = Dialect(
    name="lmdeploy",
    paths=("/v1/chat/interactive",),
    markers=(b'"error"', b"[DONE]"),
    quiet=(quiet_key("finish_reason"),),
    inspect=_inspect_lmdeploy,
    is_ping=lambda event: event.data == b"[DONE]",
    deltas=_lmdeploy_deltas,
    comment=BLOCK,
    error_body=error_body,
    error_frame=named_error,
    aborts_after_error=True,
)
