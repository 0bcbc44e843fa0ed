"""Verified endings: no cut stream is passed off as a whole one, and no whole one as cut, however the upstream ends."""

from __future__ import annotations

import asyncio

import pytest

from .streaming import DONE, chunk, proxying
from .upstream_peers import Talk, both_loops, peer
from .wire import Answer, ask, chat

_STOP = chunk("", finish="stop")
_CREATED = b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"r"}}\n\n'
_COMPLETED = (
    b'event: response.completed\ndata: {"type":"response.completed","sequence_number":1,"response":{"id":"r"}}\n\n'
)
_MESSAGE_START = b'event: message_start\ndata: {"type":"message_start","message":{}}\n\n'
_MESSAGE_DELTA = b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n'
_MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

# How an upstream says that it has come to the end of the body, or breaks off.
_CLEAN = "clean"
_BREAKS = ("close", "reset", "half a chunk", "short")


def _sent(stream: bytes, ending: str) -> bytes:
    if ending == "short":
        return _HEAD + b"Content-Length: %d\r\n\r\n" % (len(stream) + 100) + stream
    framed = b"%x\r\n%b\r\n" % (len(stream), stream) if stream else b""
    if ending == "half a chunk":
        framed += b"64\r\nda"
    last = b"0\r\n\r\n" if ending == _CLEAN else b""
    return _HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + framed + last


async def _through(stream: bytes, ending: str, path: str = "/v1/chat/completions") -> tuple[Answer, str]:
    """What a client gets of *stream* that ends so, and the outcome."""
    passed = asyncio.Event()

    async def talk(client: Talk) -> None:
        await client.head()
        await client.say(_sent(stream, ending))
        if ending == "reset":
            await passed.wait()  # a reset overtakes what was not read yet
            client.reset()

    async with peer(talk) as upstream, proxying(upstream.url) as proxy:
        async with chat(proxy.port, path, headers={"Accept": "text/event-stream"}) as call:
            body = b""
            if ending == "reset" and stream:
                body = await call.until(b"\n\n")
            passed.set()
            rest = await call.answer()
        answer = Answer(rest.status, rest.headers, body + rest.body, rest.complete)
        return answer, await proxy.outcome()


_ERROR_STARTS = {
    "/v1/chat/completions": b'data: {"error":{"message":"',
    "/v1/completions": b'data: {"error":{"message":"',
    "/v1/responses": b'event: error\ndata: {"type":"error",',
    "/v1/messages": b'event: error\ndata: {"type":"error","error":{',
    "/sse": b'event: error\ndata: {"error":{"message":"',
}


@pytest.mark.parametrize("ending", [_CLEAN, *_BREAKS])
@pytest.mark.parametrize(
    "path, stream",
    [
        ("/v1/chat/completions", chunk("x")),
        ("/v1/completions", b'data: {"choices":[{"index":0,"text":"x","finish_reason":null}]}\n\n'),
        ("/v1/responses", _CREATED),
        ("/v1/messages", _MESSAGE_START),
    ],
)
async def test_a_stream_without_its_terminal_signal_ends_with_an_error(path: str, stream: bytes, ending: str) -> None:
    """Whether the connection ended well or not; the response itself ends well, so that the error is read."""
    answer, outcome = await _through(stream, ending, path)
    assert (answer.status, answer.complete) == (200, True)
    assert answer.body.startswith(stream + _ERROR_STARTS[path])
    assert answer.body.endswith(DONE) == path.endswith("completions")
    if path == "/v1/responses":
        assert b'event: response.failed\ndata: {"type":"response.failed","sequence_number":2,' in answer.body
    assert outcome == ("upstream_truncated" if ending == _CLEAN else "upstream_error")


@both_loops
async def test_an_event_that_was_cut_in_the_middle_is_not_passed_on() -> None:
    """By a reset: the client gets the whole events before it, and the error."""
    first, second = chunk("x"), chunk("y")
    answer, outcome = await _through(first + second[:-20], "reset")
    assert answer.body.startswith(first + _ERROR_STARTS["/v1/chat/completions"])
    assert answer.body.endswith(DONE)
    assert outcome == "upstream_error"


