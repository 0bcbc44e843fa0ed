"""`core.wish`: what a request says of resuming."""

from __future__ import annotations

import pytest

from sse_proxy.core.wish import MAX_KEY_BYTES, ResumeWish, resume_wish
from sse_proxy.errors import BadRequest


@pytest.mark.parametrize(
    ("value", "wish"),
    [
        (b"on", ResumeWish(on=True)),
        (b" ON ; KEY = chat-1 ", ResumeWish(on=True, chat="chat-1")),
        (b'on; key="a b"; x=y', ResumeWish(on=True, chat="a b")),
        (b"on; key=a%3Bb%C3%A9", ResumeWish(on=True, chat="a;b\u00e9")),
        ("on; key=\u00e9".encode(), ResumeWish(on=True, chat="\u00e9")),
        (b"on; key=\xe9", ResumeWish(on=True, chat="\ufffd")),
        (b"on; key=", ResumeWish(on=True)),
        (b"on; key", ResumeWish(on=True)),
        (b"off; key=a", ResumeWish(chat="a")),
        (b"on, on", ResumeWish()),
        (b"", ResumeWish()),
    ],
)
def test_the_header_of_resume(value: bytes, wish: ResumeWish) -> None:
    """``on``, and nothing else, asks for it; the key is as the same one in a query."""
    assert resume_wish([(b"X-SSE-Resume", value)]) == wish


@pytest.mark.parametrize("value", [b"k-1", b'"k-1"', b" k-1 "])
def test_an_idempotency_key(value: bytes) -> None:
    """In quotes or bare; alone it asks for nothing."""
    assert resume_wish([(b"idempotency-key", value)]) == ResumeWish(once="k-1")


def test_a_request_that_says_nothing_asks_for_nothing() -> None:
    """As nearly all do; an empty key is none."""
    assert resume_wish([]) == resume_wish([(b"idempotency-key", b"")]) == ResumeWish()


@pytest.mark.parametrize(("name", "before"), [(b"x-sse-resume", b"on; key="), (b"idempotency-key", b"")])
def test_a_key_is_bounded(name: bytes, before: bytes) -> None:
    """It is kept with its stream."""
    assert resume_wish([(name, before + b"k" * MAX_KEY_BYTES)]) != ResumeWish()
    with pytest.raises(BadRequest, match="over 256 bytes"):
        resume_wish([(name, before + b"k" * (MAX_KEY_BYTES + 1))])
