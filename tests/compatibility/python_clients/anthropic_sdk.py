"""Anthropic's SDK."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import anthropic

from .base import MESSAGES, MODEL, Asked, Call

__all__ = ["CALLS"]


@cache
def _client(base_url: str, timeout_seconds: float) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="x", base_url=base_url, max_retries=0, timeout=timeout_seconds)


def _messages(asked: Asked) -> Iterator[str]:
    client = _client(asked.base_url, asked.timeout_seconds)
    with client.messages.create(
        model=MODEL, messages=MESSAGES, max_tokens=64, stream=True, extra_headers=asked.headers
    ) as events:
        for event in events:
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                yield event.delta.text


CALLS: dict[str, Call] = {"messages": _messages}
