"""`core.trusted`: whose X-Forwarded-For is believed, and the client's address that follows."""

from __future__ import annotations

import pytest

from sse_proxy.core.trusted import TrustedProxies


@pytest.mark.parametrize(
    "entries, host, expected",
    [
        ([], "127.0.0.1", False),
        (["127.0.0.1"], "127.0.0.1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        (["10.0.0.0/8"], "10.200.0.1", True),
        (["10.1.2.3/8"], "10.200.0.1", True),
        (["10.0.0.0/8"], "::ffff:10.0.0.1", True),
        (["fd00::/8"], "fd00::1", True),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["10.0.0.0/8"], "fd00::1", False),
        (["10.0.0.0/8"], None, False),
        (["10.0.0.0/8"], "localhost", False),
        (["*"], None, True),
        (["*"], "192.0.2.1", True),
    ],
)
def test_a_peer_is_trusted_when_an_entry_covers_it(entries: list[str], host: str | None, expected: bool) -> None:
    """Addresses, networks, both families, IPv4 in IPv6; names never."""
    assert TrustedProxies(entries).trusts(host) is expected


def test_an_entry_that_is_no_network_is_an_error() -> None:
    """Better at the start than trusting nobody silently."""
    with pytest.raises(ValueError, match="nonsense"):
        TrustedProxies(["nonsense"])


@pytest.mark.parametrize(
    "peer, chain, expected",
    [
        ("10.0.0.1", [], "10.0.0.1"),
        ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1, garbage, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:DB8::1]:4711"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("::ffff:192.0.2.1", [], "192.0.2.1"),
        (None, ["203.0.113.9"], ""),
        ("testclient", [], "testclient"),
    ],
)
def test_the_client_is_the_first_stranger_from_the_right(peer: str | None, chain: list[str], expected: str) -> None:
    """What a stranger wrote to the left of its own address is not believed."""
    headers = [(b"x-forwarded-for", value.encode()) for value in chain]
    assert TrustedProxies(["10.0.0.0/8"]).client_address(peer, headers) == expected


def test_everyone_is_trusted_back_to_the_first() -> None:
    """``*`` believes the whole chain, as on a unix socket behind one proxy."""
    headers = [(b"x-forwarded-for", b"198.51.100.1, 203.0.113.9")]
    assert TrustedProxies(["*"]).client_address(None, headers) == "198.51.100.1"


@pytest.mark.parametrize("entry", ["::ffff:192.0.2.1", "::ffff:192.0.2.0/120", "::ffff:0:0/96"])
def test_a_network_in_ipv6_clothes_is_the_ipv4_one(entry: str) -> None:
    """What a listener on all addresses shows of IPv4 peers is what people copy into the setting."""
    trusted = TrustedProxies([entry])
    assert trusted.trusts("192.0.2.1")
    assert trusted.trusts("::ffff:192.0.2.1")
    assert not trusted.trusts("2001:db8::1")
