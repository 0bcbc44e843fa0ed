"""The life of the process: listeners in one event loop, signals, exit code.

The first SIGTERM or SIGINT begins the drain (`drain.drain`), which ends with exit code 0. A second one of either kind
ends the process at once, with 128 + its number, as a shell tells of a program that died of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

from starlette.types import ASGIApp

from .core.admission import Refusal
from .core.ledger import Ledger
from .drain import drain
from .lifecycle import Lifecycle
from .listener import Listener, StartupFailed
from .logs import flush
from .metrics.base import Metrics
from .settings import Settings
from .sockets import Address, listen, raise_open_files_limit

__all__ = ["TERMINAL_DRAIN_SECONDS", "Bound", "background", "serve"]

#: The most that ``drain_seconds`` is after Ctrl-C on a terminal, where nobody wants to wait; the delay is 0 then.
TERMINAL_DRAIN_SECONDS = 2.0

_EXIT_BROKEN = 1
_EXIT_STARTUP_FAILED = 3  # as uvicorn
_EXIT_SIGNAL = 128
_LAG_INTERVAL_SECONDS = 1.0
#: How much later than we the kernel drops a client that takes nothing: we reset the connection, and so tell the client;
#: it just forgets it. It comes first where the answer is so slow that its buffers have not filled up yet.
_KERNEL_GRACE_SECONDS = 2.0

_T = TypeVar("_T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Where the listeners are, with the real port for one that was 0."""

    traffic: Address
    admin: Address | None
    extra: tuple[Address, ...]


async def serve(
    traffic: ASGIApp,
    admin: ASGIApp | None,
    settings: Settings,
    *,
    lifecycle: Lifecycle,
    metrics: Metrics,
    on_ready: Callable[[Bound], None] | None = None,
    extra: Sequence[tuple[ASGIApp, socket.socket]] = (),
    stop: asyncio.Event | None = None,
) -> int:
    """Serve until a signal or *stop*, drain, and return the exit code.

    It is 0 after a drain, whether streams had to be cut or not; 128 + n when a second signal n came, and then requests
    may still be open: leave without waiting for their tasks; 3 when the lifespan of *traffic* failed; 1 when a listener
    broke. *extra* are apps on listening sockets of their own, which `serve` closes. *on_ready* is called once all of
    them accept. Signals are handled in the main thread only.

    Raises:
        SettingsError: an address cannot be listened on, or a TLS file does not hold what it should.
    """
    raise_open_files_limit()
    with contextlib.ExitStack() as stack:
        for _app, listening in extra:
            stack.callback(listening.close)
        public, *others = _listeners(traffic, admin, settings, extra, stack, lifecycle.ledger, metrics)
        signals = stack.enter_context(_Signals(stop or asyncio.Event()))
        async with background(_look(metrics, lifecycle)):
            try:
                for listener in (public, *others):
                    await listener.start()
                if on_ready:
                    on_ready(_bound(public, others, has_admin=admin is not None))
                return await _run(public, others, settings, lifecycle, signals)
            except StartupFailed as error:
                logger.critical("%s", error)
                return _EXIT_STARTUP_FAILED
            finally:
                await _abort((public, *others))


