"""``client_variants``: the same stream for clients that say who they are, with the setting and without it."""

from __future__ import annotations

import json

import pytest
from starlette.types import Receive, Scope, Send

from .streaming import DONE, Handler, Upstream, body, chunk, proxied, start
from .wire import Answer, Call, chat

CHAT = "/v1/chat/completions"
GEMINI = "/v1beta/models/m:streamGenerateContent?alt=sse"
CANDIDATE = b'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}\n\n'
QUICK = {"heartbeat_seconds": 0.02}

BROWSER = {"Sec-Fetch-Mode": "cors", "User-Agent": "Mozilla/5.0"}
GO_OPENAI = {"User-Agent": "Go-http-client/1.1"}
OPENAI_GO = {"User-Agent": "OpenAI/Go 3.43.0", "X-Stainless-Lang": "go"}
OPENAI_JS = {"User-Agent": "OpenAI/JS 6.49.0", "X-Stainless-Lang": "js", "Sec-Fetch-Mode": "cors"}
LANGCHAIN4J = {"User-Agent": "langchain4j-openai"}
GENAI_1 = {"X-Goog-Api-Client": "google-genai-sdk/1.20.0 gl-python/3.11.2"}
GENAI_3 = {"X-Goog-Api-Client": "google-genai-sdk/3.4.0 gl-python/3.11.2"}
GENAI_JS = {"X-Goog-Api-Client": "genai-js/0.24.1"}


def cut(*pieces: bytes, waits: bool = False) -> Handler:
    """An upstream that ends in the middle, once it may."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        for piece in pieces:
            await body(send, piece)
        if waits:
            await upstream.go.wait()
        await body(send, b"", more=False)

    return handler


async def _beat(call: Call) -> str:
    """What kind of heartbeat comes."""
    await call.until(chunk("x"))
    told = await call.until(b"\n")
    if told == b": ping\n":
        return "comment"
    assert json.loads(told.removeprefix(b"data: "))["choices"] == [{"index": 0, "delta": {}, "finish_reason": None}]
    return "data"


@pytest.mark.parametrize(
    ("headers", "with_variants"),
    [
        ({}, "comment"),
        (BROWSER, "data"),
        (GO_OPENAI, "data"),
        (OPENAI_GO, "comment"),
        (OPENAI_JS, "comment"),
        (LANGCHAIN4J, "comment"),
    ],
)
@pytest.mark.parametrize("on", [True, False])
async def test_heartbeats(headers: dict[str, str], with_variants: str, on: bool) -> None:
    """Data for who would lose an event behind a comment, or counts them; without the setting the same for all."""
    handler = cut(chunk("x"), waits=True)
    async with (
        proxied(handler, client_variants=on, **QUICK) as proxy,
        chat(proxy.port, CHAT, headers=headers) as call,
    ):
        assert await _beat(call) == (with_variants if on else "comment")


async def _told(path: str, first: bytes, headers: dict[str, str], *, on: bool) -> Answer:
    async with proxied(cut(first), client_variants=on) as proxy, chat(proxy.port, path, headers=headers) as call:
        answer = await call.answer()
        assert await proxy.outcome() == "upstream_truncated"
        return answer


@pytest.mark.parametrize(("headers", "with_variants"), [({}, 0), (LANGCHAIN4J, 1), (OPENAI_JS, 0), (BROWSER, 0)])
@pytest.mark.parametrize("on", [True, False])
async def test_named_errors(headers: dict[str, str], with_variants: int, on: bool) -> None:
    """Once more under the name ``error``, for who looks only there."""
    answer = await _told(CHAT, chunk("x"), headers, on=on)
    assert answer.body.startswith(chunk("x") + b'data: {"error":{')
    assert answer.body.count(b"event: error\n") == (with_variants if on else 0)
    assert (answer.body.endswith(DONE), answer.complete) == (True, True)


@pytest.mark.parametrize(
    ("headers", "with_variants"), [({}, True), (GENAI_1, False), (GENAI_JS, False), (GENAI_3, True)]
)
@pytest.mark.parametrize("on", [True, False])
async def test_broken_ends(headers: dict[str, str], with_variants: bool, on: bool) -> None:
    """For who takes an error object for a chunk without text: only a connection that breaks is an error there."""
    answer = await _told(GEMINI, CANDIDATE, headers, on=on)
    assert answer.body.startswith(CANDIDATE + b'data: {"error":{"code":502,')
    assert answer.complete is (with_variants or not on)
