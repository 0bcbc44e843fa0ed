"""Two relays as people write them: bytes through a StreamingResponse, and events through an EventSourceResponse.

Run by uvicorn in a venv of its own; imports nothing of the benchmark.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from sse_starlette.sse import EventSourceResponse

__all__ = ["events", "streaming"]

# As generous as people learn to be, else the 101st stream waits for the first to end.
_client = httpx.AsyncClient(
    base_url=os.environ.get("RELAY_UPSTREAM", "http://127.0.0.1:8000"),
    timeout=None,  # noqa: S113  a stream may be silent for long
    limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
)

streaming = FastAPI()
events = FastAPI()


@streaming.get("/health")
@events.get("/health")
async def health() -> dict[str, str]:
    """Ready."""
    return {}


async def _bytes(path: str, body: bytes) -> AsyncGenerator[bytes, None]:
    async with _client.stream("POST", path, content=body, headers={"Content-Type": "application/json"}) as response:
        async for data in response.aiter_bytes():
            yield data


async def _events(path: str, body: bytes) -> AsyncGenerator[dict[str, Any], None]:
    event: dict[str, Any] = {}
    async with _client.stream("POST", path, content=body, headers={"Content-Type": "application/json"}) as response:
        async for line in response.aiter_lines():
            if not line and event:
                yield event
                event = {}
            elif line:
                name, _, value = line.partition(": ")
                event[name] = value


@streaming.post("/v1/chat/completions")
@streaming.post("/v1/messages")
async def relay_bytes(request: Request) -> StreamingResponse:
    """Whatever the upstream sends."""
    return StreamingResponse(_bytes(request.url.path, await request.body()), media_type="text/event-stream")


@events.post("/v1/chat/completions")
@events.post("/v1/messages")
async def relay_events(request: Request) -> EventSourceResponse:
    """The upstream's events, written anew."""
    return EventSourceResponse(_events(request.url.path, await request.body()))
