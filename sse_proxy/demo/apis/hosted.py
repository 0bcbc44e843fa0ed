"""Cohere, AWS Bedrock, Cloudflare and Replicate (reference: formats.md § A1)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace

from ..blocks import Block, JSONObject, to_json
from .anthropic import ANTHROPIC
from .base import ERROR_MESSAGE, INPUT_TOKENS, Api, Ask

__all__ = ["BEDROCK_CONVERSE", "BEDROCK_INVOKE", "CLOUDFLARE", "COHERE", "REPLICATE"]


def _named(kind: str, *, tokens: int = 0, **fields: object) -> Block:
    return Block(event=kind, data=to_json({"type": kind, **fields}), tokens=tokens)


def _cohere(ask: Ask) -> Iterator[Block]:
    message: JSONObject = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    yield _named("message-start", id=ask.id, delta={"message": message})
    yield _named("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}})
    for token in ask.tokens:
        yield _named("content-delta", index=0, delta={"message": {"content": {"text": token}}}, tokens=1)
    yield _named("content-end", index=0)
    if not (ask.no_finish or ask.no_done):
        yield _named("message-end", delta={"finish_reason": "COMPLETE", "usage": _cohere_usage(ask)})


def _cohere_usage(ask: Ask) -> JSONObject:
    counts = {"input_tokens": INPUT_TOKENS, "output_tokens": len(ask.tokens)}
    return {"billed_units": counts, "tokens": counts}


def _cohere_error(_ask: Ask, _events: int) -> Iterator[Block]:
    yield _named("message-end", delta={"finish_reason": "ERROR", "error": ERROR_MESSAGE})


def _cohere_document(ask: Ask) -> JSONObject:
    message = {"role": "assistant", "content": [{"type": "text", "text": ask.text}]}
    return {"id": ask.id, "finish_reason": "COMPLETE", "message": message, "usage": _cohere_usage(ask)}


COHERE = Api(
    name="cohere",
    path="/v2/chat",
    blocks=_cohere,
    document=_cohere_document,
    error=_cohere_error,
    refusal=lambda status, message: {"message": message, "id": str(status)},
)


def _converse(ask: Ask) -> Iterator[Block]:
    yield Block(event="messageStart", data=to_json({"role": "assistant", "p": "abcdef"}))
    for token in ask.tokens:
        delta = {"contentBlockIndex": 0, "delta": {"text": token}, "p": "abc"}
        yield Block(event="contentBlockDelta", data=to_json(delta), tokens=1)
    yield Block(event="contentBlockStop", data=to_json({"contentBlockIndex": 0}))
    if not ask.no_finish:
        yield Block(event="messageStop", data=to_json({"stopReason": "end_turn"}))
    if not ask.no_done:
        usage = {"inputTokens": INPUT_TOKENS, "outputTokens": len(ask.tokens)}
        yield Block(event="metadata", data=to_json({"usage": usage, "metrics": {"latencyMs": 1}}))


def _exception(_ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(event="modelStreamErrorException", data=to_json({"message": ERROR_MESSAGE}))


def _invoke(ask: Ask) -> Iterator[Block]:
    for block in ANTHROPIC.blocks(ask):
        packed = base64.b64encode((block.data or "").encode()).decode()
        yield Block(event="chunk", data=to_json({"bytes": packed, "p": "abcd"}), tokens=block.tokens)


def _bedrock_document(ask: Ask) -> JSONObject:
    return {"output": {"message": {"role": "assistant", "content": [{"text": ask.text}]}}, "stopReason": "end_turn"}


BEDROCK_CONVERSE = Api(
    name="bedrock_converse",
    path="/model/mock/converse-stream",
    blocks=_converse,
    document=_bedrock_document,
    error=_exception,
    refusal=lambda _status, message: {"message": message},
    framing="aws",
    media_type="application/vnd.amazon.eventstream",
    streams=lambda _body: True,
    example={"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
)

BEDROCK_INVOKE = replace(
    BEDROCK_CONVERSE,
    name="bedrock_invoke",
    path="/model/mock/invoke-with-response-stream",
    blocks=_invoke,
    document=ANTHROPIC.document,
    example={"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 64},
)


def _cloudflare(ask: Ask) -> Iterator[Block]:
    for token in ask.tokens:
        yield Block(data=to_json({"response": token, "p": "abdefg"}), tokens=1)
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": len(ask.tokens)}
    yield Block(data=to_json({"response": "", "usage": usage}))
    if not (ask.no_done or ask.no_finish):
        yield Block(data="[DONE]")


def _cloudflare_error(ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(data=to_json({"errors": [{"message": ERROR_MESSAGE, "code": ask.error_status or 500}]}))


CLOUDFLARE = Api(
    name="cloudflare",
    path="/client/v4/accounts/mock/ai/run/@cf/meta/mock",
    blocks=_cloudflare,
    document=lambda ask: {"result": {"response": ask.text}, "success": True},
    error=_cloudflare_error,
    refusal=lambda status, message: {"success": False, "errors": [{"message": message, "code": status}]},
    noop=lambda _ask, _events: Block(data='{"response":""}', events=0),
)


def _replicate(ask: Ask) -> Iterator[Block]:
    for number, token in enumerate(ask.tokens):
        yield Block(event="output", id=f"169:{number}", data=token, tokens=1)
    if not (ask.no_done or ask.no_finish):
        yield Block(event="done", id=f"169:{len(ask.tokens)}", data="{}")


def _replicate_error(_ask: Ask, events: int) -> Iterator[Block]:
    yield Block(event="error", id=f"169:{events}", data=to_json({"detail": ERROR_MESSAGE}))


REPLICATE = Api(
    name="replicate",
    path="/v1/streams/mock",
    methods=frozenset({"GET"}),
    blocks=_replicate,
    document=lambda ask: {"output": ask.text},
    error=_replicate_error,
)
