"""The soak's reader that comes back, against a server that has forgotten its stream meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from bench.soak.errands import SOAK, Errand, Kind, errand
from bench.soak.expected import Verdict
from bench.soak.place import Place
from bench.soak.returning import come_back

_BEGUN = b"HTTP/1.1 200 OK\r\nLocation: /streams/1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n: hello\n\n\r\n"
_FORGOTTEN = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
#: Between its pause, in which it is away, and that with the least time that it stays before.
_PAUSE_AND_LITTLE_SECONDS = 0.25


def _errand() -> Errand:
    every = (errand(SOAK, 1, number) for number in range(1000))
    return next(each for each in every if each.kind is Kind.RESUME)


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begin a stream of which nothing comes; who comes back to it is told 404."""
    try:
        asked = await reader.readuntil(b"\r\n\r\n")
        writer.write(_FORGOTTEN if asked.startswith(b"GET /streams/1 ") else _BEGUN)
        while await reader.read(65_536):
            pass
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.mark.parametrize(("kept_seconds", "is_late"), [(_PAUSE_AND_LITTLE_SECONDS, True), (300.0, False)])
async def test_a_reader_is_late_by_what_it_has_read_last(kept_seconds: float, is_late: bool) -> None:
    """What has ended while it read nothing may be forgotten when it comes back, however short it was away."""
    async with await asyncio.start_server(_serve, "127.0.0.1", 0) as server:
        place = Place(port=server.sockets[0].getsockname()[1], limit_seconds=30, kept_seconds=kept_seconds)
        result = await come_back(_errand(), place, "a")
    assert (result.verdict, result.statuses, result.is_late) == (Verdict.TOLD, [200, 404], is_late)
