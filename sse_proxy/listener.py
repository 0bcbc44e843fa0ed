"""One listening socket and its app: a `uvicorn.Server` that leaves signals to others and whose end is bounded.

uvicorn by itself waits for open responses for ever, and a client that does not read keeps its connection open.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Generator
from functools import partial
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from .client_protocol import HEAD_SECONDS, ClientProtocol
from .core.ledger import Ledger
from .settings import Settings, SettingsError
from .sockets import BACKLOG, Address, address_of, connections_limit, told_above
from .tls_server import TLSServer

__all__ = ["FLUSH_SECONDS", "Listener", "StartupFailed"]

#: How long the last bytes may take to leave, and tasks to notice the end, once the listener closes.
FLUSH_SECONDS = 1

_POLL_SECONDS = 0.02


class _Config(uvicorn.Config):
    """What connections are made with, by uvicorn; it leaves them no other way to be told something of ours."""

    ledger: Ledger | None = None
    #: 0 is no limit.
    max_connections = 0
    #: Gets the status of each answer that no application gave, as there was no request.
    count_unasked: Callable[[int], None] | None = None
    #: Called for each connection for which there was no room.
    count_turned_away: Callable[[], None] | None = None


class StartupFailed(RuntimeError):
    """The lifespan of an app did not start; its own error is in the log."""


class Listener(uvicorn.Server):
    """Serves *app* on the bound socket *listening* between `start` and `stop`, and owns that socket.

    *lifespan* as in uvicorn: with ``on`` an app that does not start is an error. *is_public*: TLS as in *settings*.
    *ledger*: where is counted what waits for clients. *count_unasked*: gets the status of what no app has answered.
    *count_turned_away*: is called for each connection above the limit, in its TLS handshake or after it.

    Raises:
        SettingsError: a TLS file does not hold what it should.
    """

    def __init__(
        self,
        app: ASGIApp,
        listening: socket.socket,
        settings: Settings,
        *,
        lifespan: Literal["on", "off", "auto"],
        is_public: bool = False,
        ledger: Ledger | None = None,
        count_unasked: Callable[[int], None] | None = None,
        count_turned_away: Callable[[], None] | None = None,
    ) -> None:
        config = _config(app, settings, lifespan=lifespan, is_public=is_public)
        config.ledger = ledger
        config.count_unasked = count_unasked
        config.count_turned_away = count_turned_away
        config.max_connections = connections_limit() if is_public else 0  # the admin port has what is spare
        super().__init__(config)
        self.address: Address = address_of(listening)
        #: Ends with the listener, by itself only when something is broken; None before `start`.
        self.task: asyncio.Task[None] | None = None
        self._listening = listening
        self._is_up = asyncio.Event()

    @property
    def requests(self) -> frozenset[asyncio.Task[None]]:
        """A snapshot of the requests being served."""
        return frozenset(self.server_state.tasks)

    async def start(self) -> None:
        """Return as soon as connections are accepted.

        Raises:
            StartupFailed: the app's lifespan failed.
        """
        self.task = asyncio.create_task(self.serve(sockets=[self._listening]))
        is_up = asyncio.create_task(self._is_up.wait())
        await asyncio.wait({self.task, is_up}, return_when=asyncio.FIRST_COMPLETED)
        is_up.cancel()
        if self.task.done():
            self.task.result()

    async def stop(self) -> None:
        """Close the socket and all connections, within some seconds, and shut the app's lifespan down."""
        self.should_exit = True
        if self.task:
            await self.task
        self._listening.close()

    def close_idle(self) -> None:
        """Close the connections between two requests, the others after their response; go on accepting new ones."""
        for connection in self._connections:
            # A connection without any request yet may have one under way, which a close would lose.
            if connection.cycle is not None:
                connection.shutdown()

    def abort(self) -> None:
        """Drop the socket, all connections and the app at once."""
        for server in getattr(self, "servers", ()):
            server.close()
        self._listening.close()
        for connection in self._connections:
            connection.abort()
        if self.task:
            self.task.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals are `server.serve`'s, one place for all listeners."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Newer versions of uvicorn exit, which would end the event loop in the middle of the other listeners.
        with contextlib.suppress(SystemExit):
            await super().startup([] if self.config.ssl else sockets)
        if not self.started:
            raise StartupFailed("the application did not start")
        if self.config.ssl:
            self.servers.append(self._with_tls(self.config.ssl))  # type: ignore[arg-type]  # it is only closed
        self._is_up.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)  # connections whose handshake was done in this moment close by themselves
        for connection in self._connections:
            connection.shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FLUSH_SECONDS):
                while self._connections:  # noqa: ASYNC110 -- uvicorn has no event for it
                    await asyncio.sleep(_POLL_SECONDS)
        for connection in self._connections:
            connection.abort()
        await super().shutdown(sockets)

    def _with_tls(self, context: ssl.SSLContext) -> TLSServer:
        """What accepts connections in uvicorn's stead, and tells it of them after the handshake, as ever."""
        return TLSServer(
            self._listening,
            context,
            partial(ClientProtocol, self.config, self.server_state, self.lifespan.state),
            has_room=self._has_room,
            turned_away=self.config.count_turned_away,  # type: ignore[attr-defined]  # `_Config`
            # The longest head there may be: one that a client does not begin is no better than one it does not end.
            handshake_seconds=min(HEAD_SECONDS, self.config.timeout_keep_alive),
        )

    def _has_room(self, handshakes: int) -> bool:
        """Whether one more connection may begin its TLS handshake beside so many *handshakes*."""
        limit = int(self.config.max_connections)  # type: ignore[attr-defined]  # `_Config`
        return limit == 0 or len(self.server_state.connections) + handshakes < limit + told_above(limit)

    @property
    def _connections(self) -> list[ClientProtocol]:
        return [one for one in self.server_state.connections if isinstance(one, ClientProtocol)]


def _config(app: ASGIApp, settings: Settings, *, lifespan: Literal["on", "off", "auto"], is_public: bool) -> _Config:
    tls = is_public and settings.tls_cert_file is not None
    config = _Config(
        app,
        interface="asgi3",
        http=ClientProtocol,
        ws="none",
        lifespan=lifespan,
        backlog=BACKLOG,
        timeout_keep_alive=settings.keep_alive_seconds,  # type: ignore[arg-type]  # call_later takes fractions
        timeout_graceful_shutdown=FLUSH_SECONDS,
        proxy_headers=False,  # it would trust loopback; trusted_proxies decide
        forwarded_allow_ips="",  # else uvicorn reads the environment
        workers=1,  # as forwarded_allow_ips
        server_header=False,
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,  # its progress messages are told by us, once for all listeners
        ssl_certfile=settings.tls_cert_file if tls else None,
        ssl_keyfile=settings.tls_key_file if tls else None,
        ssl_ca_certs=str(settings.tls_client_ca_file) if tls and settings.tls_client_ca_file else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if tls and settings.tls_client_ca_file else ssl.CERT_NONE,
    )
    try:
        config.load()
    except OSError as error:  # SSLError is one
        raise SettingsError(
            f'tls_cert_file: got "{settings.tls_cert_file}", expected a PEM certificate and its key: {error}'
        ) from error
    return config
