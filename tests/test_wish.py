"""`core.wish`: what a request says of resuming."""

from __future__ import annotations

import pytest

from sse_proxy.core.wish import MAX_KEY_BYTES, ResumeKeys, resume_keys, wants_resume
from sse_proxy.errors import BadRequest


@pytest.mark.parametrize(
    ("value", "on", "chat"),
    [
        (b"on", True, None),
        (b" ON ; KEY = chat-1 ", True, "chat-1"),
        (b'on; key="a b"; x=y', True, "a b"),
        (b"on; key=a%3Bb%C3%A9", True, "a;b\u00e9"),
        ("on; key=\u00e9".encode(), True, "\u00e9"),
        (b"on; key=\xe9", True, "\ufffd"),
        (b"on; key=", True, None),
        (b"on; key", True, None),
        (b"off; key=a", False, "a"),
        (b"on, on", False, None),
        (b"", False, None),
    ],
)
def test_the_header_of_resume(value: bytes, on: bool, chat: str | None) -> None:
    """``on``, and nothing else, asks for it; the key is as the same one in a query."""
    headers = [(b"X-SSE-Resume", value)]
    assert (wants_resume(headers), resume_keys(headers)) == (on, ResumeKeys(chat=chat))


@pytest.mark.parametrize("value", [b"k-1", b'"k-1"', b" k-1 "])
def test_an_idempotency_key(value: bytes) -> None:
    """In quotes or bare; alone it asks for nothing."""
    headers = [(b"idempotency-key", value)]
    assert (wants_resume(headers), resume_keys(headers)) == (False, ResumeKeys(once="k-1"))


def test_a_request_that_says_nothing_asks_for_nothing() -> None:
    """As nearly all do; an empty key is none."""
    assert not wants_resume([])
    assert resume_keys([]) == resume_keys([(b"idempotency-key", b"")]) == ResumeKeys()


@pytest.mark.parametrize(("name", "before"), [(b"x-sse-resume", b"on; key="), (b"idempotency-key", b"")])
def test_a_key_is_bounded(name: bytes, before: bytes) -> None:
    """It is kept with its stream; whether one is asked for can be told all the same."""
    assert resume_keys([(name, before + b"k" * MAX_KEY_BYTES)]) != ResumeKeys()
    long = [(name, before + b"k" * (MAX_KEY_BYTES + 1))]
    assert wants_resume(long) is (name == b"x-sse-resume")
    with pytest.raises(BadRequest, match="over 256 bytes"):
        resume_keys(long)


@pytest.mark.parametrize(
    ("name", "told", "value"),
    [(b"x-sse-resume", "X-SSE-Resume", b"on; key=" + b"k" * 300), (b"idempotency-key", "Idempotency-Key", b"k" * 300)],
)
def test_who_sends_a_long_key_is_told_where(name: bytes, told: str, value: bytes) -> None:
    """By the header's usual name."""
    with pytest.raises(BadRequest, match=rf"^the key in {told} is over 256 bytes$"):
        resume_keys([(name, value)])


def test_a_key_may_hold_what_separates_it() -> None:
    """Only the first ``=`` does; bytes that are no UTF-8 are replaced."""
    assert resume_keys([(b"x-sse-resume", b"on; key=a=b")]) == ResumeKeys(chat="a=b")
    assert resume_keys([(b"idempotency-key", b"k\xff")]) == ResumeKeys(once="k\ufffd")
