"""Where to connect: a host's addresses, and the first of them that answers (RFC 8305, "happy eyeballs", § 4 and § 5).

Ours, since uvloop's `create_connection` tries one address after the other, each as long as the kernel likes, so that
one dead IPv6 route uses up the whole connect timeout. Departure: no second resolution while the first runs (§ 3).
"""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

__all__ = ["ATTEMPT_DELAY_SECONDS", "connect_first", "interleave", "resolve"]

#: RFC 8305 § 5: "Connection Attempt Delay".
ATTEMPT_DELAY_SECONDS = 0.25

Made = TypeVar("Made")


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of *host*, a name or a literal, as literals in the order in which to try them.

    Raises:
        OSError: there is none.
        UnicodeError: *host* cannot be a name.
    """
    try:  # a literal needs no resolver, which would be a thread
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return interleave([(family, _literal(address)) for family, _, _, _, address in found])


def interleave(addresses: Sequence[tuple[int, str]]) -> list[str]:
    """Addresses with their families taking turns, the resolver's first choice first (RFC 8305 § 4)."""
    families = dict.fromkeys(family for family, _ in addresses)
    queues = [[address for member, address in addresses if member == family] for family in families]
    return [address for turn in itertools.zip_longest(*queues) for address in turn if address is not None]


async def connect_first(
    addresses: Sequence[str],
    connect: Callable[[str], Coroutine[Any, Any, Made]],
    discard: Callable[[Made], object],
    *,
    delay_seconds: float = ATTEMPT_DELAY_SECONDS,
) -> Made:
    """What *connect* made of the first of *addresses* that answers; every other attempt is cancelled or discarded.

    The next attempt begins when the last one has failed, or has given no answer for *delay_seconds*.

    Raises:
        OSError: there are no addresses.
        Any error of *connect*: the last one, when all have failed.
    """
    if len(addresses) == 1:
        return await connect(addresses[0])
    remaining = iter(addresses)
    running: set[asyncio.Task[Made]] = set()
    error: BaseException = OSError("no address")
    try:
        while True:
            address = next(remaining, None)
            if address is not None:
                running.add(asyncio.create_task(connect(address)))
            if not running:
                raise error
            timeout = None if address is None else delay_seconds
            done, running = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                failure = task.exception()
                if failure is None:
                    running |= done - {task}
                    return task.result()
                error = failure
    finally:
        await _end(running, discard)


async def _end(tasks: set[asyncio.Task[Made]], discard: Callable[[Made], object]) -> None:
    def ended(task: asyncio.Task[Made]) -> None:
        if not task.cancelled() and task.exception() is None:
            discard(task.result())

    for task in tasks:
        # A callback, for it also runs when this is cancelled a second time while it waits.
        task.add_done_callback(ended)
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def _literal(address: Sequence[str | int] | tuple[int, bytes]) -> str:
    """The host of a socket address, with the zone that a link-local IPv6 address needs (RFC 6874)."""
    zone = f"%{address[3]}" if len(address) == 4 and address[3] else ""
    return f"{address[0]!s}{zone}"
