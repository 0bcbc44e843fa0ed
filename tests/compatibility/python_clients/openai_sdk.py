"""OpenAI's SDK."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import openai

from .base import MODEL, PROMPT, Asked, Call, chat_call

__all__ = ["CALLS"]


@cache
def _client(base_url: str, timeout_seconds: float) -> openai.OpenAI:
    return openai.OpenAI(api_key="x", base_url=f"{base_url}/v1", max_retries=0, timeout=timeout_seconds)


def _responses(asked: Asked) -> Iterator[str]:
    client = _client(asked.base_url, asked.timeout_seconds)
    with client.responses.create(model=MODEL, input=PROMPT, stream=True, extra_headers=asked.headers) as events:
        for event in events:
            if event.type == "response.output_text.delta":
                yield event.delta


CALLS: dict[str, Call] = {"chat": chat_call(_client), "responses": _responses}
