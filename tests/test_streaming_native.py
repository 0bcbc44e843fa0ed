"""Clients of an API that writes no event stream, on the mock: its own framing to the byte, or events on request."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from sse_proxy.demo import create_mock

from .event_streams import reference_events
from .streaming import Proxy, proxying, served
from .wire import Answer, ask

TOKENS = 7
GEMINI = "/v1beta/models/mock:streamGenerateContent"
#: Path → what is asked, and the Content-Type of the answer.
APIS: dict[str, tuple[dict[str, Any], str]] = {
    "/api/chat": ({"model": "mock", "messages": []}, "application/x-ndjson"),
    "/api/generate": ({"model": "mock", "prompt": ""}, "application/x-ndjson"),
    GEMINI: ({"contents": []}, "application/json"),
    "/model/mock/converse-stream": ({"messages": []}, "application/vnd.amazon.eventstream"),
    "/model/mock/invoke-with-response-stream": ({"prompt": ""}, "application/vnd.amazon.eventstream"),
}
#: Ways to ask that do not name an event stream.
NATIVE = [{}, {"Accept": "*/*"}, {"Accept": "application/json, application/vnd.amazon.eventstream"}]


@dataclass
class Scene:
    """A proxy, and the mock behind it."""

    proxy: Proxy
    overheard: bytearray

    @property
    def written(self) -> bytes:
        """What the mock has written."""
        return bytes(self.overheard)

    async def ask(self, path: str, query: str = "", **headers: str) -> Answer:
        """The answer through the proxy."""
        content = json.dumps(APIS[path][0]).encode()
        target = f"{path}?tokens={TOKENS}&rate=0&{query}"
        sent = {"Content-Type": "application/json", **headers}
        return await ask(self.proxy.port, "POST", target, headers=sent, body=content)


@asynccontextmanager
async def scene(**settings: Any) -> AsyncIterator[Scene]:
    """Both, running."""
    mock, written = create_mock(), bytearray()

    async def overheard(scope: Scope, receive: Receive, send: Send) -> None:
        async def listening(message: Message) -> None:
            written.extend(message.get("body", b""))
            await send(message)

        await mock(scope, receive, listening)

    async with served(overheard) as port, proxying(f"http://127.0.0.1:{port}", **settings) as proxy:
        yield Scene(proxy, written)


def records(path: str, told: bytes) -> list[dict[str, Any]]:
    """The documents in a whole body, read by the framing of *path*'s API; message headers under their own names."""
    if path.startswith("/api/"):
        return [json.loads(line) for line in told.splitlines()]
    return json.loads(told) if path == GEMINI else list(_messages(told))


def _messages(told: bytes) -> Any:
    while told:
        total, head, checksum = struct.unpack(">III", told[:12])
        assert zlib.crc32(told[:8]) == checksum
        assert zlib.crc32(told[: total - 4]) == struct.unpack(">I", told[total - 4 : total])[0]
        fields, at = {}, 12
        while at < 12 + head:
            name = told[at + 1 : at + 1 + told[at]].decode()
            at += 2 + told[at]
            (size,) = struct.unpack(">H", told[at : at + 2])
            fields[name] = told[at + 2 : at + 2 + size].decode()
            at += 2 + size
        yield {**fields, **json.loads(told[at : total - 4])}
        told = told[total:]


@pytest.mark.parametrize("path", APIS)
@pytest.mark.parametrize("headers", NATIVE)
async def test_the_clients_of_an_api_keep_its_framing(path: str, headers: dict[str, str]) -> None:
    """Every byte as it came, verified at the end, and never buffered."""
    async with scene() as stage:
        told = await stage.ask(path, **headers)
        assert (told.status, told.body, told.complete) == (200, stage.written, True)
        assert told.headers["content-type"].startswith(APIS[path][1])
        assert told.headers["x-accel-buffering"] == "no"
        assert "content-length" not in told.headers
        assert await stage.proxy.outcome() == "completed"


