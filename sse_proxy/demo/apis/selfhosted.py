"""Servers that people run themselves, in their own APIs (reference: formats.md § A2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from ..blocks import Block, JSONObject, to_json
from .base import ERROR_MESSAGE, INPUT_TOKENS, Api, Ask

__all__ = ["SELF_HOSTED"]

_Fields = Callable[[Ask, str], JSONObject]


def _error(ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(data=to_json({"error": {"message": ERROR_MESSAGE, "code": ask.error_status or 500}}))


def _string_error(_ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(data=to_json({"error": ERROR_MESSAGE}))


def _ollama(text: Callable[[str], JSONObject]) -> Callable[[Ask], Iterator[Block]]:
    def blocks(ask: Ask) -> Iterator[Block]:
        head = {"model": ask.model, "created_at": "2026-01-01T00:00:00Z"}
        for token in ask.tokens:
            yield Block(data=to_json({**head, **text(token), "done": False}), tokens=1)
        if not (ask.no_done or ask.no_finish):
            counts = {"prompt_eval_count": INPUT_TOKENS, "eval_count": len(ask.tokens)}
            yield Block(data=to_json({**head, **text(""), "done": True, "done_reason": "stop", **counts}))

    return blocks


def _ollama_document(text: Callable[[str], JSONObject]) -> Callable[[Ask], JSONObject]:
    return lambda ask: {"model": ask.model, **text(ask.text), "done": True, "done_reason": "stop"}


def _chat_text(text: str) -> JSONObject:
    return {"message": {"role": "assistant", "content": text}}


def _plain_text(text: str) -> JSONObject:
    return {"response": text}


def _not_false(body: JSONObject) -> bool:
    return body.get("stream") is not False


def _tgi(ask: Ask) -> Iterator[Block]:
    last = len(ask.tokens)
    for number, token in enumerate(ask.tokens, 1):
        piece = {"id": number, "text": token, "logprob": -0.1, "special": False}
        ended = number == last and not (ask.no_finish or ask.no_done)
        details = {"finish_reason": "eos_token", "generated_tokens": last, "input_length": INPUT_TOKENS, "seed": None}
        tail = {"generated_text": ask.text if ended else None, "details": details if ended else None}
        yield Block(data=to_json({"index": number, "token": piece, **tail}), tokens=1)


def _tgi_error(_ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(data=to_json({"error": ERROR_MESSAGE, "error_type": "generation"}))


def _grown(ask: Ask) -> Iterator[tuple[str, bool]]:
    """All of the text so far at each token, and whether that is all."""
    texts = list(accumulate(ask.tokens))
    return ((text, number == len(texts)) for number, text in enumerate(texts, 1))


def _vllm(ask: Ask) -> Iterator[Block]:
    for text, _ in _grown(ask):
        yield Block(data=to_json({"text": [text]}), tokens=1)


def _sglang(ask: Ask) -> Iterator[Block]:
    counts = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": len(ask.tokens)}
    for text, last in _grown(ask):
        reason = {"type": "stop", "matched": 2} if last and not ask.no_finish else None
        yield Block(
            data=to_json({"text": text, "meta_info": {"id": ask.id, "finish_reason": reason, **counts}}), tokens=1
        )
    if not ask.no_done:
        yield Block(data="[DONE]")


def _fastchat(ask: Ask) -> Iterator[Block]:
    counts = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": len(ask.tokens)}
    for text, last in _grown(ask):
        reason = "stop" if last and not ask.no_finish else None
        yield Block(data=to_json({"text": text, "error_code": 0, "usage": counts, "finish_reason": reason}), tokens=1)


def _fastchat_error(_ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(data=to_json({"text": ERROR_MESSAGE, "error_code": 50001}))


def _llamacpp(ask: Ask) -> Iterator[Block]:
    for token in ask.tokens:
        yield Block(data=to_json({"index": 0, "content": token, "tokens": [1], "stop": False}), tokens=1)
    if not (ask.no_finish or ask.no_done):
        counts = {"tokens_evaluated": INPUT_TOKENS, "tokens_predicted": len(ask.tokens)}
        yield Block(data=to_json({"content": "", "stop": True, "stop_type": "eos", **counts, "timings": {}}))


def _triton(ask: Ask) -> Iterator[Block]:
    for token in ask.tokens:
        yield Block(data=to_json({"model_name": "mock", "model_version": "1", "text_output": token}), tokens=1)


def _lmdeploy(ask: Ask) -> Iterator[Block]:
    for number, token in enumerate(ask.tokens, 1):
        reason = "stop" if number == len(ask.tokens) and not (ask.no_finish or ask.no_done) else None
        counts = {"tokens": number, "input_tokens": INPUT_TOKENS, "history_tokens": 0}
        yield Block(data=to_json({"text": token, **counts, "finish_reason": reason}), tokens=1)


def _studio(ask: Ask) -> Iterator[Block]:
    def event(kind: str, *, tokens: int = 0, **fields: object) -> Block:
        return Block(event=kind, data=to_json({"type": kind, **fields}), tokens=tokens)

    yield event("chat.start", model_instance_id=ask.model)
    yield event("message.start")
    for token in ask.tokens:
        yield event("message.delta", content=token, tokens=1)
    yield event("message.end")
    if not (ask.no_finish or ask.no_done):
        stats = {"input_tokens": INPUT_TOKENS, "total_output_tokens": len(ask.tokens)}
        yield event("chat.end", result={"output": [{"type": "message", "content": ask.text}], "stats": stats})


def _studio_error(_ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(event="error", data=to_json({"type": "error", "error": {"message": ERROR_MESSAGE}}))


def _row(
    name: str,
    path: str,
    blocks: Callable[[Ask], Iterator[Block]],
    document: Callable[[Ask], JSONObject],
    *,
    error: Callable[[Ask, int], Iterator[Block]] = _error,
    framing: str = "sse",
    media_type: str = "text/event-stream; charset=utf-8",
    streams: Callable[[JSONObject], bool] = lambda body: body.get("stream") is True,
    example: JSONObject,
) -> Api:
    return Api(
        name=name,
        path=path,
        blocks=blocks,
        document=document,
        error=error,
        framing=framing,
        media_type=media_type,
        streams=streams,
        example=example,
    )


_NDJSON = {"framing": "ndjson", "media_type": "application/x-ndjson", "streams": _not_false, "error": _string_error}
_PROMPT: JSONObject = {"prompt": "Hi", "stream": True}
_ALWAYS: Callable[[JSONObject], bool] = lambda _body: True  # noqa: E731  a constant of the table

SELF_HOSTED: tuple[Api, ...] = (
    _row(
        "ollama", "/api/chat", _ollama(_chat_text), _ollama_document(_chat_text), **_NDJSON,  # type: ignore[arg-type]
        example={"model": "mock", "messages": [{"role": "user", "content": "Hi"}]},
    ),
    _row(
        "ollama", "/api/generate", _ollama(_plain_text), _ollama_document(_plain_text), **_NDJSON,  # type: ignore[arg-type]
        example={"model": "mock", "prompt": "Hi"},
    ),
    _row(
        "tgi", "/generate_stream", _tgi, lambda ask: {"generated_text": ask.text},
        error=_tgi_error, streams=_ALWAYS, example={"inputs": "Hi"},
    ),
    _row(
        "vllm_generate", "/generate", _vllm, lambda ask: {"text": [ask.text]},
        framing="ndjson", media_type="", example=_PROMPT,
    ),
    _row(
        "sglang_generate", "/generate", _sglang, lambda ask: {"text": ask.text},
        example={"text": "Hi", "stream": True},
    ),
    _row(
        "fastchat", "/worker_generate_stream", _fastchat, lambda ask: {"text": ask.text},
        error=_fastchat_error, framing="nul", media_type="", streams=_ALWAYS, example={"prompt": "Hi"},
    ),
    _row("llamacpp", "/completion", _llamacpp, lambda ask: {"content": ask.text, "stop": True}, example=_PROMPT),
    _row(
        "triton", "/v2/models/mock/generate_stream", _triton, lambda ask: {"text_output": ask.text},
        error=_string_error, streams=_ALWAYS, example={"text_input": "Hi"},
    ),
    _row("lmdeploy", "/v1/chat/interactive", _lmdeploy, lambda ask: {"text": ask.text}, example=_PROMPT),
    _row(
        "lm_studio", "/api/v1/chat", _studio, lambda ask: {"output": [{"type": "message", "content": ask.text}]},
        error=_studio_error, example={"model": "mock", "input": "Hi", "stream": True},
    ),
)  # fmt: skip
