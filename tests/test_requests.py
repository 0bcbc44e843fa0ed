"""`core.requests`: whether a request asks for a stream, and what else its head and body say."""

from __future__ import annotations

import json
from typing import Literal

import pytest

from sse_proxy.core.clients import COMMON
from sse_proxy.core.dialects import GENERIC, Voice, dialect_by_name
from sse_proxy.core.requests import Terms, Wish, classify, wants_body

from .work import cpu_seconds

Headers = list[tuple[bytes, bytes]]

CHAT = "/v1/chat/completions"
JSON: Headers = [(b"content-type", b"application/json")]
SSE: Headers = [(b"accept", b"text/event-stream")]


#: Ollama streams unless it is told not to.
OLLAMA_CHAT = b'{"model":"m","messages":[]}'


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
        ("POST", "/stream-it", JSON, asks(), Wish.MAYBE),
        ("POST", "/stream-it", SSE, asks(), Wish.YES),
        ("POST", "/stream-it", JSON, None, Wish.NO),
        ("POST", "/generate", JSON, asks(text="p"), Wish.YES),
        ("POST", "/generate", JSON, asks(prompt="p"), Wish.MAYBE),
        ("POST", "/generate", JSON, None, Wish.MAYBE),
        ("POST", "/api/chat", JSON, OLLAMA_CHAT, Wish.YES),
        ("POST", "/api/chat", JSON, b'{"model":"m","stream":false}', Wish.NO),
        ("POST", "/api/chat", JSON, b'{"messages":[]}', Wish.NO),
        ("POST", "/g:streamGenerateContent", JSON, b"{}", Wish.YES),
        ("POST", "/g:streamGenerateContent", JSON, None, Wish.YES),
        ("POST", "/v1/chat-messages", JSON, b'{"response_mode":"streaming"}', Wish.YES),
        ("POST", "/v1/chat-messages", JSON, b'{"response_mode":"blocking"}', Wish.NO),
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


def test_ids_are_apart_for_readers_that_people_write_by_hand() -> None:
    """Page scripts that ask for no event stream by name: who does has a parser, to which a block may be an event."""
    script = [(b"sec-fetch-mode", b"cors")]
    assert classify("POST", CHAT, script, asks()).ids_apart
    assert not classify("POST", CHAT, [*script, (b"accept", b"text/event-stream")], asks()).ids_apart
    assert not classify("POST", CHAT, [], asks()).ids_apart


def test_client_variants_can_be_off() -> None:
    """The client's own headers choose its forms, where the setting allows it."""
    script: Headers = [(b"sec-fetch-mode", b"cors")]
    assert classify("POST", CHAT, script, asks()).variant.prefers_data
    off = classify("POST", CHAT, script, asks(), terms=Terms(client_variants=False))
    assert COMMON == off.variant


BOTH: Headers = [(b"accept", b"text/event-stream, application/json")]
OPENAI, OLLAMA = dialect_by_name("openai_chat"), dialect_by_name("ollama")


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "terms", "voice", "expects"),
    [
        ("POST", CHAT, JSON, asks(), Terms(), OPENAI, True),
        ("POST", CHAT, JSON, b"{}", Terms(), OPENAI, False),
        ("POST", CHAT, [(b"accept", b"application/json")], asks(), Terms(), OPENAI, True),
        ("POST", "/api/chat", JSON, OLLAMA_CHAT, Terms(), OLLAMA.native, False),
        ("POST", "/api/chat", SSE, OLLAMA_CHAT, Terms(), OLLAMA, True),
        ("POST", "/api/chat", JSON, OLLAMA_CHAT, Terms(reframe="always"), OLLAMA, True),
        ("POST", "/api/chat", JSON, OLLAMA_CHAT, Terms(output="openai"), OPENAI, True),
        ("POST", "/api/chat", JSON, OLLAMA_CHAT, Terms(output="tokens"), dialect_by_name("tokens"), True),
        ("GET", "/x", SSE, b"", Terms(), GENERIC, True),
        ("GET", "/x", BOTH, b"", Terms(), GENERIC, False),
        ("POST", "/x", BOTH, asks(), Terms(), GENERIC, False),
        ("POST", "/mcp", BOTH, b'{"jsonrpc":"2.0","method":"tools/call"}', Terms(), dialect_by_name("mcp"), False),
        ("GET", "/x", [], b"", Terms(), GENERIC, False),
        ("POST", "/x", JSON, asks(), Terms(), GENERIC, False),
        ("POST", "/x", JSON, asks(), Terms(dialect="openai_chat"), OPENAI, True),
        ("POST", "/x", JSON, asks(), Terms(output="openai"), OPENAI, True),
    ],
)
def test_how_the_client_has_to_be_spoken_to(
    method: str, path: str, headers: Headers, body: bytes, terms: Terms, voice: Voice | None, expects: bool
) -> None:
    """In its API's own framing, unless it asked for an event stream or its route says so."""
    facts = classify(method, path, headers, body, terms=terms)
    assert facts.voice is voice
    assert facts.expects_sse is expects


