"""A JSON answer that came so late that its response was begun without it (``json_keepalive_seconds``).

The client has ``200 application/json`` and some spaces, which JSON allows in front of a document (RFC 8259 § 2). A
document goes on as it is. An error can be told by no status any more: its document goes out, and then the connection is
broken off, so that no client takes it for an answer.
"""

from __future__ import annotations

from ..core.decoding import decoder_for
from ..core.headers import HeaderList, first, media_type
from ..errors import UpstreamProtocolError
from .transfer import Transfer
from .unclear import MAX_ERROR_BYTES, upstream_error

__all__ = ["KeptBody"]


class KeptBody:
    """See the module header."""

    def __init__(self, transfer: Transfer, status: int, headers: HeaderList) -> None:
        self._transfer = transfer
        self._status = status
        kind = media_type(first(headers, b"content-type"))
        self._passes = 200 <= status < 300 and (kind == "application/json" or kind.endswith("+json"))
        self._decoder = decoder_for(first(headers, b"content-encoding") or b"")
        self._collected = bytearray()

    async def feed(self, data: bytes) -> None:
        transfer = self._transfer
        transfer.bytes_in += len(data)
        for plain in (data,) if self._decoder is None else self._decoder.feed(data):
            if self._passes:
                if not transfer.is_plain:
                    transfer.becomes_plain()  # the document has begun: spaces may stand in it, but not everywhere
                transfer.pacer.event(transfer.clock())
                await transfer.client.write(plain)
            else:
                self._collected += plain
                transfer.room.set(len(self._collected))
                if len(self._collected) > MAX_ERROR_BYTES:
                    raise self._error()

    async def end(self) -> None:
        if not self._passes:
            raise self._error()
        self._transfer.is_plain = True
        await self._transfer.client.write(b"", end=True)

    def _error(self) -> Exception:
        reported = upstream_error(self._status, bytes(self._collected))
        return reported or UpstreamProtocolError("the upstream answered with something else than JSON")
