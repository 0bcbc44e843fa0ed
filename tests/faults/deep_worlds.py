"""The worlds of the resolver, of TLS, of the store and of the kernel: each knows what its cells may `Do`."""

from __future__ import annotations

import asyncio
import datetime as dt
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import trustme

from ..redis_server import redis_server
from .ends import LIMIT_SECONDS
from .network_faults import NAME
from .proxies import Proxy, proxy
from .relay import PASSING, Manner, Relay
from .upstream import Upstream, upstream
from .worlds import HASTY, PATIENT, World, deaf_port

__all__ = ["dns_world", "kernel_world", "store_world", "tls_world"]


#: Only connecting is what the cells of a resolver and of TLS run out of time for.
_PATIENT_ONCE_CONNECTED = (*PATIENT, "--connect-timeout-seconds", "3")


@asynccontextmanager
async def dns_world() -> AsyncIterator[World]:
    """The upstream has a name, whose resolution is scripted in the proxy's process."""
    async with AsyncExitStack() as stack:
        playing = await stack.enter_async_context(upstream())
        stack.enter_context(deaf_port("127.0.0.3", playing.port))
        running = await stack.enter_async_context(proxy(f"http://{NAME}:{playing.port}", *_PATIENT_ONCE_CONNECTED))

        async def act(action: str) -> None:
            await running.ask(action)

        yield World("dns", running, playing, "fault", port=running.port, act=act)


@asynccontextmanager
async def tls_world() -> AsyncIterator[World]:
    """The upstream speaks TLS, well or badly; a relay leads to the one that the cell asks for."""
    authority, stranger = trustme.CA(), trustme.CA()
    past = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)
    good = authority.issue_cert(NAME)
    contexts = {
        "good": _context(good),
        "stranger": _context(stranger.issue_cert(NAME)),
        "expired": _context(authority.issue_cert(NAME, not_before=past, not_after=past + dt.timedelta(days=1))),
        "other name": _context(authority.issue_cert("other.test")),
        "wants certificate": _context(good, asks=stranger),
    }
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sse-proxy-faults-")))
        authority.cert_pem.write_to_path(directory / "ca.pem")
        playing = await stack.enter_async_context(upstream(context=contexts["good"]))
        ports = {"good": playing.port}
        for name, context in list(contexts.items())[1:]:
            ports[name] = (await stack.enter_async_context(_beside(playing, context))).port
        relay = await stack.enter_async_context(Relay(playing.port))
        running = await stack.enter_async_context(
            proxy(
                f"https://{NAME}:{relay.port}",
                *_PATIENT_ONCE_CONNECTED,
                "--upstream-ca-file",
                str(directory / "ca.pem"),
            )
        )
        await running.ask(f'names {{"{NAME}": {{"addresses": ["127.0.0.1"]}}}}')

        async def act(action: str) -> None:
            relay.target_port = ports.get(action, playing.port)
            relay.manner = _HANDSHAKES.get(action, PASSING)

        yield World("tls", running, playing, "fault", port=running.port, act=act)


_HANDSHAKES = {
    "stalls": Manner(is_hole_towards=frozenset({"caller", "target"})),
    "resets": Manner(welcome="reset"),
    "closes": Manner(welcome="close"),
    # RFC 8446 § 6.2: fatal, protocol_version.
    "old": Manner(welcome="noise", noise=b"\x15\x03\x01\x00\x02\x02\x46"),
    "plain": Manner(welcome="noise", noise=b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"),
}


def _context(cert: trustme.LeafCert, *, asks: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    if asks is not None:
        asks.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def _beside(playing: Upstream, context: ssl.SSLContext) -> AsyncIterator[Upstream]:
    """Another upstream with the same scripts."""
    async with upstream(context=context) as other:
        other.scripts, other.stages, other.seen, other.reads = (
            playing.scripts,
            playing.stages,
            playing.seen,
            playing.reads,
        )
        yield other


@asynccontextmanager
async def store_world() -> AsyncIterator[World]:
    """Streams are kept in a Redis, behind a relay."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sse-proxy-faults-")))
        server = stack.enter_context(redis_server(directory))
        relay = await stack.enter_async_context(Relay(server.port))
        playing = await stack.enter_async_context(upstream())
        flags = (*PATIENT, "--resume", f"redis://127.0.0.1:{relay.port}", "--resume-ttl-seconds", "5")
        running = await stack.enter_async_context(proxy(f"http://127.0.0.1:{playing.port}", *flags))

        async def act(action: str) -> None:
            if action == "heal":
                relay.manner = PASSING
                await relay.listen()
                await _heals(running)
                return
            relay.manner = _STORE_MANNERS.get(action, PASSING)
            if action in {"refuses", "sends garbage", "sends too much"}:
                relay.reset()
            if action == "refuses":
                relay.refuse()
            elif action == "resets":
                relay.reset()
            elif action == "half-closes":
                relay.half_close("caller")

        yield World("store", running, playing, "one", port=running.port, act=act, allowance=_KEEPING)


#: Begun with the first kept stream, and there for as long as the process: the parts of the journal, its connections.
_KEEPING = {"task _keep_up": 3, "descriptors": 32}

_STORE_MANNERS = {
    "resets": Manner(welcome="reset"),
    "half-closes": Manner(welcome="close"),
    "black-holes": Manner(is_hole_towards=frozenset({"caller", "target"})),
    "trickles one byte a second": Manner(piece_bytes=1, pause_seconds=1.0),
    "sends garbage": Manner(noise=b"\x00\x01 no RESP at all\r\n"),
    "sends too much": Manner(noise=b"$900000000\r\n" + b"m" * 1_000_000),
}


async def _heals(running: Proxy) -> None:
    """Wait until the proxy uses the store again: it knows that there is no such stream."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while (await running.get("/-/sse-proxy/streams/" + "0" * 32, port=running.port))[0] != 404:
            await asyncio.sleep(0.1)


@asynccontextmanager
async def kernel_world() -> AsyncIterator[World]:
    """Only as root in a network namespace of one's own (`kernel`): what is done there is done to all of it."""
    async with upstream() as playing, proxy(f"http://127.0.0.1:{playing.port}", *HASTY) as running:

        async def act(action: str) -> None:
            for command in _commands(action, running.port, playing.port):
                process = await asyncio.create_subprocess_exec(
                    *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
                )
                assert await process.wait() == 0 or action == "tidy", command

        yield World("kernel", running, playing, "fault", port=running.port, act=act, tidies=True)


def _commands(action: str, proxy_port: int, upstream_port: int) -> list[list[str]]:
    iptables, ss, tc = (shutil.which(name) or name for name in ("iptables", "ss", "tc"))
    drop = [iptables, "-w", "-I", "INPUT", "1", "-p", "tcp"]
    return {
        "tidy": [[iptables, "-w", "-F"], [tc, "qdisc", "del", "dev", "lo", "root"]],
        "drop connecting": [[*drop, "--dport", str(upstream_port), "--syn", "-j", "DROP"]],
        "drop upstream": [[*drop, "--sport", str(upstream_port), "-j", "DROP"]],
        "drop client": [[*drop, "--sport", str(proxy_port), "-j", "DROP"]],
        "reset upstream": [[ss, "-K", "state", "established", "dst", f"127.0.0.1:{upstream_port}"]],
        "reset client": [[ss, "-K", "state", "established", "dst", f"127.0.0.1:{proxy_port}"]],
        "throttle": [
            [tc, "qdisc", "replace", "dev", "lo", "root", "tbf", "rate", "64kbit", "burst", "4kb", "latency", "400ms"],
        ],
    }[action]