async def test_half_an_event_at_a_clean_end_is_not_passed_on_either() -> None:
    """It is no JSON document, so it is no event that lacks its blank line."""
    answer, outcome = await _through(chunk("x") + chunk("y")[:-20], _CLEAN)
    assert answer.body.startswith(chunk("x") + _ERROR_STARTS["/v1/chat/completions"])
    assert outcome == "upstream_truncated"


async def test_a_last_event_without_its_blank_line_is_passed_on() -> None:
    """A clean end of a whole answer."""
    answer, outcome = await _through(chunk("x") + _STOP + b"data: [DONE]", _CLEAN)
    assert (answer.body, outcome) == (chunk("x") + _STOP + DONE, "completed")


@pytest.mark.parametrize("ending", [_CLEAN, *_BREAKS])
@pytest.mark.parametrize(
    "path, stream, added",
    [
        ("/v1/chat/completions", chunk("x") + _STOP, DONE),
        ("/v1/chat/completions", chunk("x") + _STOP + DONE, b""),
        ("/v1/chat/completions", chunk("x") + DONE, b""),
        ("/v1/responses", _CREATED + _COMPLETED, b""),
        ("/v1/messages", _MESSAGE_START + _MESSAGE_DELTA + _MESSAGE_STOP, b""),
        ("/v1/messages", _MESSAGE_START + _MESSAGE_DELTA, _MESSAGE_STOP),
    ],
)
async def test_a_stream_with_its_terminal_signal_is_complete(
    path: str, stream: bytes, added: bytes, ending: str
) -> None:
    """Whatever becomes of the connection behind it; a terminator that is missing is added."""
    answer, outcome = await _through(stream, ending, path)
    assert (answer.status, answer.body, answer.complete, outcome) == (200, stream + added, True, "completed")


@pytest.mark.parametrize("ending", [_CLEAN, *_BREAKS])
@pytest.mark.parametrize("half", [b'data: {"choices":[],"usage":', b'data: {"choices":[],"usage":\n\n'])
async def test_what_is_cut_behind_the_finish_signal_is_told_of(half: bytes, ending: str) -> None:
    """A usage, mostly: it is lost, though the text is not. The error is told once, and the response ends well."""
    stream = chunk("x") + _STOP
    answer, _ = await _through(stream + half, ending)
    assert (answer.status, answer.complete) == (200, True)
    assert answer.body.startswith(stream + _ERROR_STARTS["/v1/chat/completions"])
    assert answer.body.endswith(DONE)
    assert answer.body.count(b'"error"') == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_that_only_the_connections_end_ends_is_verified_as_any_other(version: bytes) -> None:
    """Its framing cannot tell a cut; the terminal signal can. Of a generic stream the end is the end."""
    head = b"HTTP/" + version + b" 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    cases = [
        ("/v1/chat/completions", chunk("x") + _STOP, "completed"),
        ("/v1/chat/completions", chunk("x"), "upstream_truncated"),
        ("/sse", b"data: x\n\n", "completed"),
    ]
    for path, stream, outcome in cases:

        async def talk(client: Talk, stream: bytes = stream) -> None:
            await client.head()
            await client.say(head + stream)

        async with peer(talk) as upstream, proxying(upstream.url) as proxy:
            async with chat(proxy.port, path) as call:
                assert (await call.rest()).startswith(stream)
                assert call.complete
            assert await proxy.outcome() == outcome


async def test_every_choice_must_be_finished() -> None:
    """One of two answers that run side by side is not the whole."""

    def choice(index: int, finish: str) -> bytes:
        return b'data: {"choices":[{"index":%d,"delta":{},"finish_reason":%b}]}\n\n' % (index, finish.encode())

    async def talk(client: Talk) -> None:
        await client.head()
        await client.say(_sent(choice(0, '"stop"') + choice(1, "null"), _CLEAN))

    async with peer(talk) as upstream, proxying(upstream.url) as proxy, chat(proxy.port, n=2) as call:
        assert b'"code":"upstream_truncated"' in await call.rest()
        assert await proxy.outcome() == "upstream_truncated"


