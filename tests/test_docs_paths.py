"""docs/reference/paths.md tells what a real proxy answers under the reserved prefix, and when a path is not there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from docsite.paths import page
from sse_proxy.playground.shell import Shell
from sse_proxy.resume.endpoints import STREAMS

from .streaming import Running, Upstream, body, proxied, start
from .wire import ask

_TOKEN = "t0ken-of-a-client"
#: What stands in capitals in the table → what is asked for.
_EXAMPLES = {
    "FILE": "main.js",
    "ID": "0" * 32,
    "LANE/HOP/PATH": "upstream/none/v1/models",
    "NAME": "chat",
}
#: The column "there with" → the settings that it means.
_SWITCHES: dict[str, dict[str, Any]] = {
    "resume": {"resume": "memory"},
    "probe": {"probe": True},
    "playground": {"playground": True},
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table of the traffic port."""

    target: str
    methods: frozenset[str]
    needs_token: bool
    switch: str


def _rows() -> list[Row]:
    section = page().split("## Traffic port")[1].split("Kept streams:")[0]
    cells = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| `")
    ]
    return [
        Row(_asked(path), _methods(methods), needs == "yes", there.strip("`"))
        for path, methods, _, needs, there in cells
    ]


def _asked(path: str) -> str:
    return re.sub("|".join(_EXAMPLES), lambda found: _EXAMPLES[found[0]], path.strip("`"))


def _methods(cell: str) -> frozenset[str]:
    return frozenset(re.findall(r"[A-Z]+", cell))


ROWS = _rows()


async def answers(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """An upstream with an answer for everything."""
    await start(send, "application/json")
    await body(send, b"{}", more=False)


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Running]:
    """A proxy with everything on, and with tokens."""
    file = tmp_path / "tokens"
    file.write_text(_TOKEN)
    switches = {name: value for switch in _SWITCHES.values() for name, value in switch.items()}
    async with proxied(answers, auth_tokens_file=file, **switches) as proxy:
        yield proxy


def test_the_table_is_read() -> None:
    """The control: every switch has rows, and no two rows are the same."""
    assert {row.switch for row in ROWS} == {"always", *_SWITCHES}
    assert len({row.target for row in ROWS}) == len(ROWS) > 10
    assert f"playground/{_EXAMPLES['FILE']}" in Shell().names


async def test_a_token_is_asked_for_where_the_table_says_so(guarded: Running) -> None:
    """401 without one there, and nowhere else."""
    told = {row.target: (await ask(guarded.port, "GET", row.target)).status == 401 for row in ROWS}
    assert {row.target: row.needs_token for row in ROWS} == told


async def test_the_methods_are_those_of_the_table(guarded: Running) -> None:
    """Any other gets 405, with these in `Allow`."""
    for row in ROWS:
        answer = await ask(guarded.port, "PATCH", row.target, headers={"Authorization": f"Bearer {_TOKEN}"})
        assert (row.target, answer.status) == (row.target, 405)
        assert (row.target, _methods(answer.headers["allow"])) == (row.target, row.methods)


@pytest.mark.parametrize("switch", sorted(_SWITCHES))
async def test_a_path_is_there_with_its_setting_alone(switch: str) -> None:
    """404 for the rows of the others, and the upstream is asked for none of them."""
    async with proxied(answers, **_SWITCHES[switch]) as proxy:
        for row in ROWS:
            answer = await ask(proxy.port, "GET", row.target)
            is_there = row.switch in {"always", switch}
            # A stream of that id there never was, on any proxy.
            if not (is_there and STREAMS in row.target):
                assert (row.target, answer.status == 404) == (row.target, not is_there)
        assert all("/-/sse-proxy/" not in request["path"] for request in proxy.upstream.requests)
