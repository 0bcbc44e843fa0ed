"""`core.foreign`: whether a page of another site is behind a request."""

from __future__ import annotations

import pytest

from sse_proxy.core.foreign import is_foreign
from sse_proxy.core.headers import HeaderList

HOST = (b"host", b"Proxy.test:8080")


def scope(*headers: tuple[bytes, bytes], **said: object) -> dict[str, object]:
    """A request's; *said* is what middleware in front has found out, without its prefix."""
    lines: HeaderList = [HOST, *headers]
    return {"headers": lines} | {f"sse_proxy.{name}": value for name, value in said.items()}


@pytest.mark.parametrize(
    ("site", "foreign"),
    [
        (b"same-origin", False),
        (b"none", False),
        (b"None", False),
        (b"same-site", True),
        (b"cross-site", True),
        (b"anything", True),
        (b"", True),
    ],
)
def test_what_a_browser_says_of_the_site_decides(site: bytes, foreign: bool) -> None:
    """Whatever the origin: another application of the same site is foreign too (Fetch Metadata § 2.4)."""
    for origin in ([], [(b"origin", b"http://proxy.test:8080")], [(b"origin", b"https://other.test")]):
        assert is_foreign(scope((b"sec-fetch-site", site), *origin)) is foreign


@pytest.mark.parametrize(
    ("origin", "foreign"),
    [
        (b"http://proxy.test:8080", False),
        (b"https://PROXY.test:8080", False),
        (b"http://proxy.test", True),
        (b"http://other.test:8080", True),
        (b"http://proxy.test:8080.other.test", True),
        (b"null", True),
    ],
)
def test_without_that_the_origin_has_to_be_our_host(origin: bytes, foreign: bool) -> None:
    """Port and all; TLS may end in front of us, so the scheme says nothing."""
    assert is_foreign(scope((b"origin", origin))) is foreign
    assert is_foreign(scope(origin=origin)) is foreign


def test_a_client_that_is_no_browser_is_not_foreign() -> None:
    """It sends neither field."""
    assert not is_foreign(scope())
    assert not is_foreign({"headers": []})


def test_an_origin_that_was_taken_off_the_headers_counts() -> None:
    """Middleware keeps it in the scope; that one comes first."""
    assert is_foreign(scope((b"origin", b"http://proxy.test:8080"), origin=b"https://other.test"))
    assert is_foreign({"headers": [], "sse_proxy.origin": b"https://other.test"})


@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_trusted_hop_says_by_which_host_we_are_known(trusted: bool) -> None:
    """A page could otherwise not send that field, but a client with a stolen cookie could."""
    request = scope((b"x-forwarded-host", b"public.test"), (b"origin", b"https://public.test"), trusted=trusted)
    assert is_foreign(request) is not trusted
    known = scope((b"origin", b"http://proxy.test:8080"), trusted=trusted)
    assert not is_foreign(known)


@pytest.mark.parametrize("welcome", [True, False])
def test_an_origin_that_was_let_in_is_not_foreign(welcome: bool) -> None:
    """By ``cors_origins``."""
    request = scope((b"sec-fetch-site", b"cross-site"), (b"origin", b"https://other.test"), welcome=welcome)
    assert is_foreign(request) is not welcome
