"""OpenAI Responses (reference: formats.md § A1): named, numbered events; ``response.completed`` ends it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from ..blocks import Block, JSONObject, to_json
from .base import ERROR_MESSAGE, INPUT_TOKENS, Api, Ask
from .openai_chat import openai_error

__all__ = ["RESPONSES"]


def _response(ask: Ask, status: str) -> JSONObject:
    done = status == "completed"
    return {
        "id": f"resp_{ask.id}",
        "object": "response",
        "created_at": ask.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": ask.model,
        "output": [_item(ask, status)] if done else [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "default",
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(ask) if done else None,
    }


def _usage(ask: Ask) -> JSONObject:
    output = len(ask.tokens)
    return {
        "input_tokens": INPUT_TOKENS,
        "input_tokens_details": {"cache_write_tokens": 0, "cached_tokens": 0},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": INPUT_TOKENS + output,
    }


def _part(text: str) -> JSONObject:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": text}


def _item(ask: Ask, status: str) -> JSONObject:
    content = [_part(ask.text)] if status == "completed" else []
    return {"id": f"msg_{ask.id}", "type": "message", "status": status, "content": content, "role": "assistant"}


def _named(kind: str, payload: JSONObject, number: int, *, tokens: int = 0, events: int = 1) -> Block:
    data = to_json({"type": kind, **payload, "sequence_number": number})
    return Block(event=kind, data=data, tokens=tokens, events=events)


def _blocks(ask: Ask) -> Iterator[Block]:
    numbers = count()
    place: JSONObject = {"item_id": f"msg_{ask.id}", "output_index": 0, "content_index": 0}
    item: JSONObject = {"output_index": 0}

    def event(kind: str, payload: JSONObject, *, tokens: int = 0) -> Block:
        return _named(f"response.{kind}", payload, next(numbers), tokens=tokens)

    yield event("created", {"response": _response(ask, "in_progress")})
    yield event("in_progress", {"response": _response(ask, "in_progress")})
    yield event("output_item.added", {**item, "item": _item(ask, "in_progress")})
    yield event("content_part.added", {**place, "part": _part("")})
    for token in ask.tokens:
        yield event("output_text.delta", {**place, "delta": token, "logprobs": []}, tokens=1)
    yield event("output_text.done", {**place, "text": ask.text, "logprobs": []})
    yield event("content_part.done", {**place, "part": _part(ask.text)})
    yield event("output_item.done", {**item, "item": _item(ask, "completed")})
    if not ask.no_finish:
        yield event("completed", {"response": _response(ask, "completed")})


def _error(ask: Ask, events: int) -> Iterator[Block]:
    details = openai_error(ask.error_status or 500, ERROR_MESSAGE, ask.error_status or "server_error")
    if ask.flat_error:
        details.pop("type")
        details["code"] = str(details["code"])
        yield _named("error", details, events)
    else:
        yield _named("error", {"error": details}, events)


def _keepalive(events: int) -> Block:
    # It repeats the last number; nothing of the stream is counted by it.
    return _named("keepalive", {}, max(events - 1, 0), events=0)


RESPONSES = Api(
    name="openai_responses",
    path="/v1/responses",
    blocks=_blocks,
    document=lambda ask: _response(ask, "completed"),
    error=_error,
    refusal=lambda status, message: {"error": openai_error(status, message, None)},
    named_ping=_keepalive,
    noop=lambda _ask, events: _keepalive(events),
)
