"""`core.fast_path`: what may be forwarded unseen, and where a large chunk is cut for that."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import GENERIC, dialect_by_name
from sse_proxy.core.fast_path import FastPath, whole_events

from .dialect_streams import FINISH, LIMIT, TOKEN

PLAIN = b"data: a\n\n"
NAMED = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"text":"a"}}\n\n'


@pytest.mark.parametrize(
    "name, chunk, events",
    [
        ("openai_chat", TOKEN, 1),
        ("openai_chat", TOKEN * 3, 3),
        ("openai_chat", TOKEN + FINISH, 0),
        ("openai_chat", PLAIN, 0),
        ("openai_chat", TOKEN[:-1], 0),
        ("anthropic", NAMED * 2, 2),
        ("anthropic", NAMED + NAMED.partition(b"\n")[2], 0),
        ("generic", PLAIN * 2, 2),
    ],
)
def test_what_says_nothing_of_the_stream_passes(name: str, chunk: bytes, events: int) -> None:
    """The first time by all checks, then by what was learnt: the same."""
    path = FastPath(dialect_by_name(name), LIMIT)
    assert [path.events(chunk) for _ in range(3)] == [events] * 3


def test_what_is_too_long_does_not() -> None:
    """A sibling neither; the correct path raises there."""
    path = FastPath(GENERIC, len(PLAIN))
    assert (path.events(PLAIN), path.events(PLAIN * 2)) == (1, 0)


@pytest.mark.parametrize(
    "chunk, begun, pieces",
    [
        (b"data: a\n\n", False, [b"data: a\n\n"]),
        (b"data: a\n\nda", False, [b"data: a\n\n", b"da"]),
        (b"a\n\ndata: b\n\nda", True, [b"a\n\n", b"data: b\n\n", b"da"]),
        (b"\n\ndata: b\n\n", True, [b"\n\n", b"data: b\n\n"]),
        (b"a\n\nda", True, [b"a\n\nda"]),
        (b"a\n\n", True, [b"a\n\n"]),
        (b"data: a", False, [b"data: a"]),
        (b"data: a", True, [b"data: a"]),
    ],
)
def test_a_chunk_is_cut_around_its_whole_events(chunk: bytes, begun: bool, pieces: list[bytes]) -> None:
    """One piece where there are none; nothing is lost in any case."""
    assert pieces == whole_events(chunk, begun=begun)
    assert b"".join(pieces) == chunk
