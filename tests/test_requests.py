"""`core.requests`: whether a request asks for a stream, and what else its head and body say."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.requests import Wish, classify, wants_body

from .work import cpu_seconds

Headers = list[tuple[bytes, bytes]]

CHAT = "/v1/chat/completions"
JSON: Headers = [(b"content-type", b"application/json")]
SSE: Headers = [(b"accept", b"text/event-stream")]


def asks(**fields: object) -> bytes:
    """The body of a request for a stream."""
    return json.dumps({"stream": True, **fields}).encode()


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "wish"),
    [
        ("POST", CHAT, JSON, asks(), Wish.YES),
        ("POST", CHAT, JSON, b'{"stream" : true}', Wish.YES),
        ("POST", CHAT, JSON, b'{"stream":false}', Wish.NO),
        ("POST", CHAT, JSON, b'{"stream":"true"}', Wish.NO),
        ("POST", CHAT, JSON, b'{"messages":[{"stream":true}]}', Wish.NO),
        ("POST", CHAT, JSON, b'{"a":{"stream":true},"stream":false}', Wish.NO),
        ("POST", CHAT, JSON, b'[{"stream":true}]', Wish.NO),
        ("POST", CHAT, JSON, b'{"stream":true', Wish.NO),
        ("POST", CHAT, JSON, b'{"stream":true,"a":' + b"[" * 100_000, Wish.NO),
        ("POST", CHAT, JSON, b'{"stream":true,"a":"\xff"}', Wish.NO),
        ("POST", CHAT, JSON, b"{}", Wish.NO),
        ("POST", CHAT, JSON, b"", Wish.NO),
        ("POST", CHAT, JSON, None, Wish.MAYBE),
        ("POST", CHAT, SSE, b"{}", Wish.YES),
        ("POST", CHAT, SSE, None, Wish.YES),
        ("POST", "/v1/messages", JSON, asks(), Wish.YES),
        ("POST", "/v1/responses", JSON, asks(), Wish.YES),
        ("POST", "/v1/completions", JSON, asks(), Wish.YES),
        ("POST", "/generate", JSON, asks(), Wish.MAYBE),
        ("POST", "/generate", SSE, asks(), Wish.YES),
        ("POST", "/generate", JSON, None, Wish.NO),
        ("POST", "/upload", [], b"", Wish.NO),
        ("GET", "/events", SSE, b"", Wish.YES),
        ("GET", "/events", [(b"accept", b"text/html, text/event-stream;q=0.5")], b"", Wish.YES),
        ("GET", "/events", [(b"accept", b"*/*")], b"", Wish.NO),
        ("GET", "/events", [], b"", Wish.NO),
    ],
)
def test_wish(method: str, path: str, headers: Headers, body: bytes | None, wish: Wish) -> None:
    """YES where the answer must be an event stream, MAYBE where it may be one, NO where nothing says so."""
    facts = classify(method, path, headers, body)
    assert facts.wish is wish
    assert facts.candidate is (wish is not Wish.NO)


@pytest.mark.parametrize(
    ("method", "path", "headers", "wanted"),
    [
        ("POST", "/any", JSON, True),
        ("POST", "/any", [(b"content-type", b"Application/JSON; charset=utf-8")], True),
        ("POST", "/any", [(b"content-type", b"application/vnd.api+json")], True),
        ("POST", "/any", [], False),
        ("POST", CHAT, [], True),
        ("POST", "/any", [(b"content-type", b"text/plain")], False),
        ("POST", CHAT, [(b"content-type", b"application/x-www-form-urlencoded")], True),
        ("POST", CHAT, [(b"content-type", b"multipart/form-data; boundary=x")], False),
        ("PUT", CHAT, JSON, False),
        ("GET", CHAT, JSON, False),
    ],
)
def test_wants_body(method: str, path: str, headers: Headers, wanted: bool) -> None:
    """Only what may be JSON, or goes to a known API, is looked into; uploads never are."""
    assert wants_body(method, path, headers) is wanted


@pytest.mark.parametrize(
    ("body", "choices"),
    [
        (asks(), 1),
        (asks(n=1), 1),
        (asks(n=3), 3),
        (asks(n=0), 1),
        (asks(n=-2), 1),
        (asks(n="3"), 1),
        (asks(n=None), 1),
        (asks(n=True), 1),
        (asks(prompt="a"), 1),
        (asks(prompt=["a", "b"]), 2),
        (asks(prompt=["a", "b"], n=2), 4),
        (asks(prompt=[[1, 2], [3]]), 2),
        (asks(prompt=[1, 2, 3]), 1),
        (asks(prompt=[]), 1),
        (b'{"n":3}', 1),
        (b"", 1),
        (None, 0),
    ],
)
def test_choices(body: bytes | None, choices: int) -> None:
    """``n`` answers for each prompt; 0 where the body could not be held."""
    assert classify("POST", "/v1/completions", JSON, body).choices == choices


@pytest.mark.parametrize(
    ("headers", "variants", "browser", "named"),
    [
        ([], True, False, False),
        ([(b"sec-fetch-mode", b"cors")], True, True, False),
        ([(b"sec-fetch-mode", b"cors")], False, False, False),
        ([(b"user-agent", b"langchain4j-openai/1.0")], True, False, True),
        ([(b"user-agent", b"LangChain4j")], True, False, True),
        ([(b"user-agent", b"langchain4j-openai/1.0")], False, False, False),
        ([(b"user-agent", b"OpenAI/Python 2.0")], True, False, False),
    ],
)
def test_client_variants(headers: Headers, variants: bool, browser: bool, named: bool) -> None:
    """The client's own headers choose its forms, where the setting allows it."""
    facts = classify("POST", CHAT, headers, asks(), client_variants=variants)
    assert (facts.browser, facts.wants_named_errors) == (browser, named)


@pytest.mark.parametrize(
    ("method", "path", "headers", "silent"),
    [
        ("GET", "/events", SSE, True),
        ("POST", "/mcp", [*SSE, (b"mcp-session-id", b"1")], True),
        ("POST", "/mcp", [(b"accept", b"application/json, text/event-stream")], True),
        ("POST", "/mcp", [*SSE, (b"mcp-protocol-version", b"2025-11-25")], True),
        ("POST", "/stream", SSE, False),
        ("POST", CHAT, [*SSE, (b"mcp-session-id", b"1")], False),
    ],
)
def test_silent_by_design(method: str, path: str, headers: Headers, silent: bool) -> None:
    """Generic GET streams and MCP may say nothing for hours; an LLM may not."""
    assert classify(method, path, headers, b"").may_be_silent is silent


def test_accept_is_told() -> None:
    """Whether the client named the media type itself."""
    assert classify("GET", "/", SSE, b"").accepts_sse
    assert not classify("POST", CHAT, JSON, asks()).accepts_sse


def test_looking_for_the_flag_is_linear() -> None:
    """Megabytes that look like the flag and are not take moments."""
    body = b'"stream"' * 500_000 + b" " * 4_000_000
    assert cpu_seconds(lambda: classify("POST", CHAT, JSON, body)) < 3
