"""The servers of the guide that the project grew out of, as processes: FastAPI's (`guide_servers`) and Hono's."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from .conftest import LIMIT_SECONDS, require_component

__all__ = ["TOKENS", "SeedServer", "fastapi_servers", "hono_server"]

#: What the guide's model says.
TOKENS = ["Hello", " there!", " How", " can", " I", " help", " you", " today", "?"]

_ROOT = Path(__file__).parent.parent


class SeedServer:
    """A running server."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.url = ""

    async def line(self) -> str:
        """The next line that it writes: its port, then ``left`` for each client that it saw go."""
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT_SECONDS):
            line = await self._process.stdout.readline()
        return line.decode().strip()


def fastapi_servers(openai_url: str) -> AbstractAsyncContextManager[SeedServer]:
    """All of `guide_servers`, one of which asks the OpenAI server at *openai_url*."""
    return _running(sys.executable, "-W", "error", "-m", "tests.guide_servers", OPENAI_BASE_URL=openai_url)


def hono_server() -> AbstractAsyncContextManager[SeedServer]:
    """Hono's, at ``/chat/stream``."""
    require_component("js-sdks")
    return _running(require_component("node"), str(_ROOT / "tests" / "js" / "serve-hono.mjs"))


@asynccontextmanager
async def _running(*command: str, **environment: str) -> AsyncIterator[SeedServer]:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=_ROOT, env={**os.environ, **environment}, stdin=PIPE, stdout=PIPE
    )
    server = SeedServer(process)
    try:
        server.url = f"http://127.0.0.1:{await server.line()}"
        yield server
    finally:
        if process.returncode is None:
            process.kill()  # a gentle end would wait for clients
        await process.wait()
