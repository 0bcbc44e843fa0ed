"""`streaming.unclear`: what is held of a body while it does not tell what it is."""

from __future__ import annotations

import asyncio
import zlib

import pytest
from starlette.types import Receive, Scope, Send

from .streaming import DONE, Upstream, body, chunk, proxied, start, until
from .wire import chat

#: A stored block without content (RFC 1951 § 3.2.4): it says nothing, and may come again and again.
EMPTY_BLOCK = b"\x00\x00\x00\xff\xff"
GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"
STREAM = chunk("a") + chunk("", finish="stop") + DONE


async def _says_nothing(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """A gzip member without content and without end."""
    await start(send, content_encoding="gzip")
    await body(send, GZIP_HEAD)
    while True:
        await body(send, EMPTY_BLOCK * 3000)
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "settings, message",
    [
        pytest.param({"max_event_bytes": 200_000}, "over the size limit", id="event"),
        pytest.param({"max_buffer_bytes": 200_000}, "no room", id="buffers"),
    ],
)
async def test_a_body_that_does_not_tell_its_kind_is_given_up(settings: dict[str, int], message: str) -> None:
    """A coding can say nothing at any length; what is kept of it meanwhile counts as what is held."""
    async with proxied(_says_nothing, **settings) as proxy:
        async with chat(proxy.port) as call:
            answer = await call.answer()
        assert message in answer.error["message"]
        assert answer.error["code"] == "too_large"
        await proxy.idle()
        assert proxy.outcomes() == {"too_large": 1}


async def test_a_body_whose_kind_is_told_late_is_whole() -> None:
    """What was held until then is on its way, and is not counted twice."""
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    nothing = EMPTY_BLOCK * 20_000
    head, packed = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH), packer.compress(STREAM)

    async def late(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, content_encoding="gzip")
        await body(send, head + nothing)
        await upstream.go.wait()
        await body(send, packed + packer.flush(), more=False)

    async with proxied(late) as proxy, chat(proxy.port) as call:
        await until(lambda: proxy.lifecycle.ledger.bytes >= len(nothing))
        proxy.upstream.go.set()
        assert await call.rest() == STREAM
        await until(lambda: not proxy.lifecycle.ledger.bytes)
        await proxy.idle()
        assert proxy.outcomes() == {"completed": 1}
