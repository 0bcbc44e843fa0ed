"""What is refused of a request's head though llhttp reads it: whatever another reader might take in another way.

llhttp judges the grammar, and one length beside chunks. It takes any list of transfer codings whose last member is
``chunked``, and says nothing about ``Host``. Behind us stands another parser, and maybe one that goes by names: so the
rules that RFC 9112 puts on servers are kept here. Departure: 400 where § 6.1 has 501 for a coding that is not known.
"""

from __future__ import annotations

import re

from .headers import RawHeaders

__all__ = ["fault_of"]

# RFC 9112 § 3.2 and RFC 3986 § 3.2.2 f.: a name or an IPv4 address, or an IPv6 address in brackets; then a port.
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|([A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)(:[0-9]*)?")
_VERSIONS = frozenset({"1.0", "1.1"})


def fault_of(headers: RawHeaders, version: str) -> str | None:
    """What is wrong with a head whose field names are in lower case, as a sentence; None: nothing.

    *version*: ``1.1`` and the like.
    """
    if version not in _VERSIONS:
        return "This version of HTTP is not spoken here."
    hosts = codings = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if not _HOST.fullmatch(value):
                return "Invalid Host."
        elif name == b"transfer-encoding":
            codings += 1
            # § 6.1: a proxy that takes off the chunks alone would pass off what is below them as the content.
            if codings > 1 or value.lower() != b"chunked" or version == "1.0":
                return "Unsupported Transfer-Encoding."
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        return "A request has to have one Host."
    return None
