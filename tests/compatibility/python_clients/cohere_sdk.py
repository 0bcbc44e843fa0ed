"""Cohere's SDK, its second API, which tells an error as the reason of the end: an event like others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import cohere

from .base import MESSAGES, MODEL, Asked, Call, Told

__all__ = ["CALLS"]


@cache
def _client(base_url: str, timeout_seconds: float) -> cohere.ClientV2:
    return cohere.ClientV2(api_key="x", base_url=base_url, timeout=timeout_seconds)


def _text(event: Any) -> str:
    if event.type == "message-end" and event.delta.finish_reason == "ERROR":
        raise Told(event.delta)
    return event.delta.message.content.text or "" if event.type == "content-delta" else ""


def _chat(asked: Asked) -> Iterator[str]:
    client = _client(asked.base_url, asked.timeout_seconds)
    for event in client.chat_stream(
        model=MODEL,
        messages=MESSAGES,
        request_options={"additional_headers": dict(asked.headers), "max_retries": 0},
    ):
        yield _text(event)


CALLS: dict[str, Call] = {"chat": _chat}
