"""Together's SDK."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import together

from .base import MESSAGES, MODEL, Asked, Call, chat_texts

__all__ = ["CALLS"]


@cache
def _client(base_url: str, timeout_seconds: float) -> together.Together:
    return together.Together(api_key="x", base_url=base_url, max_retries=0, timeout=timeout_seconds)


def _chat(asked: Asked) -> Iterator[str]:
    client = _client(asked.base_url, asked.timeout_seconds)
    with client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, extra_headers=asked.headers
    ) as chunks:
        yield from chat_texts(chunks)


CALLS: dict[str, Call] = {"chat": _chat}
