"""Mistral's SDK."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from mistralai.client import Mistral

from .base import MESSAGES, MODEL, Asked, Call, chat_texts

__all__ = ["CALLS"]


@cache
def _client(base_url: str, timeout_seconds: float) -> Mistral:
    return Mistral(api_key="x", server_url=base_url, timeout_ms=round(timeout_seconds * 1000))


def _chat(asked: Asked) -> Iterator[str]:
    client = _client(asked.base_url, asked.timeout_seconds)
    with client.chat.stream(model=MODEL, messages=MESSAGES, http_headers=asked.headers) as events:
        yield from chat_texts(event.data for event in events)


CALLS: dict[str, Call] = {"chat": _chat}
