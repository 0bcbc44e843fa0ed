"""The requests of this run, and the right answers: what llama-server says when nobody streams, without the proxy.

Temperature 0 and no prompt cache make the model say the same each time, so a streamed text can be compared in full.
"""

from __future__ import annotations

from typing import Any

import httpx

from .servers import Llama

__all__ = ["ENDLESS", "EXACT", "MAX_TOKENS", "MESSAGES", "MODEL", "PROMPT", "REQUESTS", "TOO_LONG", "whole_answer"]

MODEL = "gemma"
MAX_TOKENS = 48
PROMPT = "The quick brown fox jumps over the lazy dog. The"
MESSAGES: list[Any] = [{"role": "user", "content": "Tell me a story about a fox."}]
#: Extension fields of llama-server, for the SDKs' ``extra_body``.
EXACT: dict[str, object] = {"cache_prompt": False, "seed": 1}
#: Runs until the context is full, for streams that are not meant to end by themselves.
ENDLESS: dict[str, object] = {"ignore_eos": True}
#: More tokens than the context has.
TOO_LONG = "fox " * 5000

#: What the tests stream, as plain JSON requests: path and body.
REQUESTS: dict[str, tuple[str, dict[str, object]]] = {
    "chat": ("/v1/chat/completions", {"messages": MESSAGES, "max_tokens": MAX_TOKENS}),
    "completions": ("/v1/completions", {"prompt": PROMPT, "max_tokens": MAX_TOKENS}),
    "responses": ("/v1/responses", {"input": MESSAGES, "max_output_tokens": MAX_TOKENS}),
    "messages": ("/v1/messages", {"messages": MESSAGES, "max_tokens": MAX_TOKENS}),
    "native": ("/completion", {"prompt": PROMPT, "n_predict": MAX_TOKENS}),
}


def whole_answer(llama: Llama, api: str) -> str:
    """Return the text that *api* has to give, asked for without streaming and without the proxy."""
    path, body = REQUESTS[api]
    body = {"model": MODEL, "temperature": 0, **EXACT, **body}
    answer = httpx.post(llama.url + path, json=body, timeout=60, trust_env=False).raise_for_status().json()
    text: str
    match api:
        case "chat":
            text = answer["choices"][0]["message"]["content"]
        case "completions":
            text = answer["choices"][0]["text"]
        case "responses":
            text = "".join(part["text"] for item in answer["output"] for part in item.get("content", ()))
        case "native":
            text = answer["content"]
        case _:
            text = "".join(block["text"] for block in answer["content"])
    return text
