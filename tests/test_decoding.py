"""`core.decoding`: content codings undone as the bytes come, in bounded portions."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from random import Random

import brotli
import pytest
import zstandard

from sse_proxy.core.decoding import decoder_for
from sse_proxy.errors import UpstreamProtocolError

from .event_streams import capture_body, splits
from .work import calls_made

Compressor = Callable[[list[bytes]], list[bytes]]

BODY = capture_body("llama-stream")
EVENTS = [event + b"\n\n" for event in BODY.removesuffix(b"\n\n").split(b"\n\n")]
MEBIBYTE = 1 << 20


def by_zlib(wbits: int) -> Compressor:
    """A compressor for one of the three formats of zlib."""

    def compress(events: list[bytes]) -> list[bytes]:
        packer = zlib.compressobj(wbits=wbits)
        flushed = [packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH) for event in events]
        return [*flushed, packer.flush()]

    return compress


def by_brotli(events: list[bytes]) -> list[bytes]:
    """Each event flushed, as a server does that streams."""
    packer = brotli.Compressor(quality=4)
    flushed = [packer.process(event) + packer.flush() for event in events]
    return [*flushed, packer.finish()]


def by_zstd(events: list[bytes]) -> list[bytes]:
    """Each event flushed, as a server does that streams."""
    packer = zstandard.ZstdCompressor().compressobj()
    flushed = [packer.compress(event) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for event in events]
    return [*flushed, packer.flush()]


CODINGS: dict[str, tuple[bytes, Compressor]] = {
    "gzip": (b"gzip", by_zlib(31)),
    "x-gzip": (b"x-gzip", by_zlib(31)),
    "deflate": (b"deflate", by_zlib(15)),
    "raw deflate": (b"deflate", by_zlib(-15)),
    "br": (b"br", by_brotli),
    "zstd": (b"zstd", by_zstd),
}
EVERY_CODING = pytest.mark.parametrize(("coding", "compress"), CODINGS.values(), ids=CODINGS)


def decoded(coding: bytes, pieces: list[bytes]) -> Iterator[bytes]:
    """The portions that *pieces* give, one after the other."""
    decoder = decoder_for(coding)
    assert decoder is not None
    for piece in pieces:
        yield from decoder.feed(piece)


@EVERY_CODING
def test_any_split_gives_the_same_bytes(coding: bytes, compress: Compressor) -> None:
    """Whole, byte by byte, and at random splits."""
    for pieces in splits(b"".join(compress(EVENTS)), seed=11):
        assert b"".join(decoded(coding, pieces)) == BODY


@EVERY_CODING
def test_each_flushed_event_comes_out_at_once(coding: bytes, compress: Compressor) -> None:
    """What the server flushed is not held back until more comes."""
    decoder = decoder_for(coding)
    assert decoder is not None
    for packed, event in zip(compress(EVENTS), [*EVENTS, b""], strict=True):
        assert b"".join(decoder.feed(packed)) == event


@EVERY_CODING
def test_corrupt_input_is_the_upstream_s_fault(coding: bytes, compress: Compressor) -> None:
    """What can be no block of the coding is an error of the protocol, whatever the library calls it."""
    packed = compress(EVENTS)[0] + b"\xff" * 64
    for pieces in splits(packed, seed=12):
        with pytest.raises(UpstreamProtocolError, match="corrupt content coding"):
            list(decoded(coding, pieces))


def bomb(coding: str, size: int) -> bytes:
    """*size* zeros, packed as tightly as it gets."""
    zeros = b"\0" * size
    if coding == "br":
        packed: bytes = brotli.compress(zeros, quality=5)
        return packed
    if coding == "zstd":
        return zstandard.ZstdCompressor(level=19).compress(zeros)
    packer = zlib.compressobj(9, wbits={"gzip": 31, "deflate": 15, "raw deflate": -15}[coding])
    return packer.compress(zeros) + packer.flush()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "raw deflate", "br", "zstd"])
def test_a_bomb_comes_in_bounded_portions(coding: str) -> None:
    """64 MiB in a few bytes never stand in memory whole."""
    name = CODINGS[coding][0]
    packed = bomb(coding, 64 * MEBIBYTE)
    assert len(packed) < MEBIBYTE // 8
    list(decoded(name, [bomb(coding, MEBIBYTE)]))  # what the library allocates once
    tracemalloc.start()
    try:
        sizes = [len(portion) for portion in decoded(name, [packed])]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 64 * MEBIBYTE
    assert max(sizes) <= 2 * MEBIBYTE
    assert peak <= 8 * MEBIBYTE


@pytest.mark.parametrize(("coding", "wbits"), [("gzip", 31), ("deflate", 15), ("raw deflate", -15)])
@pytest.mark.parametrize("size", [16_384, 16_500, 20_000, 65_536])
def test_nothing_is_left_inside_when_a_read_is_over(coding: str, wbits: int, size: int) -> None:
    """A full portion may be all that came out of a read that has more: what is in it would wait for the next."""
    name, compress = CODINGS[coding]
    flushed, _ = compress([b"a" * size])
    for cut in range(2, len(flushed) + 1):
        decoder = decoder_for(name)
        assert decoder is not None
        at_once = zlib.decompressobj(wbits=wbits).decompress(flushed[:cut])
        assert b"".join(decoder.feed(flushed[:cut])) == at_once


def test_gzip_members_follow_each_other() -> None:
    """RFC 1952 § 2.2: a file is a series of members; zeros after the last are padding."""
    packed = gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two")
    for pieces in splits(packed + b"\0" * 9, seed=13):
        assert b"".join(decoded(b"gzip", pieces)) == b"onetwo"


def test_what_follows_the_padding_of_gzip_is_padding() -> None:
    """However the network cuts: a member behind zeros is none, at the start of a read neither."""
    packed = gzip.compress(b"one") + b"\0\0" + gzip.compress(b"two")
    for pieces in splits(packed, seed=15):
        assert b"".join(decoded(b"gzip", pieces)) == b"one"


def test_zstd_frames_follow_each_other() -> None:
    """RFC 8878 § 3: frames are independent, and skippable ones hold nothing."""
    skippable = (0x184D2A50).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"
    packed = zstandard.compress(b"one") + skippable + zstandard.compress(b"two")
    for pieces in splits(packed, seed=14):
        assert b"".join(decoded(b"zstd", pieces)) == b"onetwo"


def test_zstd_window_is_bounded() -> None:
    """RFC 9659: 8 MiB is enough for all; a stream that wants more memory is refused."""
    random = Random(1)
    body = random.randbytes(1000)
    for window_log, accepted in ((23, True), (24, False)):
        parameters = zstandard.ZstdCompressionParameters(window_log=window_log)
        packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        packed = packer.compress(body) + packer.flush()
        if accepted:
            assert b"".join(decoded(b"zstd", [packed])) == body
        else:
            with pytest.raises(UpstreamProtocolError):
                list(decoded(b"zstd", [packed]))


@pytest.mark.parametrize("coding", ["deflate", "raw deflate", "br"])
def test_what_follows_the_end_is_ignored(coding: str) -> None:
    """These codings have one end; nothing that comes behind it is kept."""
    name, compress = CODINGS[coding]
    packed = b"".join(compress([b"data: 1\n\n"]))
    decoder = decoder_for(name)
    assert decoder is not None
    assert b"".join(decoder.feed(packed)) == b"data: 1\n\n"
    tracemalloc.start()
    try:
        for _ in range(1000):
            assert list(decoder.feed(b"x" * 4096)) == []
        assert tracemalloc.get_traced_memory()[0] < MEBIBYTE
    finally:
        tracemalloc.stop()


def test_nothing_is_yielded_for_nothing() -> None:
    """An empty piece, or one that completes nothing, gives no portion at all."""
    for coding, compress in CODINGS.values():
        decoder = decoder_for(coding)
        assert decoder is not None
        assert list(decoder.feed(b"")) == []
        assert list(decoder.feed(b"".join(compress([b"x"]))[:1])) == []


@pytest.mark.parametrize("codings", [b"", b"identity", b" Identity , identity ", b" , "])
def test_nothing_to_undo(codings: bytes) -> None:
    """``identity`` and nothing at all need no decoder."""
    assert decoder_for(codings) is None


@pytest.mark.parametrize("codings", [b"GZIP", b" gzip ", b"identity, gzip", b"gzip,"])
def test_names_are_compared_without_case(codings: bytes) -> None:
    """RFC 9110 § 8.4.1: content codings are case-insensitive; empty list members do not count (§ 5.6.1)."""
    decoder = decoder_for(codings)
    assert decoder is not None
    assert b"".join(decoder.feed(gzip.compress(b"x"))) == b"x"


@pytest.mark.parametrize("codings", [b"compress", b"gzip, br", b"gzip, gzip", b"aes128gcm"])
def test_what_cannot_be_undone_is_refused(codings: bytes) -> None:
    """An unknown coding, or several: better an error than garbage."""
    with pytest.raises(UpstreamProtocolError, match=r"^the upstream used a content coding that cannot be undone$"):
        decoder_for(codings)


@EVERY_CODING
def test_work_is_linear_in_the_bytes(coding: bytes, compress: Compressor) -> None:
    """Twice the events, a piece each, are twice the calls."""

    def work(times: int) -> int:
        pieces = compress(EVENTS * times)
        return calls_made(lambda: list(decoded(coding, pieces)))

    assert work(8) <= 2.1 * work(4) + 20


def test_two_bytes_of_raw_deflate_are_enough() -> None:
    """The shortest stream there is: what comes behind is not waited for."""
    empty = zlib.compress(b"", wbits=-15)
    assert len(empty) == 2
    for pieces in splits(empty, seed=16):
        assert b"".join(decoded(b"deflate", pieces)) == b""
    stored = b"\x01\x01\x00\xfe\xffA"
    assert b"".join(decoded(b"deflate", [stored[:2], stored[2:]])) == b"A"


def test_raw_deflate_may_begin_with_half_a_zlib_header() -> None:
    """One stream in 31 has its checksum, and is none by its first byte."""
    packed = [zlib.compress(b"%d" % number, wbits=-15) for number in range(100)]
    assert any(int.from_bytes(raw[:2]) % 31 == 0 for raw in packed)
    assert [b"".join(decoded(b"deflate", [raw])) for raw in packed] == [b"%d" % number for number in range(100)]
