"""Listening sockets with the options that make clients behave, set before anybody can connect.

On Linux an accepted socket inherits the options of its listener, so no connection ever runs without them.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from asyncio.trsock import TransportSocket
from contextlib import suppress

from .settings import SettingsError

__all__ = [
    "BACKLOG", "OUT_OF_DESCRIPTORS", "Address", "address_of", "connections_limit", "format_address", "listen",
    "raise_open_files_limit", "reset_when_closed", "told_above",
]  # fmt: skip

#: Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn (4096 by default).
BACKLOG = 2048

#: Host and port.
Address = tuple[str, int]

#: What a process, or a machine, says that has no descriptor left: nothing about whoever it wanted to talk to.
OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})

#: For everything but clients and their upstream connections, idle ones of these included.
_SPARE_DESCRIPTORS = 128

#: Of the spare ones, for clients that shake hands to be told that there is no room for them.
_TOLD_DESCRIPTORS = 32

#: What an option of a socket can hold.
_MAX_INT = 2**31 - 1

# struct linger: on, zero seconds.
_LINGER_RESET = struct.pack("ii", 1, 0)

# What socket() and bind() say on a machine without IPv6.
_NO_IPV6 = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


def listen(
    host: str,
    port: int,
    *,
    name: str = "port",
    send_buffer_bytes: int | None = None,
    stall_timeout_seconds: float | None = None,
) -> socket.socket:
    """Return a TCP socket that listens on *host* and *port*; 0 is any free port, ``::`` is IPv6 and IPv4.

    *send_buffer_bytes* is SO_SNDBUF: left to itself the kernel takes some 4 MB for a client that does not read, before
    anybody feels it. *stall_timeout_seconds* is TCP_USER_TIMEOUT (Linux): a peer that is gone, or takes nothing, is
    dropped by the kernel too, since a closed socket waits for its flush. A machine without IPv6 gets IPv4 for ``::``.

    Raises:
        SettingsError: *host* is unknown, or the address is taken or forbidden; the line begins with *name*.
    """
    host = host.removeprefix("[").removesuffix("]")
    try:
        return _bound(host, port, send_buffer_bytes, stall_timeout_seconds)
    except OSError as error:
        if host != "::" or error.errno not in _NO_IPV6:
            reason = error.strerror or str(error)
            # A name that cannot be resolved is the host's fault, not the port's.
            name = name.replace("port", "host") if isinstance(error, socket.gaierror) else name
            raise SettingsError(f"{name}: cannot listen on {format_address((host, port))}: {reason}") from error
    return listen(
        "0.0.0.0",  # noqa: S104 -- every IPv4 address is what `::` asked for
        port,
        name=name,
        send_buffer_bytes=send_buffer_bytes,
        stall_timeout_seconds=stall_timeout_seconds,
    )


def address_of(listener: socket.socket) -> Address:
    """The address that *listener* is bound to; tells the port that 0 stood for."""
    host, port = listener.getsockname()[:2]
    return str(host), int(port)


def format_address(address: Address) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def raise_open_files_limit() -> None:
    """Raise the soft limit of open files to the hard one: each stream takes two, and 1024 is a common soft limit."""
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 -- does not exist on Windows

    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # macOS may refuse its own hard limit; then the soft one stays.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connections_limit() -> int:
    """How many connections of clients the limit of open files allows, each with one to the upstream; 0: no limit.

    Some descriptors stay spare: an admin port that could not answer, or a store that could not be reached, would make
    an outage of an overload.
    """
    if sys.platform == "win32":
        return 0
    import resource  # noqa: PLC0415 -- does not exist on Windows

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY:
        return 0
    return max(1, (soft - min(_SPARE_DESCRIPTORS, soft // 3)) // 2)


def told_above(limit: int) -> int:
    """How many connections above *limit*, which is `connections_limit`'s, may shake hands to be told of it.

    They have no upstream connection, and with them three quarters of what is spare are left.
    """
    return min(_TOLD_DESCRIPTORS, limit // 4)


def reset_when_closed(handle: socket.socket | TransportSocket) -> None:
    """Have the close that follows discard what was not sent, and reset the connection."""
    handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)


def _bound(host: str, port: int, send_buffer_bytes: int | None, stall_timeout_seconds: float | None) -> socket.socket:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # `localhost` is both families: clients that try IPv6 first fall back, those that know IPv4 only do not.
    family, _type, _protocol, _name, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "::" else 1)
        if send_buffer_bytes is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
        if stall_timeout_seconds is not None and sys.platform == "linux":
            milliseconds = min(max(1, int(stall_timeout_seconds * 1000)), _MAX_INT)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
