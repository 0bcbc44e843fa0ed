"""Gemini (reference: formats.md § A1): an event stream with CRLF where ``alt=sse`` asks for it, else one JSON array."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..blocks import Block, JSONObject, to_json
from ..framings import CLOSING
from .base import ERROR_MESSAGE, INPUT_TOKENS, Api, Ask

__all__ = ["GEMINI", "GEMINI_ARRAY"]


def _part(ask: Ask, text: str, finish: str | None, count: int) -> JSONObject:
    candidate: JSONObject = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    usage = {
        "promptTokenCount": INPUT_TOKENS,
        "candidatesTokenCount": count,
        "totalTokenCount": INPUT_TOKENS + count,
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": ask.model, "responseId": ask.id}


def _blocks(ask: Ask) -> Iterator[Block]:
    for number, token in enumerate(ask.tokens, 1):
        yield Block(data=to_json(_part(ask, token, None, number)), tokens=1)
    if not ask.no_finish:
        yield Block(data=to_json(_part(ask, "", "STOP", len(ask.tokens))))


def _array_blocks(ask: Ask) -> Iterator[Block]:
    yield from _blocks(ask)
    yield CLOSING


def _refusal(status: int, message: str) -> JSONObject:
    names = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}
    return {"error": {"code": status, "message": message, "status": names.get(status, "INTERNAL")}}


def _error(ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(data=to_json(_refusal(ask.error_status or 503, ERROR_MESSAGE)))


def _array_error(ask: Ask, events: int) -> Iterator[Block]:
    yield from _error(ask, events)
    yield CLOSING


GEMINI = Api(
    name="gemini",
    path="/v1beta/models/mock:streamGenerateContent",
    blocks=_blocks,
    document=lambda ask: _part(ask, ask.text, "STOP", len(ask.tokens)),
    error=_error,
    refusal=_refusal,
    named_ping=lambda _events: Block(event="ping", data="{}", events=0),
    noop=lambda _ask, _events: Block(data='{"candidates":[]}', events=0),
    framing="sse-crlf",
    streams=lambda _body: True,
    example={"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
)

GEMINI_ARRAY = replace(
    GEMINI,
    name="gemini_array",
    blocks=_array_blocks,
    error=_array_error,
    framing="array",
    media_type="application/json; charset=UTF-8",
)
