"""Where a command reaches the admin port of a proxy on its own machine."""

from __future__ import annotations

from ..settings import Settings
from ..sockets import Address

__all__ = ["admin_address"]

# Where to reach a listener on all addresses from its own machine. `::` is IPv4 too (`sockets.listen`), and only that
# in the many containers that have no IPv6.
_REACHABLE_AT = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}  # noqa: S104 -- not listened on


def admin_address(settings: Settings) -> Address:
    """The host, without brackets, and the port."""
    host = settings.admin_host.removeprefix("[").removesuffix("]")
    return _REACHABLE_AT.get(host, host), settings.admin_port
