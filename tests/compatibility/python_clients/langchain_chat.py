"""LangChain's class for OpenAI's chat."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from .base import MODEL, PROMPT, Asked, Call

__all__ = ["CALLS"]


@cache
def _model(base_url: str, timeout_seconds: float) -> ChatOpenAI:
    return ChatOpenAI(
        model_name=MODEL,
        openai_api_base=f"{base_url}/v1",
        openai_api_key=SecretStr("x"),
        max_retries=0,
        request_timeout=timeout_seconds,
    )


def _chat(asked: Asked) -> Iterator[str]:
    model = _model(asked.base_url, asked.timeout_seconds)
    for chunk in model.stream(PROMPT, extra_headers=asked.headers):
        yield chunk.text


CALLS: dict[str, Call] = {"chat": _chat}
