"""Together's SDK."""

from __future__ import annotations

from functools import cache

import together

from .base import Call, chat_call

__all__ = ["CALLS"]


@cache
def _client(base_url: str, timeout_seconds: float) -> together.Together:
    return together.Together(api_key="x", base_url=base_url, max_retries=0, timeout=timeout_seconds)


CALLS: dict[str, Call] = {"chat": chat_call(_client)}
