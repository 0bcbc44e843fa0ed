"""The upstream's own errors: as its first event they become a status, later they pass as they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from .streaming import DONE, Handler, Upstream, body, chunk, proxied, start
from .wire import Answer, calling, chat

_RESPONSES = "/v1/responses"
_MESSAGES = "/v1/messages"
_CREATED = b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n'
_STARTED = b'event: message_start\ndata: {"type":"message_start"}\n\n'


def _sse(document: dict[str, Any], kind: str = "") -> bytes:
    head = f"event: {kind}\n" if kind else ""
    return (head + "data: " + json.dumps(document) + "\n\n").encode()


def _sends(*pieces: bytes) -> Handler:
    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        for piece in pieces:
            await body(send, piece)
        await body(send, b"", more=False)

    return handler


async def _answer(path: str, *pieces: bytes, outcome: str = "upstream_error", **settings: Any) -> Answer:
    async with proxied(_sends(*pieces), **settings) as proxy:
        async with chat(proxy.port, path) as call:
            answer = await call.answer()
        assert await proxy.outcome() == outcome
        return answer


_RESPONSES_ERROR = {"type": "error", "code": "server_error", "message": "no", "param": None, "sequence_number": 0}


@pytest.mark.parametrize(
    "path, first, status",
    [
        ("/v1/chat/completions", _sse({"error": {"message": "no", "code": 400}}), 400),
        ("/v1/chat/completions", _sse({"error": {"message": "no", "code": "429"}}), 429),
        ("/v1/chat/completions", _sse({"error": {"message": "no", "code": 529, "type": "overloaded"}}), 529),
        ("/v1/chat/completions", _sse({"error": {"message": "no", "code": "context_length_exceeded"}}), 502),
        ("/v1/chat/completions", _sse({"error": {"message": "no", "code": 200}}), 502),
        ("/v1/chat/completions", _sse({"object": "error", "message": "no", "code": 404}), 404),
        ("/v1/chat/completions", b'error: {"code":500,"message":"no"}\n\n', 500),
        ("/v1/chat/completions", _sse({"error": {"message": "no"}}, "error"), 502),
        ("/v1/completions", _sse({"error": {"message": "no", "code": 503}}), 503),
        (_RESPONSES, _sse(_RESPONSES_ERROR, "error"), 502),
        (_RESPONSES, _sse({**_RESPONSES_ERROR, "code": 400}, "error"), 400),
        (_RESPONSES, _sse({"type": "response.failed", "response": {"error": {"message": "no"}}}), 502),
        (_RESPONSES, _sse({"error": {"message": "no", "code": 401}}), 401),
        (_MESSAGES, _sse({"type": "error", "error": {"type": "overloaded_error", "message": "no"}}, "error"), 502),
        (_MESSAGES, _sse({"type": "error", "error": {"type": "x", "message": "no", "code": 413}}, "error"), 413),
    ],
)
async def test_an_error_as_the_first_event_becomes_a_status(path: str, first: bytes, status: int) -> None:
    """Its own code where that is a 4xx or 5xx, else 502; in the shape in which this API tells errors."""
    answer = await _answer(path, first)
    assert (answer.status, answer.complete) == (status, True)
    assert answer.headers["content-type"] == "application/json"
    assert answer.error["message"] == "no"
    # A flat error of Responses keeps its keys beside the object that is added to it.
    assert answer.json.get("type") == ("error" if b'"type": "error"' in first else None)
    # The upstream had the request.
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "first", "status"),
    [
        ("POST", "/chain/stream", _sse({"status_code": 500, "message": "no"}, "error"), 500),
        ("GET", "/v1/streams/x", b'event: error\nid: 1:0\ndata: {"detail":"no"}\n\n', 502),
        ("POST", "/agent", _sse({"type": "RUN_ERROR", "message": "no"}), 502),
        ("POST", "/chat", _sse({"error": "no"}, "error"), 502),
    ],
)
async def test_so_does_one_of_an_api_that_names_or_hides_it(method: str, path: str, first: bytes, status: int) -> None:
    """Of the frameworks and the guide's own wire, some of which nothing but the first event tells."""
    sent = b'{"input":{}}' if method == "POST" else b""
    async with proxied(_sends(first)) as proxy:
        async with calling(proxy.port, method, path, body=sent, headers={"Content-Type": "application/json"}) as call:
            answer = await call.answer()
        assert (answer.status, answer.error["message"]) == (status, "no")
        assert await proxy.outcome() == "upstream_error"


