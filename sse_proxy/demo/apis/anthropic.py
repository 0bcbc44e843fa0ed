"""Anthropic Messages (reference: formats.md § A1): named events from ``message_start`` to ``message_stop``."""

from __future__ import annotations

from collections.abc import Iterator

from ..blocks import Block, JSONObject, to_json
from .base import ERROR_MESSAGE, INPUT_TOKENS, Api, Ask

__all__ = ["ANTHROPIC"]

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def _error_object(status: int, message: str) -> JSONObject:
    kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"type": kind, "message": message}


def _usage(output: int) -> JSONObject:
    return {
        "input_tokens": INPUT_TOKENS,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output,
    }


def _message(ask: Ask, content: list[JSONObject], stop_reason: str | None, output: int) -> JSONObject:
    return {
        "id": f"msg_{ask.id}",
        "type": "message",
        "role": "assistant",
        "model": ask.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": _usage(output),
    }


def _named(kind: str, payload: JSONObject, *, tokens: int = 0) -> Block:
    return Block(event=kind, data=to_json({"type": kind, **payload}), tokens=tokens)


def _blocks(ask: Ask) -> Iterator[Block]:
    yield _named("message_start", {"message": _message(ask, [], None, 1)})
    yield _named("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
    for token in ask.tokens:
        yield _named("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": token}}, tokens=1)
    yield _named("content_block_stop", {"index": 0})
    if not ask.no_finish:
        delta: JSONObject = {"stop_reason": "end_turn", "stop_sequence": None}
        yield _named("message_delta", {"delta": delta, "usage": {"output_tokens": len(ask.tokens)}})
    if not ask.no_done:
        yield _named("message_stop", {})


def _document(ask: Ask) -> JSONObject:
    return _message(ask, [{"type": "text", "text": ask.text}], "end_turn", len(ask.tokens))


def _error(ask: Ask, _events: int) -> Iterator[Block]:
    error = _error_object(ask.error_status or 529, ERROR_MESSAGE)
    if ask.error_status is not None:
        error["code"] = ask.error_status
    yield _named("error", {"error": error})


def _refusal(status: int, message: str) -> JSONObject:
    return {"type": "error", "error": _error_object(status, message), "request_id": "req_mock"}


def _ping() -> Block:
    # With the space, as the API writes it.
    return Block(event="ping", data='{"type": "ping"}', events=0)


ANTHROPIC = Api(
    name="anthropic",
    path="/v1/messages",
    blocks=_blocks,
    document=_document,
    error=_error,
    refusal=_refusal,
    named_ping=lambda _events: _ping(),
    noop=lambda _ask, _events: _ping(),
)
