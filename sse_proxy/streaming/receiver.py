"""The receiving half of one request: look-ahead into the body, and notice of the client's departure at any time.

ASGI allows one coroutine to await ``receive()``, but two parties want it: the application reads the body, and we must
learn at once when the client leaves, or the upstream generates for nobody. So the application gets this object instead.
Until `Receiver.watch` messages go straight through; from then on one task asks the server, and the application is
handed what that task takes. It reads ahead of the application, within a bound: a client that leaves in the middle of
its upload is noticed behind what it has sent. (uvicorn's ``send`` after a disconnect is silent: DESIGN fact 8.)
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from starlette.types import Message, Receive, Scope

from ..core.headers import first
from ..core.ledger import Account, Ledger
from ..errors import UploadStalled
from ..flag import Flag

__all__ = ["MAX_AHEAD_BYTES", "Listener", "NoRoom", "Receiver"]

#: No more of a request body than this (and one message) is held for an application that does not ask for it.
MAX_AHEAD_BYTES = 1_048_576


class NoRoom(Exception):  # an error to whoever asks for it only: the request is refused
    """There is no room to look ahead any further (``max_buffer_bytes``)."""


class Listener(Protocol):
    """Who is told what the client does."""

    def on_upload(self) -> None:
        """A piece of the request body is with the application."""

    def on_request_complete(self) -> None:
        """The whole request is with the application; called once."""

    def on_disconnect(self) -> None:
        """The client has left; called once, and not after `Receiver.close`."""


class Receiver:
    """An ASGI ``receive`` with a look-ahead and a watch.

    Args:
        scope: ASGI; an HTTP/1 request without framing has no body (RFC 9112 § 6.3) and is complete from the start.
        receive: The server's.
        ledger: Where what is held is counted; while that is full, nothing is read ahead.
    """

    def __init__(self, scope: Scope, receive: Receive, ledger: Ledger | None = None) -> None:
        self._receive = receive
        self._listener: Listener | None = None
        #: Messages taken from the server that the application has not asked for yet.
        self._held: list[Message] = []
        self._room = Account(ledger)
        #: The last message of the body is taken from the server.
        self._complete = False
        self._announced = False
        self._gone = Flag()
        #: What the server's ``receive`` raised, for the application to hear.
        self._failure: Exception | None = None
        self._watcher: asyncio.Task[None] | None = None
        #: Somebody is inside the server's ``receive``: no second one may enter.
        self._busy = False
        #: Set when anything of the above has changed.
        self._changed = Flag()
        headers = scope["headers"]
        unframed = first(headers, b"transfer-encoding") is None and (first(headers, b"content-length") or b"0") == b"0"
        if unframed and scope["http_version"].startswith("1"):
            self._take({"type": "http.request", "body": b"", "more_body": False})

    @property
    def gone(self) -> bool:
        """Whether the client has left."""
        return self._gone.is_set()

    @property
    def complete(self) -> bool:
        """Whether the whole request has come."""
        return self._complete

    @property
    def is_starved(self) -> bool:
        """Whether the rest of the body is the client's to send: nothing of it waits here. Only while this watches."""
        return not (self._complete or self._held or self.gone)

    async def look_ahead(self, limit: int) -> bytes | None:
        """The whole body if it is not over *limit* bytes, else None; the application still gets every byte.

        At most *limit* bytes and one message more are held. Only before `watch`.

        Raises:
            NoRoom: all that is held together is too much, and this is no small part of it.
        """
        while not self._complete:
            if self.gone or self._room.bytes > limit:
                return None
            self._take(await self._receive())
            if self._room.must_stop:
                raise NoRoom
        return b"".join(message.get("body", b"") for message in self._held) if self._room.bytes <= limit else None

    async def __call__(self) -> Message:
        """The next message for the application; raises what the server's ``receive`` raised."""
        while not (self._held or self._complete or self.gone):
            if self._failure is not None:
                raise self._failure
            if self._watcher is None and not self._busy:
                await self._pull()
            else:
                await self._change()
        if self._held:
            return self._hand_over()
        if not self.gone:
            self.watch()
            await self._gone.wait()
        return {"type": "http.disconnect"}

    def take_rest(self, limit: int) -> bytes | None:
        """What the application has not had of the body, if all of it is there and not over *limit* bytes; else None.

        It counts as handed over.
        """
        if not self._held or not self._complete or self._room.bytes > limit:
            return None
        return b"".join([self._hand_over().get("body", b"") for _ in range(len(self._held))])

    def watch(self) -> None:
        """From now on notice the client's departure, whether or not the application listens."""
        if self._watcher is None and not self.gone:
            self._watcher = asyncio.get_running_loop().create_task(self._watch())

    def close(self) -> None:
        """The exchange is over: departures are of no interest any more."""
        # Who watches and who listens hold this too: cycles that would leave each request to the garbage collector.
        self._listener = None
        self._room.close()
        self._room = Account()  # what the application may still take is no business of the ledger's
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    def listen(self, listener: Listener) -> None:
        """Tell *listener* from now on; a request whose body is at hand counts as handed over, ask for it who may."""
        self._listener = listener
        if self._complete:
            self._announce()

    async def _watch(self) -> None:
        while not self.gone and self._failure is None:
            if self._busy or (self._is_ahead and not self._complete):
                await self._change()
            else:
                await self._pull()

    @property
    def _is_ahead(self) -> bool:
        """Whether enough is held for an application that does not ask for it."""
        held = self._room.bytes
        return held > (0 if self._room.ledger_is_full else MAX_AHEAD_BYTES)

    async def _pull(self) -> None:
        """Take one message from the server."""
        self._busy = True
        try:
            self._take(await self._receive())
        except Exception as error:  # noqa: BLE001  raised again by `__call__`, maybe in another task
            # Whoever has not taken what is held is not kept waiting by the client; departures are of interest still.
            if not (self._held and isinstance(error, UploadStalled)):
                self._failure = error
        finally:
            self._busy = False
            self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _take(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self._leave()
        elif not self._complete:
            self._complete = not message.get("more_body", False)
            self._held.append(message)
            self._room.add(len(message.get("body", b"")))

    def _hand_over(self) -> Message:
        message = self._held.pop(0)
        self._room.add(-len(message.get("body", b"")))
        self._changed.set()
        if self._listener is not None:
            self._listener.on_upload()
        if not message.get("more_body", False):
            self._announce()
        return message

    def _announce(self) -> None:
        if not self._announced and self._listener is not None:
            self._announced = True
            self._listener.on_request_complete()

    def _leave(self) -> None:
        if not self.gone:
            self._gone.set()
            if self._listener is not None:
                self._listener.on_disconnect()
