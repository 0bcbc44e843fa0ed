"""A journal that keeps nothing, and the recording of a stream that cannot be kept."""

from __future__ import annotations

from collections.abc import Callable

from .base import End, Head, Opening, Reader, Recording, Stats, Taken

__all__ = ["NullJournal", "NullRecording"]


class NullRecording:
    """`Recording` of nothing."""

    resumable = False
    heard = 0.0

    def begin(self, head: Head) -> None: ...

    def append(self, n: int, event: bytes) -> None: ...

    def end(self, end: End, *, keep: bool = True) -> None: ...


class NullJournal:
    """`Journal` without a store."""

    def __init__(self) -> None:
        self.stats = Stats()

    async def open(self, opening: Opening, on_stop: Callable[[], None]) -> Recording | Taken:  # noqa: ARG002
        return NullRecording()

    async def attach(self, stream: str, owner: str) -> Reader | None:  # noqa: ARG002
        return None

    async def latest(self, owner: str, chat: str) -> str | None:  # noqa: ARG002
        return None

    async def stop(self, stream: str, owner: str) -> bool:  # noqa: ARG002
        return False

    async def close(self) -> None: ...
