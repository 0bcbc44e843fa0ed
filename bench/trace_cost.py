"""What a trace costs: CPU of `sse-proxy serve` for one short stream, and its memory, with traces and without.

python bench/trace_cost.py [--against CHECKOUT] [--rounds 5] [--streams 600]

Everything counts that the process does for a stream of 20 tokens, the thread that sends the spans included; the
collector takes them and looks at nothing. All forms run at the same time on the same core, each in a new process that
gets its streams in turns with the others, so that noise meets all alike. ``--against`` has the version of another
checkout beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import re
from collections import defaultdict
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from bench.client import StreamClient
from bench.control import upstream
from bench.cores import on
from bench.load import check, ended, open_all, request_for
from bench.manner import Manner
from bench.meter import Meter
from bench.peers import CHAT, PEERS
from bench.processes import spent_seconds
from bench.resume.places import places
from bench.resume.tables import spread_of, table
from bench.resume.variants import with_flags
from bench.servers import Running, running
from bench.stats import ratio, spread

_TOKENS = 20
_RATE = 200.0
#: Streams in a row of one form, before it is another one's turn.
_BATCH = 60
_WARM_UP = 60
#: The queue of spans is sent so often; what is waited for it to be empty.
_SCHEDULE_MILLISECONDS = 200
_EMPTY_SECONDS = 0.6
_SAMPLED = ("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",)
_OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """One way of running it: flags, headers of the request, and the environment."""

    flags: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def _forms(against: Path | None) -> dict[str, _Form]:
    on_flag = ("--tracing",)
    forms = {
        _OFF: _Form(),
        "off, the caller records": _Form(headers=_SAMPLED),
        "on, not sampled": _Form(flags=on_flag, environment={"OTEL_TRACES_SAMPLER": "always_off"}),
        "on": _Form(flags=on_flag),
        "on, below the caller's span": _Form(flags=on_flag, headers=_SAMPLED),
    }
    return forms | ({"before": _Form(environment={"PYTHONPATH": str(against.resolve())})} if against else {})


@contextlib.asynccontextmanager
async def _collector(spans: list[int]) -> AsyncGenerator[int]:
    """The port of a collector, which adds the length of each body to *spans*."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"(?i)content-length: (\d+)", head)
                spans.append(len(await reader.readexactly(int(length[1]) if length else 0)))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def _streams(server: Running, form: _Form, count: int) -> None:
    meter = Meter()
    request = request_for(CHAT, max_tokens=_TOKENS, headers=form.headers)
    await ended(await open_all(StreamClient, request, meter, server.port, count))
    check(meter)


async def _round(forms: dict[str, _Form], upstream_port: int, core: int, streams: int) -> dict[str, tuple[float, int]]:
    """Form → microseconds a stream, and resident bytes."""
    spent: defaultdict[str, float] = defaultdict(float)
    exported: list[int] = []
    async with _collector(exported) as collector:
        shared = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector}",
            "OTEL_BSP_SCHEDULE_DELAY": str(_SCHEDULE_MILLISECONDS),
        }
        with contextlib.ExitStack() as stack:
            servers = {}
            for name in random.sample(list(forms), len(forms)):
                peer = with_flags(PEERS["sse-proxy"], *forms[name].flags)
                environment = shared | forms[name].environment
                servers[name] = stack.enter_context(running(peer, upstream_port, core, environment=environment))
            for name, server in servers.items():
                await _streams(server, forms[name], _WARM_UP)
            for _ in range(streams // _BATCH):
                for name in random.sample(list(servers), len(servers)):
                    before = servers[name].clocks
                    await _streams(servers[name], forms[name], _BATCH)
                    await asyncio.sleep(_EMPTY_SECONDS)
                    spent[name] += spent_seconds(before, servers[name].clocks)
            count = streams // _BATCH * _BATCH
            found = {name: (spent[name] / count * 1e6, server.resident_bytes) for name, server in servers.items()}
    if not sum(exported):
        raise SystemExit("no span reached the collector: nothing was measured")
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="have that version beside this one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=600)
    arguments = parser.parse_args()
    server, load, other = places()
    forms = _forms(arguments.against)
    cpu: defaultdict[str, dict[int, float]] = defaultdict(dict)
    memory: defaultdict[str, list[float]] = defaultdict(list)
    with upstream(other) as control, on(load):
        control.set(Manner(rate=_RATE))
        for number in range(arguments.rounds):
            for name, (microseconds, size) in uvloop.run(
                _round(forms, control.port, server, arguments.streams)
            ).items():
                cpu[name][number] = microseconds
                memory[name].append(size / 2**20)
    rows = [
        (
            name,
            spread_of(spread(list(cpu[name].values())), 0),
            "" if name == _OFF else spread_of(ratio(cpu[name], cpu[_OFF]), 2),
            spread_of(spread(memory[name]), 1),
        )
        for name in forms
    ]
    print(table(["tracing", "CPU µs a stream", "ratio within the rounds", "RSS MiB"], rows))


if __name__ == "__main__":
    main()
