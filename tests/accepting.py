"""What raw servers of the tests have in common: a task for each connection, ended with the server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

__all__ = ["Accepting"]


@dataclass
class Accepting:
    """A server of which `serve` is left to say what it does with a connection."""

    _tasks: set[asyncio.Task[None]] = field(default_factory=set, init=False, repr=False)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection, in a task that `stop` ends."""
        task = asyncio.create_task(self.serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection to its end."""
        raise NotImplementedError

    async def stop(self) -> None:
        """End the connections that are left."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
