"""What a Python client is asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["MESSAGES", "MODEL", "PROMPT", "Asked", "Call", "Told", "chat_call", "chat_text", "chat_texts"]

MODEL = "test"
PROMPT = "Count from one to ten."
MESSAGES: list[Any] = [{"role": "user", "content": PROMPT}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One streamed answer to ask for."""

    base_url: str
    headers: Mapping[str, str]
    timeout_seconds: float


Call = Callable[[Asked], Iterator[str]]


class Told(Exception):
    """Told by the server in the stream, where the client itself has no exception for it."""


def chat_text(data: str) -> str | None:
    """What a loop that somebody writes around a parser makes of the data of an event: the text, None for the end."""
    if data == "[DONE]":
        return None
    chunk = json.loads(data)
    if "error" in chunk:
        raise Told(chunk["error"])
    return "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])


def chat_texts(chunks: Any) -> Iterator[str]:
    """The texts of the chunks of OpenAI's chat, as every SDK after its model gives them."""
    for chunk in chunks:
        for choice in chunk.choices:
            yield choice.delta.content or ""


def chat_call(client_of: Callable[[str, float], Any]) -> Call:
    """OpenAI's chat by an SDK after its model; *client_of* makes a client of a base URL and a timeout in seconds."""

    def chat(asked: Asked) -> Iterator[str]:
        client = client_of(asked.base_url, asked.timeout_seconds)
        with client.chat.completions.create(
            model=MODEL, messages=MESSAGES, stream=True, extra_headers=asked.headers
        ) as chunks:
            yield from chat_texts(chunks)

    return chat
