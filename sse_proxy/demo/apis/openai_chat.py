"""OpenAI chat completions and legacy completions (reference: formats.md § A1), ended by ``[DONE]``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..blocks import Block, JSONObject, to_json
from .base import ERROR_MESSAGE, INPUT_TOKENS, Api, Ask

__all__ = ["CHAT", "COMPLETIONS", "openai_error"]

_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}

#: ``(choice index, text or None for the last chunk) → the choice object``.
_Choice = Callable[[int, str | None], JSONObject]


def openai_error(status: int, message: str, code: int | str | None) -> JSONObject:
    """The ``error`` object of OpenAI's API for an HTTP *status*."""
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"message": message, "type": kind, "param": None, "code": code}


def _usage(ask: Ask) -> JSONObject:
    output = len(ask.tokens) * ask.choices
    return {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": output,
        "total_tokens": INPUT_TOKENS + output,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def _head(ask: Ask, kind: str) -> JSONObject:
    prefix = "cmpl" if kind == "text_completion" else "chatcmpl"
    return {
        "id": f"{prefix}-{ask.id}",
        "object": kind,
        "created": ask.created,
        "model": ask.model,
        "system_fingerprint": "fp_mock",
    }


def _blocks(ask: Ask, kind: str, choice: _Choice) -> Iterator[Block]:
    head = _head(ask, kind)
    # With include_usage every chunk has the key, and only the last one a value.
    tail: JSONObject = {"usage": None} if ask.include_usage else {}

    def chunk(index: int, text: str | None, *, tokens: int = 0) -> Block:
        return Block(data=to_json({**head, "choices": [choice(index, text)], **tail}), tokens=tokens)

    if kind == "chat.completion.chunk":
        for index in range(ask.choices):
            role: JSONObject = {"role": "assistant", "content": ""}
            first = {"index": index, "delta": role, "logprobs": None, "finish_reason": None}
            yield Block(data=to_json({**head, "choices": [first], **tail}))
    for token in ask.tokens:
        for index in range(ask.choices):
            yield chunk(index, token, tokens=int(index == 0))
    if not ask.no_finish:
        for index in range(ask.choices):
            yield chunk(index, None)
    if ask.include_usage:
        yield Block(data=to_json({**head, "choices": [], "usage": _usage(ask)}))
    if not ask.no_done:
        yield Block(data="[DONE]")


def _chat_choice(index: int, text: str | None) -> JSONObject:
    delta: JSONObject = {} if text is None else {"content": text}
    return {"index": index, "delta": delta, "logprobs": None, "finish_reason": "stop" if text is None else None}


def _text_choice(index: int, text: str | None) -> JSONObject:
    return {"index": index, "text": text or "", "logprobs": None, "finish_reason": "stop" if text is None else None}


def _chat_document(ask: Ask) -> JSONObject:
    message: JSONObject = {"role": "assistant", "content": ask.text, "refusal": None, "annotations": []}
    choices = [
        {"index": index, "message": message, "logprobs": None, "finish_reason": "stop"} for index in range(ask.choices)
    ]
    return {**_head(ask, "chat.completion"), "choices": choices, "usage": _usage(ask)}


def _text_document(ask: Ask) -> JSONObject:
    choices = [{**_text_choice(index, None), "text": ask.text} for index in range(ask.choices)]
    return {**_head(ask, "text_completion"), "choices": choices, "usage": _usage(ask)}


def _error(ask: Ask, _events: int) -> Iterator[Block]:
    error = openai_error(ask.error_status or 500, ERROR_MESSAGE, ask.error_status)
    yield Block(data=to_json({"object": "error", **error} if ask.flat_error else {"error": error}))
    if not ask.no_done:
        # As vLLM, SGLang and LMDeploy do.
        yield Block(data="[DONE]")


def _refusal(status: int, message: str) -> JSONObject:
    return {"error": openai_error(status, message, None)}


def _named_ping(_events: int) -> Block:
    return Block(event="ping", data='{"type": "ping"}', events=0)


def _noop(ask: Ask, kind: str, choice: JSONObject) -> Block:
    return Block(data=to_json({**_head(ask, kind), "choices": [choice]}), events=0)


CHAT = Api(
    name="openai_chat",
    path="/v1/chat/completions",
    blocks=lambda ask: _blocks(ask, "chat.completion.chunk", _chat_choice),
    document=_chat_document,
    error=_error,
    refusal=_refusal,
    named_ping=_named_ping,
    noop=lambda ask, _events: _noop(
        ask, "chat.completion.chunk", {"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}
    ),
)

COMPLETIONS = Api(
    name="openai_completions",
    path="/v1/completions",
    blocks=lambda ask: _blocks(ask, "text_completion", _text_choice),
    document=_text_document,
    error=_error,
    refusal=_refusal,
    named_ping=_named_ping,
    noop=lambda ask, _events: _noop(ask, "text_completion", _text_choice(0, "")),
)
