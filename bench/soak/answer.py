"""One HTTP response of any status, on the strict reader of the rest of the benchmark."""

from __future__ import annotations

from ..response import BadResponse, ResponseReader

__all__ = ["Answer"]

_MAX_HEAD_BYTES = 65_536
#: RFC 9110 § 15.3.5: no body, and nothing that tells its length.
_NO_CONTENT = 204


class Answer:
    """What came back so far.

    Attributes:
        status: None until the head is there.
        headers: Names in lower case.
        got_bytes: On the wire, head included.
    """

    def __init__(self) -> None:
        self.status: int | None = None
        self.headers: dict[str, str] = {}
        self.got_bytes = 0
        self._held = b""
        self._body = ResponseReader()

    @property
    def is_complete(self) -> bool:
        """The body has come to its end."""
        return self.status == _NO_CONTENT or self._body.is_complete

    def feed(self, data: bytes) -> bytes:
        """The payload in *data*.

        Raises:
            BadResponse: this is no HTTP.
        """
        self.got_bytes += len(data)
        if self.status is not None:
            return self._body.feed(data)
        self._held += data
        end = self._held.find(b"\r\n\r\n")
        if end < 0:
            if len(self._held) > _MAX_HEAD_BYTES:
                raise BadResponse("a head without end")
            return b""
        line, *fields = self._held[:end].decode("latin-1").split("\r\n")
        if not line.startswith("HTTP/1.1 ") or not line[9:12].isdigit():
            raise BadResponse(line[:80])
        self.status = int(line[9:12])
        self.headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        if self.status == _NO_CONTENT:
            return b""
        # The reader takes nothing but a 200; what else there is to a head is the same in all.
        rest, self._held = self._held[self._held.index(b"\r\n") :], b""
        return self._body.feed(b"HTTP/1.1 200 OK" + rest)
