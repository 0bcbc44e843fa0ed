"""Ollama's client, which takes headers only for all of its requests."""

from __future__ import annotations

from collections.abc import Iterator

import ollama

from .base import MESSAGES, MODEL, Asked, Call

__all__ = ["CALLS"]


def _chat(asked: Asked) -> Iterator[str]:
    client = ollama.Client(host=asked.base_url, headers=asked.headers, timeout=asked.timeout_seconds)
    for part in client.chat(model=MODEL, messages=MESSAGES, stream=True):
        yield part.message.content or ""


CALLS: dict[str, Call] = {"chat": _chat}
