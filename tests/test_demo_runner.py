"""`demo.runner` over real sockets: broken connections, and the client's close noticed in every phase."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import httpx
import pytest

from sse_proxy.client_protocol import ClientProtocol

from .test_demo_mock import chat_request, connect, mock_client, told


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a fresh mock under plain uvicorn."""
    async with mock_client() as client:
        yield client


async def test_a_dying_connection_leaves_the_body_unfinished(client: httpx.AsyncClient) -> None:
    """Two events and a half, and no last chunk."""
    reader, writer = await connect(client, chat_request("die_mid_event=2", "dead"))
    raw = await reader.read()
    writer.close()
    assert raw.count(b"data: {") == 3
    assert not raw.endswith(b"0\r\n\r\n")
    record = await told(client, "dead", lambda record: record["state"] != "running")
    assert (record["state"], record["events_sent"]) == ("died", 2)


async def test_a_dying_connection_is_reset_where_the_server_can() -> None:
    """With the proxy's own protocol the abort is a reset, and the server has nothing to complain about."""
    async with mock_client(http=ClientProtocol) as client:
        reader, writer = await connect(client, chat_request("die_after=0"))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()


@pytest.mark.parametrize(
    "query,body",
    [
        ("prefill=3600", b'{"stream":true}'),
        ("prefill=3600", b"{}"),
        ("headers_then_wait=3600", b'{"stream":true}'),
        ("headers_then_wait=3600", b"{}"),
        ("stall_after=2", b'{"stream":true}'),
        ("stall_after=2&ping=comment&ping_seconds=0.01", b'{"stream":true}'),
        ("tokens=200000&defect=coalesced", b'{"stream":true}'),
    ],
)
async def test_the_clients_close_is_noticed_at_once(client: httpx.AsyncClient, query: str, body: bytes) -> None:
    """In every phase, silent or not, even while nobody reads what the mock sends."""
    _, writer = await connect(client, chat_request(query, "gone", body))
    await told(client, "gone", lambda record: record["bytes_received"] == len(body))
    closed_at = time.monotonic()
    writer.transport.abort()
    record = await told(client, "gone", lambda record: record["state"] != "running")
    assert record["state"] == "disconnected"
    assert record["closed_at"] - closed_at < 1.0


async def test_a_close_in_the_middle_of_an_upload_is_noticed(client: httpx.AsyncClient) -> None:
    """The count grows while the body comes in; then the client leaves."""
    request = b"POST /upload HTTP/1.1\r\nHost: mock\r\nX-Mock-Id: up\r\nContent-Length: 100\r\n\r\n" + b"x" * 40
    _, writer = await connect(client, request)
    await told(client, "up", lambda record: record["bytes_received"] == 40)
    writer.transport.abort()
    record = await told(client, "up", lambda record: record["state"] != "running")
    assert (record["state"], record["bytes_received"], record["bytes_sent"]) == ("disconnected", 40, 0)