class _Signals:
    """SIGTERM and SIGINT as events: the first one is *stop*, which a program may also set, the second is `again`."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.stop = stop
        self.again = asyncio.Event()
        #: The number of the last signal; 0 before one.
        self.number = 0
        self._loop = asyncio.get_running_loop()
        self._handled = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()

    def __enter__(self) -> Self:
        for number in self._handled:
            self._loop.add_signal_handler(number, self._receive, number)
        return self

    def __exit__(self, *_exception: object) -> None:
        for number in self._handled:
            self._loop.remove_signal_handler(number)

    def _receive(self, number: int) -> None:
        self.number = number
        (self.again if self.stop.is_set() else self.stop).set()


def _listeners(
    traffic: ASGIApp,
    admin: ASGIApp | None,
    settings: Settings,
    extra: Sequence[tuple[ASGIApp, socket.socket]],
    stack: contextlib.ExitStack,
    ledger: Ledger,
    metrics: Metrics,
) -> list[Listener]:
    """The public listener, the admin one if there is one, the extra ones; their sockets are closed by *stack*."""
    public = listen(
        settings.host,
        settings.port,
        name="port",
        send_buffer_bytes=settings.client_send_buffer_bytes,
        stall_timeout_seconds=settings.client_stall_timeout_seconds + _KERNEL_GRACE_SECONDS,
    )
    stack.callback(public.close)
    listeners = [
        Listener(
            traffic,
            public,
            settings,
            lifespan="on",
            is_public=True,
            ledger=ledger,
            count_unasked=partial(metrics.request, "gate"),
            count_turned_away=partial(metrics.refused, Refusal.OPEN_FILES),
        )
    ]
    if admin is not None:
        private = listen(settings.admin_host, settings.admin_port, name="admin_port")
        stack.callback(private.close)
        listeners.append(Listener(admin, private, settings, lifespan="off", ledger=ledger))
    return listeners + [Listener(app, one, settings, lifespan="auto", ledger=ledger) for app, one in extra]


def _bound(public: Listener, others: Sequence[Listener], *, has_admin: bool) -> Bound:
    addresses = tuple(listener.address for listener in others)
    return Bound(
        traffic=public.address,
        admin=addresses[0] if has_admin else None,
        extra=addresses[1:] if has_admin else addresses,
    )


async def _run(
    public: Listener, others: Sequence[Listener], settings: Settings, lifecycle: Lifecycle, signals: _Signals
) -> int:
    """Wait for the end, make it a gentle one, return the exit code."""
    serving = {listener.task for listener in (public, *others) if listener.task}
    async with background(signals.stop.wait()) as stopped:
        await asyncio.wait({stopped, *serving}, return_when=asyncio.FIRST_COMPLETED)
    if not signals.stop.is_set():
        logger.critical("a listener ended by itself")
        return _EXIT_BROKEN
    delay_seconds, drain_seconds = _drain_times(settings, signals.number)
    gentle = drain(public, others, lifecycle, delay_seconds=delay_seconds, drain_seconds=drain_seconds)
    async with background(gentle) as drained, background(signals.again.wait()) as again:
        await asyncio.wait({drained, again}, return_when=asyncio.FIRST_COMPLETED)
        if drained.done():
            drained.result()
            return 0
    logger.warning("second signal: ending at once, %d streams are dropped", len(lifecycle))
    return _EXIT_SIGNAL + signals.number


def _drain_times(settings: Settings, number: int) -> tuple[float, float]:
    """Delay and drain in seconds after signal *number*, 0 for none: the settings', but short after Ctrl-C."""
    if number == signal.SIGINT and _is_terminal():
        return 0.0, min(TERMINAL_DRAIN_SECONDS, settings.drain_seconds)
    return settings.drain_delay_seconds, settings.drain_seconds


def _is_terminal() -> bool:
    return any(stream is not None and not stream.closed and stream.isatty() for stream in (sys.stdin, sys.stderr))


async def _abort(listeners: Sequence[Listener]) -> None:
    """Drop what is left of *listeners*; after their `stop` nothing is."""
    for listener in listeners:
        listener.abort()
    tasks = [listener.task for listener in listeners if listener.task]
    await asyncio.gather(*tasks, return_exceptions=True)


async def _look(metrics: Metrics, lifecycle: Lifecycle) -> None:
    """Look at the load, for ever: how late the event loop is, and what is left in buffers that empty by themselves."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_INTERVAL_SECONDS
        await asyncio.sleep(_LAG_INTERVAL_SECONDS)
        lag = max(0.0, loop.time() - due)
        if lifecycle.lag.sample(lag, loop.time()):
            told = "new streams are refused" if lifecycle.lag.refuses else "new streams are let in again"
            logger.warning("the event loop is %.2f seconds late: %s", lag, told)
        lifecycle.ledger.measure()
        flush()
        metrics.loop_lag(lag)


@contextlib.asynccontextmanager
async def background(work: Coroutine[Any, Any, _T]) -> AsyncGenerator[asyncio.Task[_T], None]:
    """Run *work* beside the block, and no longer than it."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
