"""A listening socket with TLS, of which a connection counts from its accept on and not only after its handshake.

`asyncio.Server` tells nobody of a handshake that is under way. It has a descriptor all the same, for a minute, so that
who opens connections and never shakes hands would take all of them, the admin port's too. Hence accepting is done
here, and the rest by ``connect_accepted_socket``, which asyncio and uvloop document for that purpose; it returns, or
raises, when the handshake is over, however it ended.

No more than `BATCH` are accepted in one turn of the event loop, each of them counted or closed before the next: a
burst takes no descriptors either.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from .core.admission import MESSAGES, Refusal
from .sockets import OUT_OF_DESCRIPTORS, reset_when_closed

__all__ = ["BATCH", "RETRY_SECONDS", "TLSServer"]

#: Connections taken in one turn of the event loop: a millisecond of a flood.
BATCH = 64

#: Until accepting is tried again, where the process or the machine has nothing left for a connection; as asyncio.
RETRY_SECONDS = 1.0

_OUT_OF_RESOURCES = OUT_OF_DESCRIPTORS | {errno.ENOBUFS, errno.ENOMEM}

logger = logging.getLogger("sse_proxy")


class TLSServer:
    """Accepts on *listening* from now on until `close`, which closes that socket; for the running event loop.

    *make_protocol*: of a connection, which it learns of when the handshake is done. *has_room*: whether one more may
    shake hands beside so many; where not, the connection is reset, and *turned_away* called if there is one.
    *handshake_seconds*: how long one may take.
    """

    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext,
        make_protocol: Callable[[], asyncio.Protocol],
        *,
        has_room: Callable[[int], bool],
        turned_away: Callable[[], None] | None,
        handshake_seconds: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listening = listening
        self._has_room = has_room
        self._turned_away = turned_away
        self._shake_hands = partial(
            self._loop.connect_accepted_socket,
            make_protocol,
            ssl=context,
            ssl_handshake_timeout=handshake_seconds,
        )
        self._handshakes: set[asyncio.Task[None]] = set()
        #: Accepted in this turn: their handshakes have not begun, so that no transport closes them.
        self._waiting: set[socket.socket] = set()
        self._retry: asyncio.TimerHandle | None = None
        listening.setblocking(False)  # noqa: FBT003 -- the socket module's way
        self._begin()

    @property
    def handshakes(self) -> int:
        """How many are under way."""
        return len(self._handshakes)

    def close(self) -> None:
        """Accept no more, and drop who has not shaken hands; the other connections stay. Idempotent."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._listening.fileno() != -1:
            self._loop.remove_reader(self._listening)
            self._listening.close()  # else the kernel goes on taking connections that nobody accepts
        for handshake in self._handshakes:
            handshake.cancel()

    async def wait_closed(self) -> None:
        """Return when no handshake is under way; to be called after `close`."""
        if self._handshakes:
            await asyncio.wait(self._handshakes)

    def _begin(self) -> None:
        self._retry = None
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        for _ in range(BATCH):
            try:
                connection = self._listening.accept()[0]
            except OSError as error:  # nobody is there, or no more, or accept(2) hands over a connection's own error
                if error.errno in _OUT_OF_RESOURCES:
                    self._pause(error)
                return
            if self._has_room(len(self._handshakes)):
                self._waiting.add(connection)
                handshake = self._loop.create_task(self._handshake(connection))
                self._handshakes.add(handshake)
                handshake.add_done_callback(partial(self._ended, connection))
            else:
                self._reset(connection)

    def _reset(self, connection: socket.socket) -> None:
        # What it may have said stays unread, so that a close is a reset anyway, but not always at once.
        logger.warning("%s", f"reset before its TLS handshake ({MESSAGES[Refusal.OPEN_FILES]})")  # summed up (`logs`)
        if self._turned_away is not None:
            self._turned_away()
        reset_when_closed(connection)
        connection.close()

    def _pause(self, error: OSError) -> None:
        """Not to be told again and again, as fast as the loop can turn, that somebody waits."""
        logger.error("%s", f"cannot accept connections: {error.strerror}")
        self._loop.remove_reader(self._listening)
        self._retry = self._loop.call_later(RETRY_SECONDS, self._begin)

    async def _handshake(self, connection: socket.socket) -> None:
        self._waiting.discard(connection)
        with suppress(OSError):  # the client's affair: it has left, is late, or does not speak (our) TLS
            await self._shake_hands(connection)

    def _ended(self, connection: socket.socket, handshake: asyncio.Task[None]) -> None:
        self._handshakes.discard(handshake)
        if connection in self._waiting:
            self._waiting.discard(connection)
            connection.close()
