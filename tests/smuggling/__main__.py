"""Plays the corpus against sse-proxy and two versions of nginx and writes the tables of docs/security.md.

``python -m tests.smuggling`` (``make smuggling``).
"""

from __future__ import annotations

import asyncio
import logging
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import require_component
from tests.process import serving

from . import REQUESTS, RESPONSES
from .drive import play_request, play_response, victim_is_well
from .nginx import nginx_in_front
from .upstream import Recorder, recording
from .verdict import broken_by_request, broken_by_response, told_request, told_response

__all__ = ["PAGE", "escaped"]

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "security.md"
BEGIN, END = "<!-- begin: written by make smuggling -->\n", "<!-- end: written by make smuggling -->\n"
#: How long a proxy may be silent before that counts as its answer.
_PATIENCE_SECONDS = 0.7
_ROWS_OF_SERVERS = ("sse-proxy", "nginx", "nginx-current")


@dataclass(frozen=True, slots=True)
class Cell:
    """What one proxy did with one case."""

    told: str
    broken: tuple[str, ...]

    def __str__(self) -> str:
        reasons = "; ".join(_BYTES.sub("", reason) for reason in self.broken)
        return escaped(f"**{self.told}** ({reasons})" if reasons else self.told)


Column = dict[str, Cell]
#: The bytes behind a reason, which tests want to see and the table has no room for.
_BYTES = re.compile(r""":? (bytearray\()?b['"].*""", re.DOTALL)


@asynccontextmanager
async def _in_front(name: str, recorder: Recorder, directory: Path) -> AsyncIterator[int]:
    if name == "sse-proxy":
        async with serving(recorder.port, "--readiness-upstream", "off") as proxy:
            yield proxy.port
    else:
        async with nginx_in_front(name, recorder.port, directory) as port:
            yield port


async def _column(name: str) -> tuple[Column, Column]:
    requests: Column = {}
    responses: Column = {}
    with tempfile.TemporaryDirectory() as scratch:
        async with recording() as recorder, _in_front(name, recorder, Path(scratch)) as port:
            for case in REQUESTS:
                recorder.reset()
                played = await play_request(port, case, step=1 << 20, patience=_PATIENCE_SECONDS)
                seen = list(recorder.seen)
                broken = broken_by_request(case, recorder)
                broken += await _victim(port)
                requests[case.name] = Cell(told_request(played, seen), tuple(broken))
            for answer in RESPONSES:
                recorder.reset(answer)
                try:
                    answers = await play_response(port, answer, recorder.answered, patience=10 * _PATIENCE_SECONDS)
                except TimeoutError:
                    responses[answer.name] = Cell("no answer", ("the client waits",))
                    continue
                broken = broken_by_response(answer, answers, recorder)
                broken += await _victim(port)
                responses[answer.name] = Cell(told_response(answers, recorder), tuple(broken))
    return requests, responses


async def _victim(port: int) -> list[str]:
    is_well = await victim_is_well(port, patience=10 * _PATIENCE_SECONDS)
    return [] if is_well else ["another client did not get its own answer"]


def _version(name: str) -> str:
    if name == "sse-proxy":
        return name
    said = subprocess.run([require_component(name), "-v"], capture_output=True, check=True, text=True).stderr
    return said.strip().rpartition(": ")[2].replace("/", " ")


def _table(head: str, rows: list[tuple[str, str, str]], columns: list[Column], titles: list[str]) -> str:
    lines = [
        f"| {head} | why, and the rule | {' | '.join(titles)} |",
        "|---|---|" + "---|" * len(titles),
        *(
            f"| {escaped(name)} | {escaped(f'{why} ({source})')} | {' | '.join(str(each[name]) for each in columns)} |"
            for name, why, source in rows
        ),
    ]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """*text* for a cell."""
    return text.replace("|", "\\|").replace("*", "\\*").replace("\\*\\*", "**")


def _summary(columns: list[Column], titles: list[str], kind: str) -> str:
    parts = [
        f"{title} {sum(bool(cell.broken) for cell in column.values())}"
        for title, column in zip(titles, columns, strict=True)
    ]
    return f"{kind}: {len(columns[0])} cases. Cases with a rule broken: {', '.join(parts)}.\n"


async def _write() -> None:
    logging.getLogger("asyncio").setLevel(logging.ERROR)  # it tells of each write after a refusal
    columns = [await _column(name) for name in _ROWS_OF_SERVERS]
    titles = [_version(name) for name in _ROWS_OF_SERVERS]
    requests, responses = [column[0] for column in columns], [column[1] for column in columns]
    text = "\n".join(
        (
            _summary(requests, titles, "Requests"),
            _table("request", [(one.name, one.why, one.source) for one in REQUESTS], requests, titles),
            _summary(responses, titles, "Responses"),
            _table("response", [(one.name, one.why, one.source) for one in RESPONSES], responses, titles),
        )
    )
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE}: the marks of the table are missing")
    PAGE.write_text(before + BEGIN + "\n" + text + "\n" + END + after)


if __name__ == "__main__":
    asyncio.run(_write())
