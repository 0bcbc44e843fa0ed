"""The FastAPI servers of the guide that the project grew out of, each at a path of its own; run as a program.

To the letter, but for types and docstrings: the pauses are shorter, sse-starlette's parameter for pings has its real
name, and `_watched` tells of a generator that is not run to its end. Below ``/wrapped`` each is inside `SSEMiddleware`.
``OPENAI_BASE_URL`` is where the server behind the OpenAI-compatible one is.

Writes the port, and then a line ``left`` for each generator that was stopped. A process of its own, since sse-starlette
replaces parts of uvicorn when it is imported, and since one of the servers blocks its loop.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from openai import OpenAI
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.routing import Mount

from sse_proxy import SSEMiddleware

from .seed_servers import TOKENS

PING_SECONDS = 0.02

basic = FastAPI()
openai = FastAPI()
resumable = FastAPI()
failing = FastAPI()

client = OpenAI(api_key="not-needed", default_headers={"X-Mock-Rate": "0"})


def _tell(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _watched(events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for event in events:
            yield event
    except (asyncio.CancelledError, GeneratorExit):
        _tell("left")
        raise


async def generate_tokens(pause: float) -> AsyncIterator[dict[str, str]]:
    """Simulate LLM streaming."""
    tokens = TOKENS

    for token in tokens:
        yield {"event": "message", "data": token}
        await asyncio.sleep(pause)  # Simulate model latency

    yield {"event": "done", "data": "[DONE]"}


@basic.post("/chat/stream")
async def stream_chat(pause: float = 0.02) -> EventSourceResponse:
    """Serve "Basic Implementation"."""
    return EventSourceResponse(_watched(generate_tokens(pause)), ping=PING_SECONDS)


@openai.post("/chat/stream")
async def stream_chat_of_vllm(prompt: str) -> StreamingResponse:
    """Serve "OpenAI-Compatible vLLM Streaming"; the client is a blocking one."""

    async def generate() -> AsyncIterator[str]:
        stream = client.chat.completions.create(
            model="meta-llama/Llama-3.1-8B-Instruct",
            messages=[{"role": "user", "content": prompt}],
            stream=True,
            max_tokens=512,
        )

        for chunk in stream:
            if chunk.choices[0].delta.content:
                token = chunk.choices[0].delta.content
                # SSE format
                yield f"data: {json.dumps({'token': token})}\n\n"

        yield f"data: {json.dumps({'done': True})}\n\n"

    return StreamingResponse(
        generate(),
        media_type="text/event-stream",
        headers={
            "Cache-Control": "no-cache",
            "Connection": "keep-alive",
            "X-Accel-Buffering": "no",  # Disable nginx buffering
        },
    )


@resumable.post("/chat/stream")
async def stream_chat_with_ids(request: Request) -> EventSourceResponse:
    """Serve "Reconnection with Event ID"."""
    last_event_id = request.headers.get("Last-Event-ID", "0")
    start_index = int(last_event_id)

    async def generate() -> AsyncIterator[dict[str, str]]:
        tokens = TOKENS  # Get full token list

        for i, token in enumerate(tokens[start_index:], start=start_index):
            yield {
                "id": str(i + 1),  # Event ID for resumption
                "event": "message",
                "data": token,
            }

    return EventSourceResponse(generate())


def _llm_stream() -> Iterator[str]:
    yield from TOKENS[:3]
    raise RuntimeError("the model is gone")


@failing.post("/chat/stream")
async def stream_chat_that_fails() -> EventSourceResponse:
    """Serve "Error Handling"."""

    async def generate() -> AsyncIterator[dict[str, str]]:
        try:
            # LLM streaming logic
            for token in _llm_stream():
                yield {"data": token}
        except Exception as e:  # noqa: BLE001  the guide's
            yield {"event": "error", "data": json.dumps({"error": str(e)})}

    return EventSourceResponse(generate())


def _main() -> None:
    servers = {"basic": basic, "openai": openai, "resumable": resumable, "failing": failing}
    app = Starlette(
        routes=[
            *(Mount(f"/{name}", server) for name, server in servers.items()),
            *(Mount(f"/wrapped/{name}", SSEMiddleware(server)) for name, server in servers.items()),
        ]
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        _tell(listener.getsockname()[1])
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listener])


if __name__ == "__main__":
    _main()
