"""Content codings (RFC 9110 § 8.4.1) undone incrementally: gzip, deflate, br and zstd.

Streams are asked for with ``Accept-Encoding: identity``; some upstreams compress all the same. A `Decoder`
gives out what each piece of input completes, in portions of bounded size, so that a compression bomb never stands in
memory whole.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli
import zstandard

from ..errors import UpstreamProtocolError

__all__ = ["Decoder", "decoder_for"]

#: About this much is inflated at a time: what the pipeline works through in some 20 ms if it is nothing but line ends.
_PORTION_BYTES = 16_384

#: The zstd decoder has no output limit, but 64 bytes hold at most 16 blocks of 128 KiB (RFC 8878 § 3.1.1.2).
_ZSTD_STEP_BYTES = 64

#: What the decoder may have to remember; senders keep to it (RFC 9659 § 3).
_ZSTD_WINDOW_BYTES = 8_388_608

_CORRUPT = "the upstream sent a corrupt content coding"


class Decoder(Protocol):
    """Undoes one content coding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The plain bytes that *data* completes, in portions; raises `UpstreamProtocolError` on corrupt input."""


def decoder_for(codings: bytes) -> Decoder | None:
    """A decoder for the value of ``Content-Encoding``; None when there is nothing to undo.

    Raises:
        UpstreamProtocolError: an unknown coding, or several at once.
    """
    names = [name for part in codings.lower().split(b",") if (name := part.strip()) and name != b"identity"]
    if not names:
        return None
    factory = _FACTORIES.get(names[0]) if len(names) == 1 else None
    if factory is None:
        raise UpstreamProtocolError("the upstream used a content coding that cannot be undone")
    return factory()


def _inflate(inflater: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    more = True
    while data or more:
        plain = inflater.decompress(data, _PORTION_BYTES)
        if plain:
            yield plain
        data = inflater.unconsumed_tail
        # A full portion may leave output inside, even when all input was taken.
        more = len(plain) == _PORTION_BYTES


class _Gzip:
    def __init__(self) -> None:
        self._member = _gzip_member()
        #: Padding has come: whatever follows it is padding too, in the same read or in another.
        self._padded = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            while data and not self._padded:
                if self._member.eof:
                    # Another member may follow (RFC 1952 § 2.2); some servers pad with zeros, which no client minds.
                    if not data.startswith(b"\x1f"):
                        self._padded = True
                        return
                    self._member = _gzip_member()
                yield from _inflate(self._member, data)
                data = self._member.unused_data
        except zlib.error as error:
            raise UpstreamProtocolError(_CORRUPT) from error


def _gzip_member() -> zlib._Decompress:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)


class _Deflate:
    """zlib format by the standard (RFC 9110 § 8.4.1.2), raw deflate by some servers; the first two bytes tell."""

    def __init__(self) -> None:
        self._head = b""
        self._body: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._body is None:
            data = self._head + data
            if len(data) < 2:  # the zlib header (RFC 1950 § 2.2)
                self._head = data
                return
            is_zlib = data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
            self._body = zlib.decompressobj(wbits=zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
        if self._body.eof:
            return  # what follows the end is kept by zlib, for ever
        try:
            yield from _inflate(self._body, data)
        except zlib.error as error:
            raise UpstreamProtocolError(_CORRUPT) from error


class _Brotli:
    def __init__(self) -> None:
        self._inflate = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        while not self._inflate.is_finished():
            try:
                plain = self._inflate.process(data, output_buffer_limit=_PORTION_BYTES)
            except brotli.error as error:
                raise UpstreamProtocolError(_CORRUPT) from error
            # Not `can_accept_more_data`: it says yes while megabytes still wait inside.
            if not plain:
                return
            yield plain
            data = b""


class _Zstd:
    def __init__(self) -> None:
        self._frame = _zstd_frame()

    def feed(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_STEP_BYTES):
            piece = data[start : start + _ZSTD_STEP_BYTES]
            while piece:
                if self._frame.eof:
                    self._frame = _zstd_frame()
                try:
                    plain = self._frame.decompress(piece)
                except zstandard.ZstdError as error:
                    raise UpstreamProtocolError(_CORRUPT) from error
                for at in range(0, len(plain), _PORTION_BYTES):
                    yield plain[at : at + _PORTION_BYTES]
                piece = self._frame.unused_data


def _zstd_frame() -> zstandard.ZstdDecompressionObj:
    return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES).decompressobj()


_FACTORIES: dict[bytes, Callable[[], Decoder]] = {
    b"gzip": _Gzip,
    b"x-gzip": _Gzip,
    b"deflate": _Deflate,
    b"br": _Brotli,
    b"zstd": _Zstd,
}
