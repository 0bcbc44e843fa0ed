"""Access tokens of our own (``auth_tokens_file``): who may come in, and what is kept from the upstream.

A token file holds one bearer token a line, or ``sha256:`` and the 64 hex digits of a token's SHA-256; blank lines and
lines that begin with ``#`` are ignored. In memory there are digests only, and neither a token nor a digest is ever
logged.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from pathlib import Path

from .core.headers import HeaderList, RawHeaders
from .errors import Unauthorized
from .settings import SettingsError

__all__ = ["TokenFile", "authenticate", "client_key"]

_logger = logging.getLogger(__name__)

_KEY_FIELDS = frozenset({b"x-api-key", b"api-key", b"x-goog-api-key"})
_HASHED = re.compile(rb"sha256:([0-9a-f]{64})", re.IGNORECASE)
_TOKEN = re.compile(rb"[\x21-\x7e]+")
_EXPECTED = "a file with a bearer token, or sha256: and 64 hex digits, a line"
_STAT_EVERY_SECONDS = 1.0

_Fingerprint = tuple[int, int, int]


class TokenFile:
    """The tokens of one file, re-read when it changes; a bad new version leaves the last good one in force.

    *setting* is the name of the setting that holds *path*, for messages. Reading blocks for one ``stat`` at most once a
    second, and for one small read when the file has changed.

    Raises:
        SettingsError: the file is unreadable, empty or malformed at the start.
    """

    def __init__(self, path: Path, *, setting: str = "auth_tokens_file") -> None:
        self._path = path
        self._setting = setting
        try:
            self._fingerprint, self._digests = _load(path)
        except (OSError, ValueError) as error:
            raise SettingsError(self._complaint(error)) from error
        #: When the file was last looked at; None: not since the start.
        self._looked: float | None = None
        # One warning for each time the file goes bad, not one a second.
        self._warned = False

    def knows(self, token: bytes, now: float) -> bool:
        """Whether *token* is one of the file's, in constant time over all entries; *now*: seconds, monotonic."""
        self._refresh(now)
        digest = hashlib.sha256(token).digest()
        found = False
        for known in self._digests:
            found |= hmac.compare_digest(known, digest)
        return found

    def _refresh(self, now: float) -> None:
        if self._looked is not None and now - self._looked < _STAT_EVERY_SECONDS:
            return
        self._looked = now
        try:
            if _fingerprint(self._path) == self._fingerprint:
                return
            self._fingerprint, self._digests = _load(self._path)
        except (OSError, ValueError) as error:
            if not self._warned:
                _logger.warning("%s; the tokens read before stay in force", self._complaint(error))
            self._warned = True
        else:
            self._warned = False
            _logger.info("%s: re-read, %d tokens", self._setting, len(self._digests))

    def _complaint(self, error: OSError | ValueError) -> str:
        reason = error.strerror if isinstance(error, OSError) else error
        return f'{self._setting}: got "{self._path}", expected {_EXPECTED}: {reason}'


def authenticate(headers: RawHeaders, file: TokenFile, now: float) -> tuple[bytes, HeaderList]:
    """The token that lets a request in, and *headers* without the fields that carried a known one.

    Credentials that are not ours stay: they are the caller's for the upstream.

    Raises:
        Unauthorized: no field carries a known token.
    """
    granted: bytes | None = None
    kept: HeaderList = []
    for name, value in headers:
        token = _credential(name.lower(), value.strip())
        if token is not None and file.knows(token, now):
            granted = token
        else:
            kept.append((name, value))
    if granted is None:
        raise Unauthorized
    return granted, kept


def client_key(*, token: bytes | None, address: str) -> str:
    """What per-client limits count by: the hash of a *token* that was found good, else the *address*.

    A token that nobody has checked is no identity: whoever makes up a new one for each request would escape the limit.
    """
    return f"address:{address}" if token is None else f"token:{hashlib.sha256(token).hexdigest()}"


def _credential(name: bytes, value: bytes) -> bytes | None:
    """The token that a header field (name in lower case) carries; None when it carries none."""
    if name == b"authorization":
        scheme, _, token = value.partition(b" ")  # RFC 9110 § 11.1: the scheme's case does not matter
        return token.strip() if scheme.lower() == b"bearer" else None
    return value if name in _KEY_FIELDS else None


def _fingerprint(path: Path) -> _Fingerprint:
    # The inode too: a Kubernetes secret is swapped by a symlink, and may keep size and time.
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _load(path: Path) -> tuple[_Fingerprint, frozenset[bytes]]:
    # In this order: a change between the two is seen at the next look.
    fingerprint, content = _fingerprint(path), path.read_bytes()
    lines = enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1)
    entries = [(number, entry) for number, raw in lines if (entry := raw.strip()) and not entry.startswith(b"#")]
    if not entries:
        raise ValueError("it holds none")
    digests = set()
    for number, entry in entries:
        if (digest := _digest(entry)) is None:
            raise ValueError(f"line {number} is neither")  # not the line: it may be a mistyped secret
        digests.add(digest)
    return fingerprint, frozenset(digests)


def _digest(entry: bytes) -> bytes | None:
    """SHA-256 of the token that *entry* stands for; None when it stands for none."""
    if hashed := _HASHED.fullmatch(entry):
        return bytes.fromhex(hashed[1].decode("ascii"))
    usable = _TOKEN.fullmatch(entry) and not entry.lower().startswith(b"sha256:")
    return hashlib.sha256(entry).digest() if usable else None
