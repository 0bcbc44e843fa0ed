"""News from Redis, by pub/sub: one connection a process, for any number of streams.

A message only says where to look, so none has to arrive: whoever listens looks again now and then all the same. What
may have happened before a subscription took effect is looked for when it does, since its confirmation rings as well.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from .cancelling import not_swallowing
from .link import FAILURES, Link

__all__ = ["Doorbell"]

Handler = Callable[[bytes], None]

#: Before the next try to connect.
_RETRY_SECONDS = 0.5
#: How long one look for messages lasts; in between the connection's health is checked.
_LOOK_SECONDS = 2.0


class Doorbell:
    """Calls the handler of a channel with each message, and with an empty one when something may have been missed."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._handlers: dict[str, Handler] = {}
        # None while there is no connection.
        self._pubsub: Any = None
        # What was asked for at this connection.
        self._subscribed: set[str] = set()

    async def listen(self, channel: str, handler: Handler) -> None:
        """Hear *channel* from now on; without a connection, as soon as there is one."""
        self._handlers[channel] = handler
        await self._subscribe()

    def leave(self, channel: str) -> None:
        """Hear *channel* no more; Redis is told at the next `tidy`."""
        self._handlers.pop(channel, None)

    async def tidy(self) -> None:
        """Tell Redis which channels nobody listens to any more."""
        if self._pubsub is not None and (unwanted := self._subscribed - self._handlers.keys()):
            self._subscribed -= unwanted
            await self._try(self._pubsub.unsubscribe(*unwanted))

    async def run(self) -> None:
        """Listen for ever; reconnects."""
        while True:
            try:
                await self._listen()
            except FAILURES:
                self._subscribed.clear()
                self._pubsub = None
                await asyncio.sleep(_RETRY_SECONDS)

    async def _listen(self) -> None:
        pubsub = await self._link.pubsub()
        # Its connection is not shared before it has its first subscriptions.
        wanted = set(self._handlers)
        await not_swallowing(pubsub.subscribe(*wanted))
        self._subscribed, self._pubsub = wanted, pubsub
        await self._subscribe()
        while True:
            message = await not_swallowing(pubsub.get_message(timeout=_LOOK_SECONDS))
            if message is not None and message["type"] in {"message", "subscribe"}:
                handler = self._handlers.get(message["channel"].decode("ascii"))
                if handler is not None:
                    handler(message["data"] if message["type"] == "message" else b"")

    async def _subscribe(self) -> None:
        if self._pubsub is not None and (missing := self._handlers.keys() - self._subscribed):
            self._subscribed |= missing
            await self._try(self._pubsub.subscribe(*missing))

    async def _try(self, sending: Any) -> None:
        # `run` meets the same failure, and subscribes to everything anew.
        with contextlib.suppress(*FAILURES):
            await not_swallowing(sending)
