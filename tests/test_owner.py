"""`core.owner`: whose stream it is."""

from __future__ import annotations

import hashlib

import pytest

from sse_proxy.core.headers import HeaderList
from sse_proxy.core.owner import ANONYMOUS, owner_of
from sse_proxy.settings import Settings

NAMES = Settings().resume_owner_headers
BEARER = (b"authorization", b"Bearer secret")


@pytest.mark.parametrize(
    "headers",
    [
        [BEARER],
        [(b"Authorization", b"Bearer secret")],
        [(b"user-agent", b"a"), BEARER, (b"cookie", b"_ga=2"), (b"last-event-id", b"1")],
    ],
)
def test_the_same_credentials_are_the_same_caller(headers: HeaderList) -> None:
    """Whatever else has changed between two requests, cookies included."""
    assert owner_of([BEARER, (b"cookie", b"_ga=1")], NAMES) == owner_of(headers, NAMES)


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Bearer secret2")],
        [(b"authorization", b"bearer secret")],
        [(b"x-api-key", b"Bearer secret")],
        [BEARER, (b"x-api-key", b"")],
        [BEARER, BEARER],
        [(b"authorization", b"Bearer secret9:x-api-key0:")],
    ],
)
def test_other_credentials_are_another_caller(headers: HeaderList) -> None:
    """Not even one more, an empty one, or one that reads like two."""
    assert owner_of([BEARER], NAMES) != owner_of(headers, NAMES)


def test_the_order_of_different_fields_does_not_matter() -> None:
    """Hops and clients sort them as they like."""
    key = (b"x-api-key", b"k")
    assert owner_of([BEARER, key], NAMES) == owner_of([key, BEARER], tuple(reversed(NAMES)))


def test_without_credentials_or_names_the_caller_is_nobody() -> None:
    """Then it is the id alone that opens a stream."""
    assert ANONYMOUS == owner_of([(b"cookie", b"a=b")], NAMES)
    assert ANONYMOUS == owner_of([BEARER], ())


def test_an_owner_is_the_same_in_the_next_release() -> None:
    """Stores outlive a process, and replicas of two releases share one: nobody may lose a stream by an update."""
    assert owner_of([BEARER], NAMES) == hashlib.sha256(b"13:authorization13:Bearer secret").hexdigest()


def test_an_owner_tells_nothing() -> None:
    """It stands in stores and must not give the credential away, nor hold what could break out of a key."""
    owner = owner_of([BEARER], NAMES)
    assert (64, True) == (len(owner), set(owner) <= set("0123456789abcdef"))
