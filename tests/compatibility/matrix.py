"""One run: every client at every column, straight at the mock and through the proxy.

The proxy sends heartbeats after a few milliseconds of silence, and the mock is silent between tokens: that every client
survives them is part of every cell. A process a client's module does all cases of it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ..js_sdk import JsCase, JsResult, run_cases, run_js_cases
from ..sdk_cases import Case
from ..sdk_stage import Proxy, Stage, standing
from .clients import CLIENTS, Client
from .columns import COLUMNS, Column
from .verdicts import Cell, verdict

__all__ = ["Key", "Matrix", "run"]

Key = tuple[Client, Column]

#: Of silence, far less than users may choose, in seconds.
_HEARTBEAT = 0.008
#: The proxy's timeouts where the upstream falls silent, in seconds; elsewhere nothing is to run into them.
_TIMEOUT = 4.0
#: How the mock is paced behind the proxy: silences of 20 ms between tokens and of 30 ms before the headers.
_PAUSES = {"rate": "50", "prefill": "0.03"}
#: How long a client waits for the end: straight, where it never comes, and otherwise, in seconds.
_IMPATIENT, _PATIENT = 2.0, 30.0
#: Processes at a time, cases at a time in one of them.
_PROCESSES, _CASES = 3, 12
#: For the whole run, in seconds.
_LIMIT = 600.0

_BODY = {"model": "test", "messages": [{"role": "user", "content": "{prompt}"}], "stream": True}


@dataclass(frozen=True, slots=True)
class Matrix:
    """What a run has found out."""

    cells: dict[Key, Cell]
    #: Streams that went through the proxy, by outcome, and heartbeats in them, by form.
    streams: dict[str, float]
    heartbeats: dict[str, float]


@dataclass(frozen=True, slots=True)
class _Try:
    key: Key
    is_direct: bool
    case: JsCase


def run(clients: Sequence[Client] = CLIENTS, columns: Sequence[Column] = COLUMNS) -> Matrix:
    """The cells of all *columns* that concern the APIs of the *clients*."""
    with standing() as stage:
        manners = {(column.late, column.silent) for column in columns}
        proxies = {manner: _proxy(stage, *manner) for manner in manners}
        tries = [
            found
            for client in clients
            for column in columns
            if column.concerns(client.api)
            for found in _tries(client, column, stage.mock, proxies[column.late, column.silent].url)
        ]
        results = stage.run(_all(tries), limit_seconds=_LIMIT)
        return Matrix(
            cells=_cells(results),
            streams=_sum(proxies.values(), "streams_total", "outcome"),
            heartbeats=_sum(proxies.values(), "heartbeats_total", "mode"),
        )


def _proxy(stage: Stage, late: bool, silent: bool) -> Proxy:
    routes = [
        {
            "path": f"/bridge/{number}",
            "upstream_path": f"/v1/chat/completions?{urlencode({**_PAUSES, **column.knobs})}",
            "body": _BODY,
        }
        for number, column in enumerate(COLUMNS)
    ]
    often = ["heartbeat_seconds", *["commit_after_seconds"] * late]
    timeouts = ["first_event_timeout_seconds", "idle_timeout_seconds"] if silent else []
    return stage.proxy(routes=routes, **dict.fromkeys(timeouts, _TIMEOUT), unchecked=dict.fromkeys(often, _HEARTBEAT))


def _tries(client: Client, column: Column, mock: str, proxy: str) -> list[_Try]:
    """Straight and through the proxy; a bridge has but the one way."""
    patience = _IMPATIENT if column.silent else _PATIENT
    straight = [] if client.bridged else [_Try((client, column), True, _case(client, column, mock, {}, patience))]
    return [*straight, _Try((client, column), False, _case(client, column, proxy, _PAUSES, _PATIENT))]


def _case(client: Client, column: Column, url: str, pace: dict[str, str], patience: float) -> JsCase:
    base_url = f"{url}/bridge/{COLUMNS.index(column)}" if client.bridged else url + client.prefix
    headers = {} if client.bridged else Case.of(base_url, {**pace, **column.knobs}).headers
    return JsCase(call=client.call, base_url=base_url, headers=headers, timeout_seconds=patience)


async def _all(tries: Sequence[_Try]) -> list[tuple[_Try, JsResult]]:
    shares: dict[tuple[str, str], list[_Try]] = {}
    # Those that wait for a timeout first: the others fill the time.
    for one in sorted(tries, key=lambda one: not one.key[1].silent):
        shares.setdefault((one.key[0].runtime, one.key[0].module), []).append(one)
    gate = asyncio.Semaphore(_PROCESSES)
    found = await asyncio.gather(*(_share(*which, share, gate) for which, share in shares.items()))
    return [pair for pairs in found for pair in pairs]


async def _share(
    runtime: str, module: str, share: Sequence[_Try], gate: asyncio.Semaphore
) -> list[tuple[_Try, JsResult]]:
    cases = [one.case for one in share]
    async with gate:
        if runtime == "python":
            results = await _python(module, cases)
        else:
            results = await run_js_cases(module, cases, concurrency=_CASES, limit_seconds=_LIMIT)
    return list(zip(share, results, strict=True))


async def _python(module: str, cases: Sequence[JsCase]) -> list[JsResult]:
    command = [sys.executable, "-m", f"{__package__}.drive_python", module]
    return await run_cases(command, cases, concurrency=_CASES, limit_seconds=_LIMIT, environment=_ALONE)


#: Nobody's proxy in between, nobody else told, and no coverage, which is not theirs to measure.
_ALONE = {
    **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1"),
    **dict.fromkeys(("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"), ""),
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "LANGSMITH_TRACING": "false",
}


def _cells(results: Sequence[tuple[_Try, JsResult]]) -> dict[Key, Cell]:
    direct = {one.key: verdict(*one.key, result) for one, result in results if one.is_direct}
    cells: dict[Key, Cell] = {}
    for one, result in results:
        if not one.is_direct:
            status = None if result.error is None else result.error.status
            cells[one.key] = Cell(direct.get(one.key), verdict(*one.key, result), status)
    return cells


def _sum(proxies: Iterable[Proxy], name: str, label: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for proxy in proxies:
        for key, value in proxy.totals(name, label).items():
            found[key] = found.get(key, 0) + value
    return found
