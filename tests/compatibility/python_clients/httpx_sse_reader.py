"""httpx-sse, in the loop that everybody writes around it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import httpx
from httpx_sse import connect_sse

from .base import MESSAGES, MODEL, Asked, Call, chat_text

__all__ = ["CALLS"]


@cache
def _client(base_url: str, timeout_seconds: float) -> httpx.Client:
    return httpx.Client(base_url=base_url, timeout=timeout_seconds)


def _chat(asked: Asked) -> Iterator[str]:
    client = _client(asked.base_url, asked.timeout_seconds)
    body = {"model": MODEL, "messages": MESSAGES, "stream": True}
    with connect_sse(client, "POST", "/v1/chat/completions", json=body, headers=dict(asked.headers)) as source:
        for event in source.iter_sse():
            text = chat_text(event.data)
            if text is None:
                return
            yield text


CALLS: dict[str, Call] = {"chat": _chat}
