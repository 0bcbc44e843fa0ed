"""The gentle end of the listeners.

    drain (readiness fails) ─delay▶ refuse (new requests get 503) ─all ended, or time is up▶
    cut what is left (in-stream error, clean end) ─grace▶ close the listeners

All listeners answer until the last step, and requests that are no streams get the same time as streams. Every wait has
a bound, so that the default settings stay below the 30 seconds that Kubernetes grants.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from .lifecycle import Lifecycle
from .listener import Listener

__all__ = ["CUT_GRACE_SECONDS", "drain"]

#: How long streams may take to end after they were cut.
CUT_GRACE_SECONDS = 2.0

logger = logging.getLogger(__name__)


async def drain(
    public: Listener,
    others: Sequence[Listener],
    lifecycle: Lifecycle,
    *,
    delay_seconds: float,
    drain_seconds: float,
) -> None:
    """Go through the diagram of the module header; *public* first, so that the admin listener answers to the end."""
    logger.info(
        "draining: requests are served for %g s more, %d open streams may end within %g s after that",
        delay_seconds,
        len(lifecycle),
        drain_seconds,
    )
    lifecycle.drain()
    # Without open streams too: load balancers learn late that this replica is leaving. Where the admin port has begun
    # the drain, as a pod's preStop does, they have known for long, and a second delay would eat up the grace period.
    await lifecycle.wait_refusing(delay_seconds)
    lifecycle.refuse()
    public.close_idle()
    if not await _ended(public, lifecycle, drain_seconds):
        logger.warning("drain time is over: cutting %d streams", len(lifecycle))
        lifecycle.cut_all()
        await _ended(public, lifecycle, CUT_GRACE_SECONDS)
    await public.stop()
    for listener in others:
        await listener.stop()
    logger.info("stopped")


async def _ended(public: Listener, lifecycle: Lifecycle, seconds: float) -> bool:
    """True as soon as all streams, and the requests that are open now, have ended; False after *seconds*."""
    requests = public.requests
    is_empty = asyncio.create_task(lifecycle.wait_empty(seconds))
    await asyncio.wait({is_empty, *requests}, timeout=seconds)
    is_empty.cancel()
    return not len(lifecycle) and all(request.done() for request in requests)
