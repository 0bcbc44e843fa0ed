"""The examples of docs/resume.md in a real Chromium whose line is lost in the middle of an answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from .browser import Visit, browsing
from .streaming import DONE, Upstream, body, chunk, proxied, start

EXAMPLES = Path(__file__).parent.parent / "examples" / "resume"
DOCUMENT = Path(__file__).parent.parent / "docs" / "resume.md"
PAGE = b"""\
<!doctype html>
<link rel="icon" href="data:,">
<script>
  window.ask = async (example) => {
    const { streamChat } = await import(`/${example}.js`);
    const seen = { text: "", error: null };
    await streamChat("Hi", (token) => (seen.text += token)).catch((error) => (seen.error = error.message));
    return seen;
  };
  window.askInATunnel = async (example) => {
    const { streamChat } = await import(`/${example}.js`);
    const seen = { text: "", error: null, tunnels: 0 };
    await streamChat("Hi", (token) => {
      seen.text += token;
      if (seen.tunnels === 0 && seen.text.length > 50) {
        seen.tunnels += 1;
        window.setOffline(true).then(() => setTimeout(() => window.setOffline(false), 4000));
      }
    }).catch((error) => (seen.error = error.message));
    return seen;
  };
</script>
"""
WORDS = [f"word{n} " for n in range(200)]


async def answers(_upstream: Upstream, scope: Scope, _receive: Receive, send: Send) -> None:
    """The page and its scripts, or an answer that takes its time."""
    if scope["method"] == "GET":
        script = EXAMPLES / scope["path"].removeprefix("/")
        await start(send, "text/javascript" if script.is_file() else "text/html")
        await body(send, script.read_bytes() if script.is_file() else PAGE, more=False)
        return
    await start(send)
    for word in WORDS:
        await body(send, chunk(word))
        await asyncio.sleep(0.002)
    await body(send, chunk("", finish="stop") + DONE, more=False)


@asynccontextmanager
async def a_bad_line(port: int, *, after: int, refusals: int = 0) -> AsyncIterator[tuple[int, list[int]]]:
    """A way to *port* on which the first connection is lost that has carried so many bytes of an event stream.

    So many *refusals* follow, as a load balancer has them for whom it knows no server. The port of that way, and how
    many bytes were carried by then; behind that, a 0 for each refusal.
    """
    lost: list[int] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if lost and len(lost) <= refusals:
            lost.append(0)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            writer.close()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
        up = asyncio.create_task(_pump(reader, there_writer))
        carried = 0
        try:
            while data := await there_reader.read(1024):
                writer.write(data)
                if carried or b"text/event-stream; charset" in data:
                    carried += len(data)
                if carried > after and not lost:
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


@pytest.mark.parametrize("example", ["eventSource", "fetchStream"])
async def test_a_page_whose_line_is_lost_shows_the_whole_answer(example: str) -> None:
    """Word for word, and the upstream has been asked once."""
    bridge = {"bridge": "/chat/stream=/v1/chat/completions", "bridge_model": "m"}
    async with browsing() as browser, proxied(answers, resume="memory", **bridge) as proxy:
        async with a_bad_line(proxy.port, after=4000) as (port, lost):
            [seen] = await browser.visit(Visit(f"http://127.0.0.1:{port}/", "ask", example))
        assert seen == {"text": "".join(WORDS), "error": None}
        assert len(lost) == 1
        assert [request["method"] for request in proxy.upstream.requests].count("POST") == 1
        assert proxy.outcomes() == {"completed": 1}


@pytest.mark.parametrize("example", ["eventSource", "fetchStream"])
async def test_a_page_that_is_refused_for_a_while_shows_the_whole_answer(example: str) -> None:
    """An EventSource gives up for good at the first 503, so the page opens another one, with the last id."""
    bridge = {"bridge": "/chat/stream=/v1/chat/completions", "bridge_model": "m"}
    async with browsing() as browser, proxied(answers, resume="memory", **bridge) as proxy:
        async with a_bad_line(proxy.port, after=4000, refusals=2) as (port, lost):
            [seen] = await browser.visit(Visit(f"http://127.0.0.1:{port}/", "ask", example))
        assert seen == {"text": "".join(WORDS), "error": None}
        assert len(lost) == 3
        assert [request["method"] for request in proxy.upstream.requests].count("POST") == 1


@pytest.mark.parametrize("example", ["eventSource", "fetchStream"])
async def test_a_page_that_was_offline_for_a_while_shows_the_whole_answer(example: str) -> None:
    """The browser has no network (DevTools protocol), so its first tries to come back fail; its line is lost besides.

    Chromium does not cut what it is reading when its network is taken away; only what it begins then fails.
    """
    bridge = {"bridge": "/chat/stream=/v1/chat/completions", "bridge_model": "m"}
    async with browsing() as browser, proxied(answers, resume="memory", **bridge) as proxy:
        async with a_bad_line(proxy.port, after=12_000) as (port, lost):
            [seen] = await browser.visit(Visit(f"http://127.0.0.1:{port}/", "askInATunnel", example))
        assert seen == {"text": "".join(WORDS), "error": None, "tunnels": 1}
        assert len(lost) == 1
        assert [request["method"] for request in proxy.upstream.requests].count("POST") == 1
        assert proxy.value('resumes_total{result="replayed"}') >= 1
        assert proxy.outcomes() == {"completed": 1}


@pytest.mark.parametrize(
    ("example", "error"),
    [("eventSource", "the rest of the answer is not there any more"), ("fetchStream", "status 204")],
)
async def test_a_page_whose_answer_is_not_kept_is_told_so(example: str, error: str) -> None:
    """It stops, and nothing is generated twice."""
    bridge = {"bridge": "/chat/stream=/v1/chat/completions", "bridge_model": "m"}
    async with browsing() as browser, proxied(answers, **bridge) as proxy:
        async with a_bad_line(proxy.port, after=4000) as (port, _lost):
            [seen] = await browser.visit(Visit(f"http://127.0.0.1:{port}/", "ask", example))
        assert seen["error"] == error
        assert "".join(WORDS).startswith(seen["text"])
        assert [request["method"] for request in proxy.upstream.requests].count("POST") == 1


def test_the_guide_shows_the_examples_that_run() -> None:
    """Each in full, and the reader in 40 lines."""
    shown = re.findall(r"```js\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert shown == [(EXAMPLES / name).read_text() for name in ("eventSource.js", "fetchStream.js")]
    assert len(shown[1].splitlines()) <= 40
