"""Google's SDK for Gemini."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from google import genai
from google.genai import types

from .base import MODEL, PROMPT, Asked, Call

__all__ = ["CALLS"]


@cache
def _client(base_url: str, timeout_seconds: float) -> genai.Client:
    options = types.HttpOptions(base_url=base_url, timeout=round(timeout_seconds * 1000))
    return genai.Client(api_key="x", http_options=options)


def _generate(asked: Asked) -> Iterator[str]:
    client = _client(asked.base_url, asked.timeout_seconds)
    options = types.HttpOptions(headers=dict(asked.headers))
    for chunk in client.models.generate_content_stream(
        model=MODEL, contents=PROMPT, config=types.GenerateContentConfig(http_options=options)
    ):
        yield chunk.text or ""


CALLS: dict[str, Call] = {"generate_content_stream": _generate}
