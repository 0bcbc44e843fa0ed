"""One call for each way in which a stream ends and a client comes back, made of the demo's knobs.

A call returns when its client has seen the end, whatever that was; what the proxy made of it is the metrics' to tell.
The `lab`'s proxies have the short timeouts that the calls count on.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

import httpx

__all__ = ["COMING_BACK", "ENDINGS", "Call", "chat", "leaving", "stalling"]

_CHAT = "/v1/chat/completions"
_STREAMS = "/-/sse-proxy/streams"
_KEPT = {"X-SSE-Resume": "on"}
_EVENT_ID = re.compile(r"^id: (\S+)$", re.MULTILINE)
#: Where everything happens at once, a stream may run into a timeout of a second or two.
_TRIES = 5
Call = Callable[[httpx.AsyncClient], Awaitable[object]]


def _body(**more: object) -> dict[str, Any]:
    messages = [{"role": "user", "content": "Hello"}]
    return {"model": "mock", "stream": True, "messages": messages, "stream_options": {"include_usage": True}, **more}


def _query(knobs: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in knobs.items()}


async def chat(
    client: httpx.AsyncClient, *, path: str = _CHAT, headers: Mapping[str, str] | None = None, **knobs: object
) -> httpx.Headers:
    """Ask for a stream with *knobs* and read it to its end, good or bad; returns the response's headers."""
    # A stream that is cut is one of the ends.
    with suppress(httpx.RemoteProtocolError, httpx.ReadError):
        async with client.stream(
            "POST", path, json=_body(max_tokens=100), params=_query(knobs), headers=headers
        ) as answer:
            async for _ in answer.aiter_raw():
                pass
    return answer.headers


async def leaving(client: httpx.AsyncClient, *, after_seconds: float = 0.6, **knobs: object) -> None:
    """Ask for a stream, and leave *after_seconds* from its first bytes on."""
    async with client.stream("POST", _CHAT, json=_body(), params=_query({"stall_after": 3, **knobs})) as answer:
        chunks = answer.aiter_raw()  # by name, since its end would be the response's
        await anext(chunks)
        await asyncio.sleep(after_seconds)


async def stalling(client: httpx.AsyncClient, *, for_seconds: float = 3.0) -> None:
    """Ask for more than the sockets hold, and read nothing of it for so long."""
    host, port = client.base_url.host, client.base_url.port
    payload = b'{"model": "mock", "stream": true, "messages": []}'
    head = f"POST {_CHAT}?tokens=3000&rate=0 HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    loop = asyncio.get_running_loop()
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.setblocking(False)  # noqa: FBT003  its only argument
        await loop.sock_connect(reader, (host, port))
        await loop.sock_sendall(reader, f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload)
        await asyncio.sleep(for_seconds)


async def _stopped(client: httpx.AsyncClient) -> None:
    """A kept stream that is stopped by DELETE."""
    request = client.stream("POST", _CHAT, json=_body(), params={"tokens": "1000"}, headers=_KEPT)
    async with request as answer:
        await client.delete(answer.headers["location"])
        with suppress(httpx.RemoteProtocolError):
            await answer.aread()


async def _replayed(client: httpx.AsyncClient) -> None:
    """A client that lacks the end of its stream, and then has it all and asks once more.

    Raises:
        RuntimeError: no stream has such an end, each time.
    """
    for _ in range(_TRIES):
        headers = await chat(client, headers=_KEPT, tokens=20, rate=0)
        where, name = headers["location"], headers["x-stream-id"]
        rest = await client.get(where, headers={"Last-Event-ID": f"{name}.3"})
        if ids := _EVENT_ID.findall(rest.text):
            await client.get(where, headers={"Last-Event-ID": ids[-1]})
            return
    raise RuntimeError(f"nothing follows the third event: {rest.status_code} {rest.text[:200]}")


async def _joined(client: httpx.AsyncClient) -> None:
    """Two requests with one idempotency key."""
    headers = {**_KEPT, "Idempotency-Key": secrets.token_hex(8)}
    await asyncio.gather(*(chat(client, headers=headers, tokens=20) for _ in range(2)))


async def _evicted(client: httpx.AsyncClient) -> None:
    """A stream of which the beginning is not kept any more, and a client that lacks it."""
    headers = await chat(client, headers=_KEPT, tokens=400, rate=0)
    await client.get(headers["location"], headers={"Last-Event-ID": f"{headers['x-stream-id']}.1"})


async def _unknown(client: httpx.AsyncClient) -> None:
    await client.get(f"{_STREAMS}/{secrets.token_hex(16)}")


#: By outcome; those that need another upstream or a full proxy are the lab's.
ENDINGS: Mapping[str, Call] = {
    "completed": lambda client: chat(client, tokens=20, rate=40),
    "client_disconnected": leaving,
    "client_stalled": stalling,
    "upstream_error": lambda client: chat(client, error_after=3, rate=0),
    "upstream_truncated": lambda client: chat(client, truncate_after=5, rate=0),
    "first_event_timeout": lambda client: chat(client, headers_then_wait=30),
    "idle_timeout": lambda client: chat(client, stall_after=3),
    "total_timeout": lambda client: chat(client, tokens=1000),
    "too_large": lambda client: chat(client, huge=200_000),
    "stopped": _stopped,
}
#: By result.
COMING_BACK: Mapping[str, Call] = {
    "replayed": _replayed,  # and nothing_left
    "joined": _joined,
    "evicted": _evicted,
    "unknown": _unknown,
}
