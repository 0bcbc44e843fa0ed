"""``docs/compatibility.md``: the cells of a run as tables, and what is different at the next run: `Facts`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from .clients import CLIENTS, Client
from .columns import COLUMNS, GROUPS, Column
from .limits import LIMITS, limit_of
from .matrix import Key, Matrix
from .verdicts import Cell, is_good

__all__ = ["Facts", "cells_in", "facts_in", "facts_of", "render"]

_FACTS = "<!-- "

_INTRODUCTION = """\
# Clients, and what upstreams do to them

Written by `make compat`; a change made by hand is lost, and `make test` fails on it.

Each client asks the demo's mock LLM for a stream in its own API, once straight and once through the proxy. The columns
are what real upstreams do, or gateways in front of them. A cell is **straight → through the proxy**:

| word | means |
|---|---|
| ✓ | all of the text arrived, and nothing was raised |
| lost | a part of the text is missing, and nothing was raised |
| wrong | other text than was sent |
| raises | an exception. In the table of failures that is what has to happen; in the others it is the failure |
| silent | the answer is cut or failed, and the client takes it for whole |
| hangs | nothing ends it but a timeout of the client's own: two seconds here, ten minutes in most SDKs, never in some |
| – | there is no such way |
| · | the API cannot be like that |

- **Heartbeats.** Behind the proxy the mock is silent for 20 ms between tokens and for 30 ms before the headers, and the
  proxy sends a heartbeat after 8 ms: every cell also says that the client survives them, in the form chosen for it.
- **Raising.** SDKs have exceptions. The AI SDK's errors are parts of its stream; Cohere's own error is an event whose
  finish reason is `ERROR`. Parsers and browsers hand out events, so the loop around them raises, as its users' has to:
  on an event with an `error` in it (httpx-sse, eventsource-parser, fetch-event-source, fetch), on the `error` event of
  an EventSource, on a status that is no success, on a broken connection.
- **EventSource** can only GET. It reads `{"token": …}` events that end with `event: done`, of a server that has them;
  *bridge* is the proxy's own GET in front of the chat API (`[[routes]]`), which no EventSource can ask straight.
- **fetch** is a loop as people write it: the text is cut at line ends, or at blank lines, and a piece that begins with
  `data: ` is JSON.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is different at the next run."""

    date: str
    #: Client, as its ``str``, to the version of its package.
    versions: Mapping[str, str]
    streams: int
    heartbeats: int


def facts_of(matrix: Matrix, date: str) -> Facts:
    """Those of a run just done."""
    return Facts(
        date=date,
        versions={str(client): client.version for client in CLIENTS},
        streams=round(sum(matrix.streams.values())),
        heartbeats=round(sum(matrix.heartbeats.values())),
    )


def facts_in(page: str) -> Facts:
    """Those that *page* was written with."""
    line = next(line for line in page.splitlines() if line.startswith(_FACTS))
    return Facts(**json.loads(line.removeprefix(_FACTS).removesuffix(" -->")))


def cells_in(page: str) -> dict[Key, Cell]:
    """Those of the tables of *page*."""
    clients = {_title(client): client for client in CLIENTS}
    columns = {column.name: column for column in COLUMNS}
    found: dict[Key, Cell] = {}
    heads: list[str] = []
    for line in page.splitlines():
        first, *cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if first == "client" and cells[0] in columns:
            heads = cells
        elif first in clients and len(cells) == len(heads):
            for head, cell in zip(heads, cells, strict=True):
                if cell != "·":
                    direct, _, proxied = cell.rstrip("¹²").partition(" → ")
                    found[clients[first], columns[head]] = Cell(None if direct == "–" else direct, proxied)
    return found


def render(cells: Mapping[Key, Cell], facts: Facts) -> str:
    """The whole page."""
    parts = [
        _INTRODUCTION,
        _run(cells, facts),
        _summary(cells),
        "## Clients",
        _table(("client", "version", "API"), [(_title(one), facts.versions[str(one)], _api(one)) for one in CLIENTS]),
        *(part for title, columns in GROUPS.items() for part in (f"## {title}", *_group(cells, columns))),
        "## Where the proxy can do no better",
        "\n".join(f"{mark} {limit.reason}  " for mark, limit in zip("¹²", LIMITS, strict=True)),
        f"{_FACTS}{json.dumps(asdict(facts))} -->",
    ]
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def _run(cells: Mapping[Key, Cell], facts: Facts) -> str:
    numbers = f"{len(cells):,} cells, {facts.streams:,} streams through the proxy, {facts.heartbeats:,} heartbeats"
    return f"Run on {facts.date}: {numbers} in them."


def _summary(cells: Mapping[Key, Cell]) -> str:
    rows = []
    for title, columns in {**GROUPS, "All": COLUMNS}.items():
        of_group = [(key[1], cell) for key, cell in cells.items() if key[1] in columns]
        straight = [(column, cell.direct) for column, cell in of_group if cell.direct is not None]
        rows.append((
            title,
            str(len(of_group)),
            f"{sum(is_good(*one) for one in straight)} of {len(straight)}",
            f"{sum(is_good(column, cell.proxied) for column, cell in of_group)} of {len(of_group)}",
        ))  # fmt: skip
    return _table(("", "cells", "as it should be, straight", "through the proxy"), rows)


def _group(cells: Mapping[Key, Cell], columns: tuple[Column, ...]) -> Iterable[str]:
    yield _table(
        ("client", *(column.name for column in columns)),
        [(_title(client), *(_cell(cells, client, column) for column in columns)) for client in CLIENTS],
    )
    yield "\n".join(f"- **{column.name}**: {column.meaning}" for column in columns)


def _cell(cells: Mapping[Key, Cell], client: Client, column: Column) -> str:
    cell = cells.get((client, column))
    if cell is None:
        return "·"
    limit = limit_of(client, column)
    return f"{cell}{'' if limit is None else '¹²'[LIMITS.index(limit)]}"


def _title(client: Client) -> str:
    return f"{ {'python': 'Python', 'node': 'Node.js', 'browser': 'Chromium'}[client.runtime] }: {client.name}"


def _api(client: Client) -> str:
    if client.bridged:
        return f"GET, of which the proxy makes POST {client.path}"
    return f"{'GET' if 'GET' in client.api.methods else 'POST'} {client.path}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
