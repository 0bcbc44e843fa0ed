"""The connections of one process to its Redis: a bounded pool, one timeout for everything, and no waiting for the dead.

After a failure the link is down: whoever asks learns so at once, and only what is a probe (the pulse, the writer) is
tried, until one gets through. Probes have connections of their own: however many readers wait for a slow store, this
process goes on to show that it lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from redis import asyncio as aioredis
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisClusterException, RedisError, ResponseError

from ..base import Stats, StoreUnavailable
from .cancelling import not_swallowing
from .scripts import Call, Script

__all__ = ["FAILURES", "Link", "StoreRefused"]

#: What a store that is not there raises; that of a cluster is no `RedisError`. A write to a connection which is closed
#: already is a RuntimeError in uvloop.
FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError, RuntimeError)

_CLUSTER = "+cluster"
#: Probes at a time: a round of the writer and a beat of the pulse are one each, but in a cluster one a key.
_PROBES = 4


class StoreRefused(StoreUnavailable):
    """The store has answered, with an error: nothing of the call was done."""


class Link:
    """See the module header.

    Args:
        url: ``redis://``, ``rediss://``, or either with ``+cluster`` in its scheme.
        scripts: All that are going to be called.
        stats: Where errors are counted.
        clock: Monotonic seconds.
        connections: At a time, to one server, besides those of probes and the one for pub/sub.
        timeout_seconds: For a connection, and for a reply.

    Raises:
        ValueError: *url* is none.
    """

    def __init__(
        self,
        url: str,
        scripts: Sequence[Script],
        stats: Stats,
        clock: Callable[[], float],
        *,
        connections: int,
        timeout_seconds: float,
    ) -> None:
        self._texts: dict[object, str] = {script.sha: script.text for script in scripts}
        self._stats = stats
        self._clock = clock
        self._slots, self._probes = asyncio.Semaphore(connections), asyncio.Semaphore(_PROBES)
        self._down_since: float | None = None
        self._refused_since: float | None = None
        scheme, colon, rest = url.partition("://")
        self._is_cluster = scheme.endswith(_CLUSTER)
        self._url = scheme.removesuffix(_CLUSTER) + colon + rest
        self._options: dict[str, Any] = {
            "socket_timeout": timeout_seconds,
            "socket_connect_timeout": timeout_seconds,
            # What has to be tried again is tried again by whoever knows for how long.
            "retry": Retry(NoBackoff(), 0),
        }
        made_by = aioredis.RedisCluster if self._is_cluster else aioredis.Redis
        self._client: Any = made_by.from_url(self._url, max_connections=connections + _PROBES, **self._options)
        self._pubsub_client: Any = None

    @property
    def down_seconds(self) -> float:
        """How long nothing has got through; 0 while all is well."""
        return 0.0 if self._down_since is None else self._clock() - self._down_since

    @property
    def refused_seconds(self) -> float:
        """How long it has answered probes with errors, as one that is full does; 0 while all is well."""
        return 0.0 if self._refused_since is None else self._clock() - self._refused_since

    async def run(self, call: Call, *, probe: bool = False) -> Any:
        """The reply to *call*.

        Raises:
            StoreUnavailable: there is none.
        """
        async with self._probes if probe else self._slots:
            self._refuse_while_down(probe=probe)
            try:
                reply = await not_swallowing(self._execute(call))
            except FAILURES as error:
                if probe and self._refused_since is None and isinstance(error, ResponseError):
                    self._refused_since = self._clock()
                raise self._failed(error) from error
        self._down_since = None
        if probe:
            self._refused_since = None
        return reply

    async def run_all(self, calls: Sequence[Call], *, probe: bool = False) -> list[Any]:
        """The replies to *calls*, in few round trips; errors of single calls stand among them.

        Raises:
            StoreUnavailable: no connection.
        """
        if self._is_cluster:
            return list(await asyncio.gather(*(self.run(call, probe=probe) for call in calls), return_exceptions=True))
        async with self._probes if probe else self._slots:
            self._refuse_while_down(probe=probe)
            try:
                replies = await not_swallowing(self._execute_all(calls))
            except FAILURES as error:
                raise self._failed(error) from error
        self._down_since = None
        self._stats.store_errors += sum(isinstance(reply, Exception) for reply in replies)
        return replies

    async def pubsub(self) -> Any:
        """A subscription to any node, with a connection of its own; it ends with the next.

        Raises one of `FAILURES` where a cluster cannot be found.
        """
        await self._close_pubsub()
        options: dict[str, Any] = {**parse_url(self._url), **self._options}
        # All nodes of a cluster tell what is published at any of them; one that is known to be there is asked.
        if self._is_cluster:
            await self._client.initialize()
            node = self._client.get_random_node()
            options["host"], options["port"] = node.host, node.port
        pool = aioredis.ConnectionPool(max_connections=1, health_check_interval=5, **options)
        self._pubsub_client = aioredis.Redis(connection_pool=pool)
        return self._pubsub_client.pubsub()

    async def close(self) -> None:
        """Close all connections."""
        await self._close_pubsub()
        await self._client.aclose()

    async def _close_pubsub(self) -> None:
        if self._pubsub_client is not None:
            await self._pubsub_client.aclose()
            await self._pubsub_client.connection_pool.disconnect()
            self._pubsub_client = None

    async def _execute(self, call: Call) -> Any:
        try:
            return await self._client.execute_command(*call)
        except NoScriptError:
            # Redis forgets scripts when it starts anew; told in full it knows this one again.
            return await self._client.execute_command("EVAL", self._texts[call[1]], *call[2:])

    async def _execute_all(self, calls: Sequence[Call]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.execute_command(*call)
            replies: list[Any] = await pipeline.execute(raise_on_error=False)
        for index, reply in enumerate(replies):
            if isinstance(reply, NoScriptError):
                replies[index] = await self._execute(calls[index])
        return replies

    def _refuse_while_down(self, *, probe: bool) -> None:
        if self._down_since is not None and not probe:
            raise StoreUnavailable("the store is down")

    def _failed(self, error: Exception) -> StoreUnavailable:
        self._stats.store_errors += 1
        is_answer = isinstance(error, ResponseError)
        if not is_answer and self._down_since is None:
            self._down_since = self._clock()
        # No text of the error's: it may have the address in it, and the cause is chained.
        return (StoreRefused if is_answer else StoreUnavailable)(f"the store failed ({type(error).__name__})")
