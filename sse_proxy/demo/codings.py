"""Content codings (RFC 9110 § 8.4.1) that put every write on the wire at once, so that a stream stays a stream."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Protocol

import brotli
import zstandard

__all__ = ["Coder", "coder_for"]


class Coder(Protocol):
    """Applies one content coding."""

    def write(self, data: bytes) -> bytes:
        """The coded bytes of *data*, enough of them to get all of it back."""

    def finish(self) -> bytes:
        """The bytes that end the coded body."""


class _Zlib:
    def __init__(self, wbits: int) -> None:
        self._deflate = zlib.compressobj(wbits=wbits)

    def write(self, data: bytes) -> bytes:
        return self._deflate.compress(data) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._deflate.flush()


class _Brotli:
    def __init__(self) -> None:
        self._deflate = brotli.Compressor()

    def write(self, data: bytes) -> bytes:
        return bytes(self._deflate.process(data) + self._deflate.flush())

    def finish(self) -> bytes:
        return bytes(self._deflate.finish())


class _Zstd:
    def __init__(self) -> None:
        self._deflate = zstandard.ZstdCompressor().compressobj()

    def write(self, data: bytes) -> bytes:
        return self._deflate.compress(data) + self._deflate.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._deflate.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)


_CODERS: dict[str, Callable[[], Coder]] = {
    "gzip": lambda: _Zlib(zlib.MAX_WBITS | 16),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
    "br": _Brotli,
    "zstd": _Zstd,
}


def coder_for(encoding: str) -> Coder | None:
    """A fresh coder for the value of ``Content-Encoding``; None for ``identity``."""
    return _CODERS[encoding]() if encoding != "identity" else None
