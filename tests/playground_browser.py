"""Pages of a real Chromium that a test drives step by step, through ``tests/js/playground.mjs``.

`driving` starts the browser, `Driver.page` opens a page; its methods are what a person does, and what the page shows.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from .browser import scripted
from .conftest import LIMIT_SECONDS

__all__ = ["DESKTOP", "PHONE", "Driver", "Page", "demo", "driving"]

_SCRIPT = Path(__file__).parent / "js" / "playground.mjs"

#: A function of a page: what the card of a lane shows.
_CARD = """
    const card = (name) => {
      const element = document.querySelector(`#lane-${name}`);
      const pick = (part) => element.querySelector(part).textContent;
      const numbers = [...element.querySelectorAll("dt")].map((one) => [one.textContent, one.nextSibling.textContent]);
      return {
        head: pick("b"), more: pick(".more"), after: pick(".after"), text: pick(".text"), raw: pick(".raw"),
        chain: pick(".chain"), phase: element.dataset.phase, outcome: element.dataset.outcome ?? "",
        ...Object.fromEntries(numbers),
      };
    };"""

#: Width and height of a window.
DESKTOP = (1280, 900)
PHONE = (390, 844)


class Driver:
    """A running Chromium."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._numbers = count()

    async def do(self, command: str, **arguments: object) -> Any:
        """What the script answers to *command*.

        Raises:
            RuntimeError: the command failed, or the browser is gone.
            TimeoutError: it took longer than anything may.
        """
        number = next(self._numbers)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "do": command, **arguments}).encode() + b"\n")
        async with asyncio.timeout(LIMIT_SECONDS * 2):
            while (told := await self.told()).get("id") != number:
                pass  # left over from a command that was given up
        if "error" in told:
            raise RuntimeError(f"{command} {arguments}: {told['error']}")
        return told["value"]

    async def told(self) -> Any:
        """The next line of the script."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the browser ended")
        return json.loads(line)

    async def page(
        self,
        url: str,
        *,
        size: tuple[int, int] = DESKTOP,
        scheme: str = "light",
        bypass: bool = False,
    ) -> Page:
        """A new page at *url*; *bypass*: its policy does not hold, so that a checker can be put into it."""
        name = f"page{next(self._numbers)}"
        width, height = size
        await self.do("open", page=name, url=url, width=width, height=height, scheme=scheme, bypass=bypass)
        return Page(self, name)


class Page:
    """One page, from `Driver.page`."""

    def __init__(self, driver: Driver, name: str) -> None:
        self._driver = driver
        self._name = name

    async def do(self, command: str, **arguments: object) -> Any:
        return await self._driver.do(command, page=self._name, **arguments)

    async def set(self, **switches: object) -> None:
        """Set the controls by their ids."""
        for name, value in switches.items():
            await self.do("set", selector=f"#{name}", value=value)

    async def click(self, selector: str) -> None:
        await self.do("click", selector=selector)

    async def value(self, source: str, given: object = None) -> Any:
        """What the body of a JavaScript function returns, called with *given*."""
        return await self.do("eval", source=source, argument=given)

    async def until(self, source: str, given: object = None) -> None:
        """Return when *source*, as in `value`, is true."""
        await self.do("wait", source=source, argument=given)

    async def text(self, selector: str) -> str:
        """The text of an element."""
        text: str = await self.value("return document.querySelector(given).textContent", selector)
        return text

    async def run(self, *, to_the_end: bool = True, **switches: object) -> None:
        """Set the switches and press "Run both"; *to_the_end*: return when both lanes are over."""
        await self.set(**switches)
        await self.click("#run")
        if to_the_end:
            await self.done()

    async def cut_after(self, events: int) -> None:
        """Press "Cut the line" once the proxy's lane has so many *events*; within the page, lest the answer be over."""
        source = """
            const number = [...document.querySelectorAll("#lane-proxy dt")].find((one) => one.textContent === "Events");
            return new Promise((done) => {
              const look = () => {
                if (Number(number.nextSibling.textContent) < given) return requestAnimationFrame(look);
                document.querySelector("#cut").click();
                return done();
              };
              look();
            });"""
        await self.value(source, events)

    async def done(self) -> None:
        """Return when both lanes are over and the page has said so."""
        await self.until("return document.querySelector('#status').dataset.done")

    async def lane(self, name: str) -> dict[str, str]:
        """What the card of the lane *name* (``upstream``, ``proxy``) shows, by the labels that it has."""
        told: dict[str, str] = await self.value(f"{_CARD} return card(given);", name)
        return told

    async def sweep(self, switch: str, values: Sequence[str]) -> list[tuple[dict[str, str], dict[str, str]]]:
        """Both lanes, as `lane` tells them, after a run with each of *values* of the select *switch*, one by one."""
        source = f"""{_CARD}
            const select = document.getElementById(given[0]);
            const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            return (async () => {{
              const told = [];
              for (const value of given[1]) {{
                select.value = value;
                for (const kind of ["input", "change"]) select.dispatchEvent(new Event(kind, {{ bubbles: true }}));
                document.querySelector("#run").click();
                do await frame(); while (!document.querySelector("#status").dataset.done);
                told.push([card("upstream"), card("proxy")]);
              }}
              return told;
            }})();"""
        told = await self.value(source, [switch, list(values)])
        return [(left, right) for left, right in told]

    async def marks(self) -> list[list[str]]:
        """The rows of the table under the timeline: time, lane, what, more."""
        await self.value("document.querySelector('#marks').open = true")
        await self.until("return document.querySelector('#rows').children.length > 0")
        rows: list[list[str]] = await self.value(
            "return [...document.querySelectorAll('#rows tr')].map((row) => [...row.cells].map((c) => c.textContent))"
        )
        return rows

    async def complaints(self, *, but: str = r"^$") -> list[str]:
        """Console errors, exceptions, failed requests and requests to other machines so far, *but* expected ones."""
        found: list[str] = await self.do("complaints")
        return [complaint for complaint in found if not re.search(but, complaint)]

    async def close(self) -> None:
        await self.do("close")


@asynccontextmanager
async def driving() -> AsyncIterator[Driver]:
    """A browser, closed at the end."""
    async with scripted(_SCRIPT) as process:
        driver = Driver(process)
        async with asyncio.timeout(LIMIT_SECONDS):
            await driver.told()
        yield driver


@asynccontextmanager
async def demo(*flags: str) -> AsyncIterator[str]:
    """The URL of the page of a running ``sse-proxy demo``, which is ended at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sse_proxy", "demo", "--port", "0", "--admin-port", "0"),
        *("--drain-delay-seconds", "0", "--drain-seconds", "0", *flags),
        stdout=PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    follower: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not (found := re.search(rb"page +(http://\S+)", line := await process.stdout.readline())):
                assert line, "the demo ended"
        follower = asyncio.create_task(process.stdout.read())
        yield found[1].decode()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        if follower is not None:
            assert b"Traceback" not in await follower