async def test_a_page_s_stream_opens_before_its_first_event() -> None:
    """An unknown GET may be silent by design: an ``EventSource`` waits for its head."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await upstream.go.wait()
        await body(send, b"data: x\n\n", more=False)

    async with proxied(handler) as proxy, calling(proxy.port) as call:
        assert await call.head() == 200
        proxy.upstream.go.set()
        assert await call.rest() == b"data: x\n\n"


async def test_the_upstreams_own_document_is_kept_where_it_has_the_right_shape() -> None:
    """Byte for byte, with what only the upstream knows."""
    document = b'{"error": {"message": "no", "code": 400, "n_ctx": 4096}}'
    answer = await _answer("/v1/chat/completions", b"data: " + document + b"\n\n")
    assert (answer.status, answer.body) == (400, document)


@pytest.mark.parametrize("path", ["/v1/chat/completions", _RESPONSES])
async def test_an_error_that_is_only_a_text_gets_the_right_shape(path: str) -> None:
    """Clients look into an ``error`` object."""
    answer = await _answer(path, b'data: {"error":"no"}\n\n')
    assert answer.error == {"message": "no", "type": "api_error", "param": None, "code": "upstream_error"}


async def test_an_error_event_without_a_document_gets_the_right_shape() -> None:
    """Its name alone says that it is one."""
    answer = await _answer(_MESSAGES, b"event: error\ndata: out of memory\n\n")
    assert (answer.status, answer.error["code"]) == (502, "upstream_error")


async def test_noise_before_the_error_changes_nothing() -> None:
    """Comments and empty events are not events."""
    answer = await _answer(
        "/v1/chat/completions", b": hello\n\ndata:\n\n", _sse({"error": {"message": "no", "code": 400}})
    )
    assert answer.status == 400


@pytest.mark.parametrize(
    "path, before, error, after",
    [
        ("/v1/chat/completions", chunk("x"), _sse({"error": {"message": "no", "code": 500}}), DONE),
        ("/v1/chat/completions", chunk("x"), _sse({"error": {"message": "no"}}) + DONE, b""),
        (_RESPONSES, _CREATED, _sse({**_RESPONSES_ERROR, "error": {"message": "no"}}, "error"), b""),
        (_MESSAGES, _STARTED, _sse({"type": "error", "error": {}}, "error"), b""),
    ],
)  # fmt: skip
async def test_an_error_in_the_middle_passes_as_it_is(path: str, before: bytes, error: bytes, after: bytes) -> None:
    """[DONE] is added where a client may wait for it; nothing of the error is changed."""
    answer = await _answer(path, before, error)
    assert (answer.status, answer.body, answer.complete) == (200, before + error + after, True)


async def test_an_error_in_the_middle_ends_a_stream_that_the_upstream_leaves_open() -> None:
    """After ``completion_grace_seconds``, as after any other last word."""
    error = _sse({"error": {"message": "no"}})

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("x") + error)
        await upstream.go.wait()

    async with proxied(handler, completion_grace_seconds=0.05) as proxy, chat(proxy.port) as call:
        assert await call.rest() == chunk("x") + error + DONE
        assert call.complete
        assert await proxy.outcome() == "upstream_error"


async def test_nothing_of_a_generic_stream_is_taken_for_an_error() -> None:
    """Its payloads mean nothing to us; its named ``error`` event belongs to its own clients."""
    stream = b'event: error\ndata: {"message":"no","code":400}\n\n'
    async with proxied(_sends(stream)) as proxy, calling(proxy.port) as call:
        answer = await call.answer()
        assert (answer.status, answer.body, answer.complete) == (200, stream, True)
        assert await proxy.outcome() == "completed"


async def test_clients_that_look_for_named_errors_get_one() -> None:
    """LangChain4j takes an unnamed error for a chunk; told by ``User-Agent``."""
    async with proxied(_sends(chunk("x"))) as proxy:
        async with chat(proxy.port, headers={"User-Agent": "langchain4j-openai"}) as call:
            stream = await call.rest()
        assert stream.count(b'data: {"error":{') == 2
        assert b"\n\nevent: error\ndata: {" in stream
        assert stream.endswith(DONE)
