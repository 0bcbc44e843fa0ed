"""Bodies that are no SSE, through the whole proxy: their own framing for their own clients, events for all others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from .event_streams import reference_events
from .streaming import DONE, Handler, Upstream, body, chunk, event, proxied, start, until
from .wire import Answer, calling

SSE = {"Accept": "text/event-stream"}
OLLAMA = {"model": "m", "messages": []}
LINES = [
    b'{"message":{"role":"assistant","content":"Hel"},"done":false}\n',
    b'{"message":{"role":"assistant","content":"lo"},"done":false}\n',
    b'{"message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}\n',
]
NDJSON = "application/x-ndjson"


def _sends(content_type: str, *pieces: bytes, dies: bool = False, waits: bool = False, **headers: str) -> Handler:
    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        if waits:
            await upstream.go.wait()
        await start(send, content_type, 200, **headers)
        for piece in pieces:
            await body(send, piece)
        if not dies:
            await body(send, b"", more=False)

    return handler


async def _asked(handler: Handler, path: str, document: object = None, **options: object) -> tuple[Answer, str]:
    """The answer to a POST of *document*, or a GET without one, and the outcome (empty for an ordinary response)."""
    headers, settings = options.pop("headers", {}), options
    async with proxied(handler, **settings) as proxy:
        content = b"" if document is None else json.dumps(document).encode()
        sent = {**({"Content-Type": "application/json"} if content else {}), **headers}  # type: ignore[dict-item]
        async with calling(proxy.port, "POST" if content else "GET", path, headers=sent, body=content) as call:
            answer = await call.answer()
        await proxy.idle()
        return answer, next(iter(proxy.outcomes()), "")


async def test_an_ollama_client_keeps_its_lines() -> None:
    """Byte for byte, verified at the end, never buffered."""
    answer, outcome = await _asked(_sends(NDJSON, *LINES), "/api/chat", OLLAMA)
    assert (answer.status, answer.body, answer.complete, outcome) == (200, b"".join(LINES), True, "completed")
    assert answer.headers["content-type"] == NDJSON
    assert answer.headers["x-accel-buffering"] == "no"


@pytest.mark.parametrize(("length", "expected"), [({}, "no"), ({"content_length": "24"}, None)])
async def test_lines_that_were_asked_for_are_not_buffered_though_no_header_tells_them(
    length: dict[str, Any], expected: str | None
) -> None:
    """The demo of vLLM says nothing of what it sends; what comes as a whole is no stream."""
    lines = (b'{"text":["a"]}\n', b'{"a" : 1}')
    answer, _ = await _asked(_sends("", *lines, **length), "/generate", {"prompt": "p", "stream": True})
    assert (answer.body, answer.headers.get("x-accel-buffering")) == (b"".join(lines), expected)


async def test_an_ollama_client_s_lines_are_mended() -> None:
    """Its clients fail on an empty line, on a BOM, and on whatever else Unicode takes for the end of a line."""
    odd = [b"\xef\xbb\xbf", LINES[0].replace(b"Hel", "He\u2028".encode()), b"\r\n\n", *LINES[1:]]
    answer, outcome = await _asked(_sends(NDJSON, *odd), "/api/chat", OLLAMA)
    mended = [LINES[0].replace(b"Hel", rb"He\u2028"), *LINES[1:]]
    assert (answer.body, answer.complete, outcome) == (b"".join(mended), True, "completed")


async def test_an_ollama_client_is_told_of_a_torn_line() -> None:
    """A record that begins within another one is lost, and so is that: the client hears of it."""
    torn = [LINES[0], LINES[1][:20] + b'data: {"message":{"role":"assistant","content":"x"},"done":false}\n', LINES[2]]
    answer, outcome = await _asked(_sends(NDJSON, *torn), "/api/chat", OLLAMA)
    first, error = answer.body.splitlines()
    assert LINES[0][:-1] == first
    assert "cut an event" in json.loads(error)["error"]
    assert outcome == "upstream_error"


async def test_an_ollama_client_is_told_of_a_cut() -> None:
    """The API's own error line, after whatever was left of the last one."""
    for dies in (False, True):
        answer, outcome = await _asked(_sends(NDJSON, LINES[0], LINES[1][:20], dies=dies), "/api/chat", OLLAMA)
        lines = answer.body.split(b"\n")
        assert LINES[0][:-1] == lines[0]
        assert "error" in json.loads(lines[-2])
        assert outcome == ("upstream_error" if dies else "upstream_truncated")


