"""`playground.hop`: what a hop holds back, and when it lets go."""

from __future__ import annotations

from starlette.types import Message

from sse_proxy.playground.hop import COLLECTED_BYTES, Hop


def head(**headers: str) -> Message:
    """The start of an answer."""
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": 200, "headers": fields}


async def through(kind: str, *messages: Message) -> list[bytes | None]:
    """What a hop of *kind* passes on at each of *messages*: None for the head."""
    passed: list[bytes | None] = []

    async def send(message: Message) -> None:
        passed.append(message.get("body"))

    hop = Hop(send, kind)
    for message in messages:
        await hop(message)
    return passed


def piece(size: int, *, more: bool = True) -> Message:
    """A piece of a body."""
    return {"type": "http.response.body", "body": b"x" * size, "more_body": more}


async def test_a_hop_like_nginx_collects_a_page_of_memory() -> None:
    """The head with it, and the rest at the end."""
    most = COLLECTED_BYTES - 1
    assert await through("nginx", head(), piece(most)) == []
    assert await through("nginx", head(), piece(most), piece(1)) == [None, b"x" * COLLECTED_BYTES]
    assert await through("nginx", head(), piece(5000), piece(7), piece(0, more=False)) == [
        *(None, b"x" * 5000, b"x" * 7)
    ]
    assert await through("nginx", head(x_accel_buffering="NO"), piece(1)) == [None, b"x"]


async def test_a_hop_that_holds_everything_has_its_limit() -> None:
    """It lets go at the end, or when memory would run out, whatever the answer says."""
    told = head(x_accel_buffering="no")
    assert await through("all", told, piece(1 << 20)) == []
    assert await through("all", told, piece(5), piece(5, more=False)) == [None, b"x" * 10]
    assert [len(data or b"") for data in await through("all", told, *[piece(1 << 20)] * 5)] == [0, 4 << 20]


async def test_a_slow_line_takes_small_pieces() -> None:
    """Whoever sends waits for each of them."""
    passed = await through("slow", head(), piece(9000), piece(5, more=False))
    assert [len(data or b"") for data in passed] == [0, 8192, 808, 5, 0]


async def test_no_hop_changes_nothing() -> None:
    """Each piece when it comes, an empty one only where it is the end."""
    assert await through("none", head(), piece(1), piece(0), piece(0, more=False)) == [None, b"x", b""]
