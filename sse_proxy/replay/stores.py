"""The journal that the setting ``resume`` names."""

from __future__ import annotations

from collections.abc import Callable

from ..core.ledger import Ledger
from ..settings import SettingsError
from .base import Journal
from .memory import MemoryJournal
from .null import NullJournal

__all__ = ["open_journal"]

_REDIS = ("redis://", "rediss://", "redis+cluster://", "rediss+cluster://")


def open_journal(
    where: str,
    *,
    ttl_seconds: float,
    stream_bytes: int,
    total_bytes: int,
    clock: Callable[[], float],
    ledger: Ledger | None = None,
) -> Journal:
    """The journal for ``off``, ``memory`` or a store's URL; connects when it is first used.

    Args:
        where, ttl_seconds, stream_bytes, total_bytes: The settings ``resume`` and ``resume_*`` of that name.
        clock: Monotonic seconds.
        ledger: Where is counted what is on its way to a store or from it; what is kept in memory is not.

    Raises:
        SettingsError: *where* is none of these, or the store's client is not installed.
    """
    if where == "off":
        return NullJournal()
    if where == "memory":
        return MemoryJournal(ttl_seconds=ttl_seconds, stream_bytes=stream_bytes, total_bytes=total_bytes, clock=clock)
    if not where.startswith(_REDIS):
        raise SettingsError(f"resume: expected off, memory, or a URL that begins with {', '.join(_REDIS)}")
    try:
        from .redis.journal import RedisJournal  # noqa: PLC0415 -- only who keeps streams in Redis needs its client
    except ImportError as error:
        raise SettingsError("resume: Redis needs its client: pip install 'sse-proxy[redis]'") from error
    try:
        return RedisJournal(
            where,
            ttl_seconds=ttl_seconds,
            stream_bytes=stream_bytes,
            total_bytes=total_bytes,
            clock=clock,
            ledger=ledger,
        )
    except ValueError as error:
        # Its text may hold the URL, and that a password.
        raise SettingsError("resume: not a valid URL of a Redis server") from error
