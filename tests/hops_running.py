"""Starts a hop in front of given ports, waits until it passes requests on, and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import trustme

from .conftest import LIMIT_SECONDS, free_port, require_component
from .hops_clients import NAME, Trust, fetch
from .hops_programs import Change, Ground, Hop

__all__ = ["RunningHop", "hop_running"]

#: What a hop passes on and no upstream of the tests counts.
READY_PATH = "/-/sse-proxy/streams/ready"
_START_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningHop:
    """A hop that passes requests on."""

    hop: Hop
    ground: Ground
    trust: Trust
    process: asyncio.subprocess.Process
    #: Those that have taken over from it.
    successors: list[asyncio.subprocess.Process] = field(default_factory=list)

    @property
    def port(self) -> int:
        """TLS towards clients."""
        return self.ground.port

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.ground.directory / "output.log").read_text(errors="replace")

    async def reload(self, *upstreams: int) -> None:
        """Have it lead to other *upstreams* from now on."""
        self.hop.prepare(replace(self.ground, upstreams=upstreams))
        if self.hop.reload is not None:
            self.hop.reload(self.process)
        else:
            assert self.hop.successor is not None
            self.successors.append(await _start(self.hop, self.ground, self.hop.successor(self.ground)))


@functools.cache
def _authority() -> tuple[trustme.CA, trustme.LeafCert]:
    authority = trustme.CA()
    return authority, authority.issue_cert(NAME)


def _certified(directory: Path) -> Trust:
    authority, certificate = _authority()
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    key = certificate.private_key_pem.bytes()
    for name, content in (("fullchain.pem", chain), ("privkey.pem", key), ("llm.pem", chain + key)):
        (directory / name).write_bytes(content)
    return {"h1": _trusting(authority, "http/1.1"), "h2": _trusting(authority, "h2")}


def _trusting(authority: trustme.CA, protocol: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols([protocol])
    return context


@asynccontextmanager
async def hop_running(
    hop: Hop, directory: Path, *upstreams: int, change: Change | None = None
) -> AsyncIterator[RunningHop]:
    """*hop* in front of *upstreams* (ports), with *change* made to its shipped files, while the block runs."""
    directory.mkdir(exist_ok=True)
    trust = _certified(directory)
    for number in range(1, _START_TRIES + 1):
        ports = tuple(free_port() for _ in range(5))  # another program may take one before the hop does
        ground = Ground(
            version=tuple(map(int, hop.version.split("."))),
            directory=directory,
            port=ports[0],
            spare_ports=ports[1:],
            upstreams=upstreams,
            change=change or {},
        )
        running = RunningHop(
            hop=hop, ground=ground, trust=trust, process=await _start(hop, ground, hop.prepare(ground))
        )
        try:
            if await _ready(running):
                yield running
                return
            taken = "in use" in running.log.lower()
            assert taken, running.log
            assert number < _START_TRIES, running.log
        finally:
            for process in (running.process, *running.successors):
                await _end(process)


async def _start(hop: Hop, ground: Ground, arguments: Sequence[str]) -> asyncio.subprocess.Process:
    home = {"HOME": str(ground.directory), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": ""}
    with (ground.directory / "output.log").open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *(require_component(hop.program), *arguments),
            cwd=ground.directory,
            env={**os.environ, **home},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )


async def _ready(running: RunningHop) -> bool:
    """Whether it passes requests on; False: it has ended, or time is up."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LIMIT_SECONDS):
            while running.process.returncode is None:
                with contextlib.suppress(OSError, AssertionError):
                    if (await fetch(running.port, running.trust, READY_PATH)).status == 404:
                        return True
                await asyncio.sleep(0.02)
    return False


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it at once: what it would do for its streams on a gentle signal is not asked."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if process.returncode is None and (not children.exists() or children.read_text()):
        # nginx's and HAProxy's masters take their workers along on SIGTERM only; others would wait for clients.
        process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await process.wait()
    if process.returncode is None:
        process.kill()
    await process.wait()