@pytest.mark.parametrize("path", APIS)
@pytest.mark.parametrize(
    ("query", "outcome"),
    [
        ("truncate_after=4", "upstream_truncated"),
        ("die_after=4", "upstream_error"),
        ("error_after=4", "upstream_error"),
    ],
)
async def test_a_cut_is_told_in_the_framing_itself(path: str, query: str, outcome: str) -> None:
    """Behind whole records, as the API's own errors are; of what came before nothing is lost."""
    async with scene() as stage:
        told = await stage.ask(path, query)
        assert told.status == 200
        assert await stage.proxy.outcome() == outcome
        if query.startswith("error_after"):
            assert (told.body, told.complete) == (stage.written, True)
            return
        found = records(path, told.body)
        assert "error" in found[-1] or found[-1].get(":message-type") == "exception"
        assert found[:-1]
        assert told.body.startswith(stage.written.rstrip(b"\r\n, ]"))


@pytest.mark.parametrize("path", APIS)
async def test_a_torn_record_is_never_the_end(path: str) -> None:
    """An error follows where the framing lets one; else the connection breaks, which every client notices."""
    async with scene() as stage:
        told = await stage.ask(path, "die_mid_event=4")
        if path.startswith("/api/"):
            assert "error" in json.loads(told.body.splitlines()[-1])
        else:
            assert not told.complete
        assert await stage.proxy.outcome() == "upstream_error"


@pytest.mark.parametrize("path", APIS)
async def test_an_error_as_the_first_record_is_a_status(path: str) -> None:
    """Nothing had been sent, in whatever framing."""
    async with scene() as stage:
        told = await stage.ask(path, "error_first=true")
        assert 400 <= told.status < 600
        assert "error" in told.json
        assert await stage.proxy.outcome() == "upstream_error"


@pytest.mark.parametrize("path", APIS)
@pytest.mark.parametrize(("headers", "settings"), [({"Accept": "text/event-stream"}, {}), ({}, {"reframe": "always"})])
async def test_events_are_for_who_asks_for_them(path: str, headers: dict[str, str], settings: dict[str, str]) -> None:
    """With the header, or with ``reframe = "always"`` for everybody: one event a record."""
    async with scene(**settings) as stage:
        told = await stage.ask(path, **headers)
        assert told.headers["content-type"] == "text/event-stream; charset=utf-8"
        events = reference_events(told.body)
        found = records(path, stage.written)
        assert len(events) == len(found)
        if not path.startswith("/model/"):
            assert [json.loads(event.data) for event in events] == found
        assert await stage.proxy.outcome() == "completed"


@pytest.mark.parametrize("path", APIS)
async def test_never_leaves_them_alone(path: str) -> None:
    """Whoever asks: not even their endings are looked at."""
    async with scene(reframe="never") as stage:
        for query in ("", "truncate_after=4"):
            stage.overheard.clear()
            told = await stage.ask(path, query, Accept="text/event-stream")
            assert (told.body, told.complete) == (stage.written, True)
        await stage.proxy.idle()
        assert stage.proxy.outcomes() == {}


@pytest.mark.parametrize("path", APIS)
async def test_silence_is_filled_where_that_is_safe(path: str) -> None:
    """A space in front of a line is none of JSON's; the other two framings have nothing that says nothing."""
    settings = {"heartbeat_seconds": 0.02, "commit_after_seconds": 0.02}
    safe = path.startswith("/api/")
    async with scene(**settings) as stage:
        told = await stage.ask(path, "prefill=0.2&headers_then_wait=0.1")
        assert told.headers["content-type"].startswith(APIS[path][1])
        assert told.body.startswith(b"  ") is safe
        assert told.body.lstrip(b" ") == stage.written
        await stage.proxy.idle()
        assert (stage.proxy.value('heartbeats_total{mode="space"}') >= 2) is safe
