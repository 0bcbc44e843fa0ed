"""Whose word about earlier hops is believed (``trusted_proxies``), and the client's address that follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from .headers import RawHeaders, tokens

__all__ = ["TrustedProxies"]


class TrustedProxies:
    """The peers that may set ``X-Forwarded-*``: addresses, networks in CIDR form, or ``*`` for every peer.

    Raises:
        ValueError: an entry is none of these.
    """

    def __init__(self, entries: Iterable[str]) -> None:
        listed = frozenset(entries)
        self._everyone = "*" in listed
        self._networks = tuple(map(_network, sorted(listed - {"*"})))

    def trusts(self, host: str | None) -> bool:
        """Whether the peer *host* is believed; None (a unix socket) and names only under ``*``."""
        if self._everyone:
            return True
        address = _parsed(host or "")
        return address is not None and any(address in network for network in self._networks)

    def client_address(self, peer: str | None, headers: RawHeaders) -> str:
        """The nearest address in ``X-Forwarded-For`` that is not a trusted proxy; *peer* where it is not believed.

        Read from the right: what stands left of the first stranger was written by the stranger. Garbage ends the
        walk at the last good address. Empty when nothing is known (a unix socket). IPv4 in IPv6 clothes
        (``::ffff:…``, what a listener on all addresses sees) comes out as IPv4.
        """
        address = _plain(peer or "")
        for hop in reversed(tokens(headers, b"x-forwarded-for")):
            claimed = _parsed(_without_port(hop.decode("latin-1")))
            if claimed is None or not self.trusts(address):
                break
            address = str(claimed)
        return address


def _network(entry: str) -> IPv4Network | IPv6Network:
    """*entry*, out of IPv6 clothes (``::ffff:…/96`` and longer) as addresses are."""
    network = ip_network(entry, strict=False)
    if (
        isinstance(network, IPv6Network)
        and network.prefixlen >= 96
        and (address := network.network_address.ipv4_mapped)
    ):
        return IPv4Network((address, network.prefixlen - 96))
    return network


@lru_cache(maxsize=1024)  # the same peers come again and again
def _parsed(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])  # a zone id (RFC 4007) says nothing about trust
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _plain(host: str) -> str:
    address = _parsed(host)
    return host if address is None else str(address)


def _without_port(hop: str) -> str:
    """``[v6]:port``, ``v4:port`` (both are written by real load balancers), or a bare address."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
