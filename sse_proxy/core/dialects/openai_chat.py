"""OpenAI chat completions and legacy completions, the dialect of nearly every LLM server.

The answer is complete when as many choices as the request asked for have a ``finish_reason``, or at ``[DONE]``;
``[DONE]`` is added only then, or after an error (DESIGN fact 3). The error frame's first key is literally ``"error"``
without a space before the colon: some clients look for just that (reference: formats.md § B4).
"""

from __future__ import annotations

from dataclasses import replace

from ...errors import SSEProxyError
from ..sse import Event
from .base import Dialect, Sign, compact, free_keys, quiet_key, reported_error, usage_counts
from .openai_deltas import chat_deltas, chat_from_document, completions_deltas, completions_from_document, objects
from .state import MAX_ANSWERS, JSONObject, StreamState

__all__ = ["CHAT", "COMPLETIONS", "DONE", "openai_error", "openai_error_body"]

DONE = b"data: [DONE]\n\n"

_USAGE = {
    "prompt_tokens": "input",
    "completion_tokens": "output",
    "prompt_tokens_details.cached_tokens": "cached_input",
    "completion_tokens_details.reasoning_tokens": "reasoning_output",
}


def openai_error_body(error: SSEProxyError) -> bytes:
    """The JSON error document of OpenAI's REST API."""
    return compact({"error": openai_error(error)})


def openai_error(error: SSEProxyError) -> JSONObject:
    """The ``error`` object of OpenAI's REST API."""
    return {"message": str(error), "type": error.error_type, "param": None, "code": error.code}


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    if event.data == b"[DONE]":
        state.terminated = True
        return
    if payload.get("error"):  # as in the SDKs: null, "" and {} are none
        state.error = reported_error(payload, event.data)
        return
    if not state.started:
        # Azure's first chunk tells the results of its filter, and has all of these empty.
        state.identity = {key: payload[key] for key in ("id", "created", "model") if payload.get(key)}
    groq = payload.get("x_groq")
    usage = payload.get("usage") or (groq.get("usage") if isinstance(groq, dict) else None)
    if counts := usage_counts(usage, _USAGE):
        state.usage = counts
    _finish(payload.get("choices"), state)


def _finish(choices: object, state: StreamState) -> None:
    for choice in objects(choices):
        index = choice.get("index", 0)
        if isinstance(index, int) and 0 <= index < MAX_ANSWERS:
            if not state.choices:
                state.seen_choices.add(index)
            if choice.get("finish_reason"):
                state.finished_choices.add(index)
    wanted = state.choices or len(state.seen_choices)
    state.finished = 0 < wanted <= len(state.finished_choices)


def _is_completions(sign: Sign) -> bool:
    """``/completions`` alone is llama.cpp's own, unless a deployment of Azure's or a model is named."""
    return "/v1/" in sign.path or "/deployments/" in sign.path or "model" in (sign.document or {})


def _is_ping(event: Event) -> bool:
    # Not of this API, but some servers send it all the same, and the SDKs take its data for a chunk.
    return event.event == b"ping"


def _noop(kind: str, choice: JSONObject) -> bytes:
    return b"data: " + compact({"object": kind, **choice}) + b"\n\n"


def _chat_noop(state: StreamState) -> bytes:
    identity = {"id": "chatcmpl-keepalive", "created": 0, "model": "", **state.identity}
    choice = {"index": 0, "delta": {}, "finish_reason": None}
    return _noop("chat.completion.chunk", {**identity, "choices": [choice]})


def _completions_noop(state: StreamState) -> bytes:
    identity = {"id": "cmpl-keepalive", "created": 0, "model": "", **state.identity}
    choice = {"index": 0, "text": "", "logprobs": None, "finish_reason": None}
    return _noop("text_completion", {**identity, "choices": [choice]})


def _error_frame(error: SSEProxyError, state: StreamState) -> bytes:
    frame = b"data: " + openai_error_body(error) + b"\n\n"
    if state.wants_named_errors:
        frame += b"event: error\n" + frame
    return frame + DONE


CHAT = Dialect(
    name="openai_chat",
    paths=("/chat/completions",),
    markers=(
        b'"error"',
        b"[DONE]",
        b"event: ping",
    ),
    quiet=(quiet_key("finish_reason"), quiet_key("usage")),
    free=free_keys("content", "reasoning_content", "reasoning", "arguments", "text", "obfuscation"),
    inspect=_inspect,
    is_ping=_is_ping,
    deltas=chat_deltas,
    from_document=chat_from_document,
    speaks=lambda _event, payload: payload.get("object") == "chat.completion.chunk",
    noop=_chat_noop,
    error_body=openai_error_body,
    error_frame=_error_frame,
    terminator=DONE,
    ends_errors=True,
    parallel=True,
)

COMPLETIONS = replace(
    CHAT,
    name="openai_completions",
    paths=("/completions",),
    claims=_is_completions,
    deltas=completions_deltas,
    from_document=completions_from_document,
    speaks=lambda _event, payload: payload.get("object") == "text_completion",
    noop=_completions_noop,
)