@pytest.mark.parametrize(
    ("dialect", "body", "wish"),
    [
        ("ollama", b'{"model":"m"}', Wish.YES),
        ("ollama", b'{"model":"m","stream":false}', Wish.NO),
        ("ollama", None, Wish.MAYBE),
        ("dify", b'{"response_mode":"blocking"}', Wish.NO),
        ("openai_chat", b'{"model":"m"}', Wish.NO),
        ("tgi", b"{}", Wish.YES),
    ],
)
def test_a_route_tells_the_dialect_of_any_path(dialect: str, body: bytes | None, wish: Wish) -> None:
    """And that its requests are to be understood as those of its usual paths."""
    facts = classify("POST", "/ask", JSON, body, terms=Terms(dialect=dialect))
    assert (facts.dialect.name, facts.wish, facts.awaits_json) == (dialect, wish, wish is Wish.NO)


@pytest.mark.parametrize(
    ("path", "body", "awaits"),
    [
        (CHAT, b'{"stream":false}', True),
        (CHAT, asks(), False),
        ("/api/chat", b'{"model":"m","stream":false}', True),
        ("/api/chat", OLLAMA_CHAT, False),
        ("/v1/embeddings", b"{}", True),
        ("/rerank/", b"{}", True),
        ("/v1beta/models/g:generateContent", b"{}", True),
        ("/model/m/converse", b"{}", True),
        ("/model/m/invoke", b"{}", True),
        ("/v1/images/generations", b"{}", True),
        ("/v1/audio/speech", b"{}", False),
        ("/embeddings/x", b"{}", False),
        ("/x", b"{}", False),
    ],
)
def test_documents_that_may_be_long_in_coming(path: str, body: bytes, awaits: bool) -> None:
    """The answers of LLMs that were not asked for a stream, and of calls that nobody streams."""
    assert classify("POST", path, JSON, body).awaits_json is awaits
    assert not classify("GET", path, JSON, None).awaits_json


@pytest.mark.parametrize(("body", "model"), [(asks(model="m"), "m"), (asks(model=1), ""), (asks(), ""), (None, "")])
def test_model(body: bytes | None, model: str) -> None:
    """As the request names it."""
    assert model == classify("POST", CHAT, JSON, body).model


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


def test_looking_for_the_flag_is_linear() -> None:
    """Megabytes that look like the flag and are not take moments."""
    body = b'"stream"' * 500_000 + b" " * 4_000_000
    assert cpu_seconds(lambda: classify("POST", CHAT, JSON, body)) < 3


def test_head_never_gets_a_stream() -> None:
    """Nothing follows the head of its answer, whatever it accepts."""
    for path in ("/any", CHAT):
        assert classify("HEAD", path, SSE, None).wish is Wish.NO
        assert classify("GET", path, SSE, None).wish is Wish.YES


@pytest.mark.parametrize("output", ["native", "openai", "tokens"])
def test_the_output_of_the_route_is_kept(output: Literal["native", "openai", "tokens"]) -> None:
    """Whatever the request says of itself."""
    assert classify("POST", CHAT, JSON, asks(), terms=Terms(output=output)).output == output


def test_the_query_is_part_of_what_tells_the_dialect() -> None:
    """Gemini's asks for events there; without a query there are none."""
    path = "/v1/models/m:streamGenerateContent"
    assert classify("POST", path, JSON, b"{}", query=b"alt=sse").dialect.name == "gemini"
    assert classify("POST", path, JSON, b"{}").dialect.name == "gemini_array"
