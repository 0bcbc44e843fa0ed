"""A real redis-server for one test module, and what can be done to it."""

from __future__ import annotations

import platform
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import redis
import trustme

from sse_proxy.replay.redis.journal import RedisJournal

from .conftest import LIMIT_SECONDS, free_port, require_component

#: Between two beats of the journals under test.
BEAT_SECONDS = 0.2
#: Where the store does not fail: more than a busy machine makes anybody wait.
TIMEOUT_SECONDS = 3.0
#: Where it does, and that is waited for.
SHORT_TIMEOUT_SECONDS = 0.4

#: Besides the system's: the oldest that is promised, and the fork. There are no others of these than for this machine.
OTHER_SERVERS = ("redis-server-6.2", "valkey-server") if platform.machine() == "x86_64" else ()


class RedisServer:
    """A server on a port of its own.

    Args:
        directory: For its log, and what it writes down.
        flags: Added to each start.
        program: A component: of which make and version.
        authority: The server takes TLS only, with a certificate of this one's, which is left in *directory*.
    """

    def __init__(
        self, directory: Path, *flags: str, program: str = "redis-server", authority: trustme.CA | None = None
    ) -> None:
        self._program = require_component(program)
        self._directory = directory
        self._flags = flags
        self._ca_file = directory / "ca.pem" if authority is not None else None
        if authority is not None:
            authority.cert_pem.write_to_path(directory / "ca.pem")
            authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(directory / "server.pem")
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def client(self) -> redis.Redis:
        """A connection that is not the journal's, to look with; close it."""
        return redis.Redis.from_url(self.url(), decode_responses=True)

    def url(self, scheme: str = "redis") -> str:
        """Where it is; its kind of TLS is part of that."""
        if self._ca_file is None:
            return f"{scheme}://127.0.0.1:{self.port}"
        return f"rediss://127.0.0.1:{self.port}?ssl_ca_certs={self._ca_file}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        # Small nodes, so that approximate trimming shows with few events.
        with (self._directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(self._program, *self._listening(), "--bind", "127.0.0.1", "--save", ""),
                    *("--dir", str(self._directory), "--stream-node-max-entries", "4", *self._flags),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < deadline, (self._directory / "log").read_text()
                time.sleep(0.01)
            else:
                return

    def _listening(self) -> list[str]:
        if self._ca_file is None:
            return ["--port", str(self.port)]
        own = str(self._directory / "server.pem")
        files = ["--tls-ca-cert-file", str(self._ca_file), "--tls-cert-file", own, "--tls-key-file", own]
        return ["--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no", *files]

    def signal(self, number: signal.Signals) -> None:
        """Pause it (SIGSTOP) or let it run on (SIGCONT)."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it with all that it knows, unless *flags* made it write that down."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, *command: object) -> Any:
        """The reply to one command."""
        with self.client as client:
            return client.execute_command(*command)

    def lifetimes(self) -> dict[str, int]:
        """Every key with its time to live in milliseconds; -1: for ever."""
        with self.client as client:
            return {key: client.pttl(key) for key in client.scan_iter(count=1000)}


@contextmanager
def redis_server(directory: Path, *flags: str, **kind: Any) -> Iterator[RedisServer]:
    """A server that is gone at the end, whatever was done to it; the arguments are those of `RedisServer`."""
    server = RedisServer(directory, *flags, **kind)
    try:
        yield server
    finally:
        server.kill()


def redis_journal(
    server: RedisServer,
    clock: Callable[[], float] = time.monotonic,
    *,
    scheme: str = "redis",
    ttl_seconds: float = 300.0,
    stream_bytes: int = 10**6,
    total_bytes: int = 10**7,
    connections: int = 8,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> RedisJournal:
    """A journal of a replica of its own, with a quick pulse; close it."""
    return RedisJournal(
        server.url(scheme),
        ttl_seconds=ttl_seconds,
        stream_bytes=stream_bytes,
        total_bytes=total_bytes,
        clock=clock,
        connections=connections,
        timeout_seconds=timeout_seconds,
        beat_seconds=BEAT_SECONDS,
    )


#: Makes journals as `redis_journal` does.
Replicas = Callable[..., RedisJournal]


@asynccontextmanager
async def replicas_on(server: RedisServer, **all_have: Any) -> AsyncIterator[Replicas]:
    """What makes replicas on *server*, with what *all_have*; they are closed at the end, however the test ends."""
    async with AsyncExitStack() as closing:

        def make(clock: Callable[[], float] = time.monotonic, **bounds: Any) -> RedisJournal:
            journal = redis_journal(server, clock, **{**all_have, **bounds})
            closing.push_async_callback(journal.close)
            return journal

        yield make