@pytest.mark.parametrize("ending", [_CLEAN, *_BREAKS])
@both_loops
async def test_a_generic_stream_is_complete_at_its_clean_end_only(ending: str) -> None:
    """A cut one gets an ``error`` event, which the client can read, and a broken end for those who do not look."""
    stream = b"data: x\n\n"
    answer, outcome = await _through(stream, ending, "/sse")
    if ending == _CLEAN:
        assert (answer.body, answer.complete, outcome) == (stream, True, "completed")
    else:
        assert answer.body.startswith(stream + _ERROR_STARTS["/sse"])
        assert answer.body.endswith(b"}}\n\n")
        assert (answer.complete, outcome) == (False, "upstream_error")


@both_loops
async def test_the_error_event_of_a_cut_generic_stream_reaches_a_client_that_is_behind() -> None:
    """The connection is closed behind what was sent: a reset would take unread bytes with it."""
    stream = b"data: " + b"x" * 400_000 + b"\n\n"

    async def talk(client: Talk) -> None:
        await client.head()
        await client.say(_sent(stream, "close"))

    async with peer(talk) as upstream, proxying(upstream.url) as proxy:
        async with chat(proxy.port, "/sse", receive_buffer_bytes=4096) as call:
            await call.head()
            assert (await call.rest()).startswith(stream + _ERROR_STARTS["/sse"])
            assert call.complete is False
        assert await proxy.outcome() == "upstream_error"


@pytest.mark.parametrize("ending", ["close", "reset", "half a chunk", "short"])
@both_loops
async def test_an_ordinary_answer_that_was_cut_is_cut_for_the_client_too(ending: str) -> None:
    """It gets every byte that came, and a framing that does not end."""

    async def talk(client: Talk) -> None:
        await client.head()
        await client.say(_sent(b"some bytes", ending).replace(b"text/event-stream", b"application/octet-stream"))
        if ending == "reset":
            await asyncio.sleep(0.1)  # a reset overtakes what was not read yet
            client.reset()

    async with peer(talk) as upstream, proxying(upstream.url) as proxy:
        answer = await ask(proxy.port)
        expected = b"some bytes" + (b"da" if ending == "half a chunk" else b"")
        assert (answer.status, answer.body, answer.complete) == (200, expected, False)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
async def test_an_empty_stream_is_a_502(path: str) -> None:
    """Nothing has been sent, so a status can tell."""
    for ending in (_CLEAN, "close", "short"):
        answer, outcome = await _through(b"", ending, path)
        assert answer.status == 502
        assert answer.headers["x-should-retry"] == "false"
        assert outcome == ("upstream_truncated" if ending == _CLEAN else "upstream_error")


async def test_reframe_never_verifies_the_end_all_the_same() -> None:
    """Bytes stay as they are, defects included; a cut stream gets its error."""
    untidy = b":hello\r\ndata:" + chunk("x")[6:].replace(b"\n", b"\r\n") + b"\n\n\n"
    for stream, whole in ((untidy + _STOP + DONE, True), (untidy + _STOP, True), (untidy, False), (untidy[:40], False)):

        async def talk(client: Talk, stream: bytes = stream) -> None:
            await client.head()
            await client.say(_sent(stream, _CLEAN))

        async with peer(talk) as upstream, proxying(upstream.url, reframe="never") as proxy:
            async with chat(proxy.port) as call:
                body = await call.rest()
            assert body.startswith(stream)
            assert (b'{"error":' in body) != whole
            assert await proxy.outcome() == ("completed" if whole else "upstream_truncated")
            assert not [name for name in proxy.samples() if name.startswith("repairs_total")]
