"""What the proxy adds while a real server is silent: llama-server sends a queued request nothing at all."""

from __future__ import annotations

import contextlib
import json

import httpx
import pytest

from .figures import Figures, Watch
from .requests import ENDLESS, EXACT, MAX_TOKENS, MESSAGES, MODEL, whole_answer
from .servers import DIRECT, Llama, Target

pytestmark = [
    pytest.mark.e2e_llm,
    pytest.mark.skipif(DIRECT, reason="llama-server alone keeps a queued client in the dark; that is the point"),
]


def test_a_queued_client_hears_heartbeats_and_then_its_answer(target: Target, llama: Llama, figures: Figures) -> None:
    """While another answer holds the only slot, heartbeats come before the first event, and lose nothing of it."""
    chat = {"model": MODEL, "messages": MESSAGES, "stream": True}
    url = f"{target.url}/v1/chat/completions"
    watch = Watch()
    exact = {**chat, **EXACT, "temperature": 0, "max_tokens": MAX_TOKENS}
    with httpx.Client(timeout=60, trust_env=False) as client, contextlib.ExitStack() as holding:
        holder = holding.enter_context(client.stream("POST", url, json={**chat, **ENDLESS}))
        chunks = holder.iter_raw()  # kept: a dropped iterator would close the response
        next(chunks)
        with client.stream("POST", url, json=exact) as queued:
            lines = queued.iter_lines()
            first = next(lines)
            still_held = llama.busy()
            holding.close()
            rest = []
            for line in lines:
                rest.append(line)
                watch.event(_content(line))
    heartbeats = [first, *rest].count(": ping")
    figures.rows.append(watch.row("queued chat, raw", note=f"{heartbeats} heartbeats"))
    assert (queued.status_code, first, still_held, "data: [DONE]" in rest) == (200, ": ping", True, True)
    assert watch.text == whole_answer(llama, "chat")


def _content(line: str) -> str | None:
    if not line.startswith("data: {"):
        return None
    choices = json.loads(line.removeprefix("data: "))["choices"]
    content: str | None = choices[0]["delta"].get("content") if choices else None
    return content
