"""A real Chromium for the tests: visits to pages, many at a time, through ``tests/js/browse.mjs``.

A page puts functions on ``window``; a `Visit` loads it and calls one of them. One process serves a whole module.
"""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .conftest import LIMIT_SECONDS, require_component

__all__ = ["Browser", "Visit", "browsing", "scripted"]

_SCRIPT = Path(__file__).parent / "js" / "browse.mjs"


@dataclass(frozen=True, slots=True)
class Visit:
    """The page at *url*, on which the function *call* is called with *argument*."""

    url: str
    call: str
    argument: object = field(default_factory=dict)


class Browser:
    """A running Chromium; `browsing` starts one."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._visits = 0

    async def visit(self, *visits: Visit) -> list[Any]:
        """What the functions of *visits*, all at once, return, in their order; one call of this at a time.

        Raises:
            RuntimeError: a page did not load, its function threw, or the browser is gone.
            TimeoutError: it took longer than `LIMIT_SECONDS`.
        """
        numbers = range(self._visits, self._visits + len(visits))
        self._visits += len(visits)
        for number, visit in zip(numbers, visits, strict=True):
            line = {"id": number, "url": visit.url, "call": visit.call, "argument": visit.argument}
            self._stdin.write(json.dumps(line).encode() + b"\n")
        values: dict[int, Any] = {}
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(values) < len(visits):
                told = await self.told()
                if told["id"] not in numbers:  # left over from a call that failed
                    continue
                if "error" in told:
                    raise RuntimeError(f"{visits[told['id'] - numbers.start]}: {told['error']}")
                values[told["id"]] = told["value"]
        return [values[number] for number in numbers]

    async def told(self) -> Any:
        """The next line of the script."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the browser ended")
        return json.loads(line)

    @property
    def _stdin(self) -> asyncio.StreamWriter:
        assert self._process.stdin is not None
        return self._process.stdin


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser, closed at the end."""
    async with scripted(_SCRIPT) as process:
        browser = Browser(process)
        async with asyncio.timeout(LIMIT_SECONDS):
            await browser.told()
        yield browser


@asynccontextmanager
async def scripted(script: Path) -> AsyncIterator[Process]:
    """A Chromium that the *script* of Node drives, which ends with its stdin."""
    require_component("js-sdks")
    process = await asyncio.create_subprocess_exec(
        *(require_component("node"), str(script), require_component("chromium")),
        stdin=PIPE,
        stdout=PIPE,
        limit=1 << 24,  # a line tells all events of a visit
    )
    try:
        yield process
    finally:
        try:
            assert process.stdin is not None
            process.stdin.close()
            async with asyncio.timeout(LIMIT_SECONDS / 2):  # the stage gives up after twice that, and then nobody kills
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
