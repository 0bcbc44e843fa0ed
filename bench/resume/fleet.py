"""Some replicas of the proxy on one store, in front of one upstream, each a process."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator, Sequence

from ..peers import PEERS
from ..servers import Running, running
from .variants import with_flags

__all__ = ["Fleet", "fleet"]

#: Shorter than by default, so that a drain is over before the streams are.
_DRAIN = ("--drain-delay-seconds", "1", "--drain-seconds", "4")


class Fleet:
    """The replicas, as a load balancer without health checks knows them: it sends clients to dead ones too."""

    def __init__(self, replicas: Sequence[Running]) -> None:
        self._replicas = replicas
        self.ports = [replica.port for replica in replicas]

    def kill(self) -> None:
        """Take the first one away without a word."""
        os.kill(self._replicas[0].pid, signal.SIGKILL)

    def drain(self) -> None:
        """Ask the first one to end."""
        os.kill(self._replicas[0].pid, signal.SIGTERM)


@contextlib.contextmanager
def fleet(count: int, upstream_port: int, redis_url: str, cores: Sequence[int]) -> Generator[Fleet]:
    """*count* replicas on *cores* by turns, for as long as the block runs."""
    peer = with_flags(PEERS["sse-proxy"], "--resume", redis_url, *_DRAIN)
    with contextlib.ExitStack() as stack:
        yield Fleet([stack.enter_context(running(peer, upstream_port, cores[n % len(cores)])) for n in range(count)])
