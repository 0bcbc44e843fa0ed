"""Hugging Face's client: its chat, and text generation as TGI has it."""

from __future__ import annotations

from collections.abc import Iterator

from huggingface_hub import InferenceClient

from .base import MESSAGES, MODEL, PROMPT, Asked, Call, chat_texts

__all__ = ["CALLS"]


def _client(asked: Asked, path: str) -> InferenceClient:
    headers = dict(asked.headers)
    return InferenceClient(asked.base_url + path, api_key="x", headers=headers, timeout=asked.timeout_seconds)


# Both keep their client: with it goes its stream.
def _chat(asked: Asked) -> Iterator[str]:
    client = _client(asked, "/v1")
    yield from chat_texts(client.chat_completion(messages=MESSAGES, model=MODEL, stream=True))


def _text_generation(asked: Asked) -> Iterator[str]:
    client = _client(asked, "/generate_stream")
    for output in client.text_generation(PROMPT, stream=True, details=True):
        yield output.token.text


CALLS: dict[str, Call] = {"chat": _chat, "text_generation": _text_generation}
