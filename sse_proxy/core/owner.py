"""Who a stream belongs to: a hash of the credentials that its request came with (``resume_owner_headers``).

The usual headers are ``Authorization`` and its kin, ``X-API-Key``, ``api-key`` and ``x-goog-api-key``: what SDKs send
and what ``auth_tokens_file`` takes. ``Cookie`` is not among them: analytics and rolling sessions rewrite it between two
requests of one visitor, who would be a stranger to his own stream, and who without any credential still has to name an
id of 128 random bits. A site whose only credential is a cookie that keeps still, or a gateway's ``X-Forwarded-User``,
names that header. A token that is renewed meanwhile makes another caller, too: the safe side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from .headers import RawHeaders, values

__all__ = ["ANONYMOUS", "owner_of"]

#: The owner of all that comes without a credential. What is looked up by a name that callers choose (a chat, an
#: ``Idempotency-Key``) is not safe among them, as anybody may guess it; a stream's id is.
ANONYMOUS = "0" * 64


def owner_of(headers: RawHeaders, names: Iterable[str]) -> str:
    """64 hexadecimal digits, the same for the same values of the fields *names* (lower case), and no others'.

    The order of *names* and that of different fields in *headers* do not matter.
    """
    digest = hashlib.sha256()
    told = False
    for name in sorted(set(names)):
        key = name.encode("latin-1")
        for value in values(headers, key):
            # Lengths in front, so that no value can pass for two, nor for another field's.
            digest.update(b"%d:%b%d:%b" % (len(key), key, len(value), value))
            told = True
    return digest.hexdigest() if told else ANONYMOUS