async def test_an_ollama_client_waits_with_spaces() -> None:
    """Begun as NDJSON before the upstream has said anything; white space in front of a line is none of JSON's."""
    settings = {"commit_after_seconds": 0.02, "heartbeat_seconds": 0.02}
    async with proxied(_sends(NDJSON, *LINES, waits=True), **settings) as proxy:
        sent = {"Content-Type": "application/json"}
        async with calling(proxy.port, "POST", "/api/chat", headers=sent, body=json.dumps(OLLAMA).encode()) as call:
            assert await call.head() == 200
            assert call.headers["content-type"] == NDJSON
            assert await call.until(b"  ") == b"  "
            proxy.upstream.go.set()
            lines = (await call.rest()).splitlines()
            assert [json.loads(line) for line in lines] == [json.loads(line) for line in LINES]
            assert call.complete
        assert await proxy.outcome() == "completed"


async def test_an_error_as_the_first_line_is_a_status() -> None:
    """Nothing had been sent."""
    answer, outcome = await _asked(_sends(NDJSON, b'{"error":"no such', b' model"}\n'), "/api/chat", OLLAMA)
    assert (answer.status, outcome) == (502, "upstream_error")
    assert b"no such model" in answer.body


@pytest.mark.parametrize(
    ("path", "pieces"),
    [
        ("/api/chat", [b'{"error":"no such', b' model"}\n']),
        ("/v1beta/models/m:streamGenerateContent", [b"[", b'{"error":{"code":404,"message":"no such model"}}]']),
    ],
)
async def test_nothing_is_sent_of_a_record_that_may_still_be_an_error(path: str, pieces: list[bytes]) -> None:
    """However long its rest is in coming."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "application/json")
        await body(send, pieces[0])
        await upstream.go.wait()
        await body(send, pieces[1], more=False)

    sent = {"Content-Type": "application/json"}
    async with (
        proxied(handler) as proxy,
        calling(proxy.port, "POST", path, headers=sent, body=json.dumps(OLLAMA).encode()) as call,
    ):
        await until(lambda: [told.describe()["bytes_in"] for told in proxy.lifecycle.streams] == [len(pieces[0])])
        proxy.upstream.go.set()
        answer = await call.answer()
        assert answer.status == (404 if path.startswith("/v1beta") else 502)
        assert b"no such model" in answer.body


async def test_what_a_cut_has_left_whole_is_told_before_the_error() -> None:
    """A last event without its blank line included."""
    stream = chunk("Hel") + chunk("lo")[:-1]
    answer, outcome = await _asked(_sends("text/event-stream", stream), "/v1/chat/completions", {"stream": True})
    assert answer.body.startswith(chunk("Hel") + chunk("lo") + b'data: {"error":{')
    assert outcome == "upstream_truncated"


async def test_who_asks_for_events_gets_events() -> None:
    """Each line is the data of one."""
    answer, outcome = await _asked(_sends(NDJSON, *LINES), "/api/chat", OLLAMA, headers=SSE)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert [event.data for event in reference_events(answer.body)] == [line.decode().strip() for line in LINES]
    assert outcome == "completed"


@pytest.mark.parametrize(
    ("content_type", "pieces", "data"),
    [
        (NDJSON, [b'{"a":1}\n{"a"', b":2}\n"], ['{"a":1}', '{"a":2}']),
        ("application/json", [b'[{"a":1}', b',\n{"a":2}\n]'], ['{"a":1}', '{"a":2}']),
        ("application/json", [b'{\n "a": 1\n}\n'], ['{ "a": 1}']),
        ("", [b'{"a":1}\0{"a":2}\0'], ['{"a":1}', '{"a":2}']),
        ("text/plain", ["Hé".encode()[:2], "Hé".encode()[2:], b" you"], None),
        ("text/event-stream", [b'{"a":1}\n', b'{"a":2}\n'], ['{"a":1}', '{"a":2}']),
        ("text/event-stream", [b"Hello you\n"], None),
    ],
)
async def test_any_records_become_events_for_an_event_source(
    content_type: str, pieces: list[bytes], data: list[str] | None
) -> None:
    """Who can read nothing else; text comes in whatever pieces it came."""
    answer, outcome = await _asked(_sends(content_type, *pieces), "/any", headers=SSE)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    found = [event.data for event in reference_events(answer.body)]
    assert (found if data is not None else "".join(found)) == (data or b"".join(pieces).decode())
    assert outcome == "completed"


@pytest.mark.parametrize("accept", ["*/*", "application/json, text/event-stream"])
async def test_others_get_it_as_it_came(accept: str) -> None:
    """Who takes JSON, or does not say, gets JSON."""
    answer, _ = await _asked(_sends("application/json", b'{"a" : 1}'), "/any", headers={"Accept": accept})
    assert (answer.body, answer.headers["content-type"]) == (b'{"a" : 1}', "application/json")


async def test_always_makes_every_stream_events() -> None:
    """Whoever asks."""
    answer, outcome = await _asked(_sends(NDJSON, b'{"a":1}\n'), "/any", reframe="always")
    assert (answer.body, outcome) == (b'data: {"a":1}\n\n', "completed")


@pytest.mark.parametrize("rest", [b"data: [DONE]\n\n", b"[DONE]", b"<html>", b""])
async def test_what_comes_behind_a_whole_answer_takes_nothing_of_it(rest: bytes) -> None:
    """Even where all of it is one read."""
    lines = b"".join(piece.removeprefix(b"data: ")[:-1] for piece in (chunk("Hi"), chunk("", finish="stop")))
    answer, outcome = await _asked(_sends("text/event-stream", lines + rest), "/v1/chat/completions", {"stream": True})
    assert (answer.body, outcome) == (chunk("Hi") + chunk("", finish="stop") + DONE, "completed")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("sent", "told"),
    [(b'{"a":1}\n{"a":2}\n', b'data: {"a":1}\n\ndata: {"a":2}\n\n'), (b"Hello", b"data: Hello\n\n")],
)
async def test_a_server_that_promises_events_gives_events(method: str, sent: bytes, told: bytes) -> None:
    """Though it forgets their fields, and nobody has asked for any; counted."""
    async with proxied(_sends("text/event-stream", sent)) as proxy:
        async with calling(proxy.port, method, "/any", body=b"{}" if method == "POST" else b"") as call:
            answer = await call.answer()
        assert (answer.body, answer.headers["content-type"]) == (told, "text/event-stream; charset=utf-8")
        assert await proxy.outcome() == "completed"
        assert proxy.value('repairs_total{kind="missing_fields"}') == 1


async def test_a_page_in_place_of_promised_events_is_an_error() -> None:
    """Nobody can read HTML as events."""
    answer, outcome = await _asked(_sends("text/event-stream", b"<html>"), "/any", {"a": 1})
    assert (answer.status, outcome) == (502, "upstream_error")


async def test_a_document_that_was_asked_for_is_one_whatever_it_is_called() -> None:
    """No stream was."""
    answer, _ = await _asked(_sends("text/event-stream", b'{"a" : 1}'), "/v1/chat/completions", {"stream": False})
    assert answer.body == b'{"a" : 1}'


async def test_a_cut_record_is_never_the_end() -> None:
    """Half a document is told as what it is."""
    answer, outcome = await _asked(_sends(NDJSON, b'{"a":1}\n{"a":'), "/any", headers=SSE)
    assert answer.body.startswith(b'data: {"a":1}\n\nevent: error\ndata: {"error":{')
    assert (answer.complete, outcome) == (False, "upstream_truncated")


async def test_a_stream_without_its_prefixes_is_one_to_an_sdk() -> None:
    """Lines of JSON where an OpenAI stream was asked for."""
    lines = [piece.removeprefix(b"data: ")[:-1] for piece in (chunk("Hi"), chunk("", finish="stop"))]
    for content_type in ("text/event-stream", "application/json", NDJSON, ""):
        answer, outcome = await _asked(_sends(content_type, *lines), "/v1/chat/completions", {"stream": True})
        assert answer.body == chunk("Hi") + chunk("", finish="stop") + DONE
        assert outcome == "completed"


async def test_a_document_alone_is_told_as_soon_as_it_is_not() -> None:
    """A first one may be no event of the API at all; behind the second there is no doubt."""
    first, second, end = (
        piece.removeprefix(b"data: ")[:-2] for piece in (chunk("Hi"), chunk(" you"), chunk("", finish="stop"))
    )

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "application/json")
        await body(send, first + b"\n")
        await upstream.go.wait()
        await body(send, second + b"\n")
        await event(upstream.left)

    sent = {"Content-Type": "application/json"}
    asked = {"headers": sent, "body": b'{"stream":true}'}
    async with (
        proxied(handler, commit_after_seconds=0.02) as proxy,
        calling(proxy.port, "POST", "/v1/chat/completions", **asked) as call,  # type: ignore[arg-type]
    ):
        assert await call.until(b"\n") == b": ping\n"
        proxy.upstream.go.set()
        assert await call.until(chunk(" you")) == chunk("Hi") + chunk(" you")
        call.leave()
    answer, outcome = await _asked(_sends("application/json", end), "/v1/chat/completions", {"stream": True})
    assert (answer.body, outcome) == (chunk("", finish="stop") + DONE, "completed")
    answer, outcome = await _asked(_sends("application/json", first), "/v1/chat/completions", {"stream": True})
    assert (answer.status, outcome) == (502, "upstream_error")


async def test_a_whole_answer_is_a_stream_to_an_sdk() -> None:
    """One document where chunks were asked for."""
    document = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    handler = _sends("application/json", json.dumps(document, indent=1).encode())
    answer, outcome = await _asked(handler, "/v1/chat/completions", {"stream": True})
    events = [event.data for event in reference_events(answer.body)]
    assert events[-1] == "[DONE]"
    deltas = [choice["delta"] for data in events[:-1] for choice in json.loads(data)["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "Hello"
    assert outcome == "completed"
