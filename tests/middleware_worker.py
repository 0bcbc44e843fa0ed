"""An app as its users have it, for ``uvicorn --workers 2``: see test_middleware_metrics.py.

In a process of its own also because of sse-starlette, which replaces parts of uvicorn when it is imported.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

from fastapi import FastAPI
from prometheus_client import Counter
from sse_starlette import EventSourceResponse, ServerSentEvent

from sse_proxy import SSEMiddleware, metrics_app

__all__ = ["app"]

app = FastAPI()
app.add_middleware(SSEMiddleware, heartbeat_seconds=1)
app.mount("/metrics", metrics_app())
cleaned = Counter("app_cleaned_total", "Generators that came to their end, in any way.")


@app.get("/stream")
async def stream(wait_seconds: float = 0) -> EventSourceResponse:
    """One event with the process id, and one more after a wait in which sse-starlette sends pings of its own."""

    async def events() -> AsyncIterator[ServerSentEvent]:
        try:
            yield ServerSentEvent(data=str(os.getpid()), event="pid", retry=5000)
            await asyncio.sleep(wait_seconds)
            yield ServerSentEvent(data="one\ntwo")
        finally:
            cleaned.inc()

    return EventSourceResponse(events(), ping=1)
