"""A real Chromium whose line is lost in the middle of an answer: its `EventSource` comes back to the rest by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import Receive, Scope, Send

from .browser import Visit, browsing
from .streaming import DONE, Upstream, body, chunk, proxied, start

PAGE = b"""\
<!doctype html>
<link rel="icon" href="data:,">
<script>
  window.ask = () => new Promise((resolve) => {
    const source = new EventSource("/chat/stream?prompt=Hi");
    const seen = { text: "", opened: 0 };
    source.onopen = () => seen.opened++;
    source.onmessage = (event) => (seen.text += JSON.parse(event.data).token);
    source.addEventListener("done", () => { source.close(); resolve(seen); });
    source.addEventListener("error", (event) => event.data && resolve({ ...seen, error: event.data }));
  });
</script>
"""
WORDS = [f"word{n} " for n in range(200)]


async def answers(_upstream: Upstream, scope: Scope, _receive: Receive, send: Send) -> None:
    """The page, or an answer that takes its time."""
    if scope["method"] == "GET":
        await start(send, "text/html")
        await body(send, PAGE, more=False)
        return
    await start(send)
    for word in WORDS:
        await body(send, chunk(word))
        await asyncio.sleep(0.002)
    await body(send, chunk("", finish="stop") + DONE, more=False)


@asynccontextmanager
async def a_bad_line(port: int, *, after: int) -> AsyncIterator[tuple[int, list[int]]]:
    """A way to *port* on which the first connection is lost that has carried so many bytes, an event stream's at last.

    The port of that way, and how many bytes were carried by then.
    """
    lost: list[int] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        up = asyncio.create_task(_pump(reader, there_writer))
        carried, streams = 0, False
        try:
            while data := await there_reader.read(1024):
                streams = streams or b"text/event-stream" in data
                writer.write(data)
                carried += len(data)
                if streams and carried > after and not lost:
                    lost.append(carried)
                    break
        finally:
            up.cancel()
            writer.transport.abort()
            there_writer.transport.abort()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], lost


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)


async def test_an_eventsource_whose_line_is_lost_shows_the_whole_answer() -> None:
    """Word for word, and the upstream has been asked once; nothing on the page knows of it."""
    bridge = {"bridge": "/chat/stream=/v1/chat/completions", "bridge_model": "m"}
    async with browsing() as browser, proxied(answers, resume="memory", **bridge) as proxy:
        async with a_bad_line(proxy.port, after=4000) as (port, lost):
            [seen] = await browser.visit(Visit(f"http://127.0.0.1:{port}/", "ask"))
        assert seen == {"text": "".join(WORDS), "opened": 2}
        assert len(lost) == 1
        assert [request["method"] for request in proxy.upstream.requests] == ["GET", "POST"]
        assert proxy.outcomes() == {"completed": 1}
