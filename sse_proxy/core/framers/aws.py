"""``application/vnd.amazon.eventstream``, the binary framing of AWS: lengths, headers, payload, two CRCs.

    u32 total length · u32 headers length · u32 CRC of both · headers · payload · u32 CRC of all before

A header is ``u8 length, name, u8 type, value``; type 7 is a string with a u16 length. A record's ``event`` is the
message's ``:event-type``; of exceptions and errors it is ``exception:`` and their type. An error has no payload, but a
``:error-message``: its record's data is what an exception's payload would be. Lengths are checked before anything is
held for them, and both CRCs before anything is believed.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator, Mapping

from ...errors import EventTooLarge, UpstreamProtocolError
from ..sse import Event, Repairs
from .base import valid_utf8

__all__ = ["AwsFramer", "encode_message"]

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_STRING = 7
#: Bytes of a value by its type; None where a u16 length stands in front.
_SIZES: dict[int, int | None] = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 6: None, _STRING: None, 8: 8, 9: 16}
_BROKEN = "the upstream's event stream is damaged"


class AwsFramer:
    """A `RecordFramer`."""

    def __init__(self, *, max_event_bytes: int, repairs: Repairs) -> None:
        self.repairs = repairs
        self.completed: list[Event] = []
        self.cut = False
        self._max_bytes = max_event_bytes
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        #: Bytes of the message that is being collected, once its prelude is here.
        self._wanted = _PRELUDE.size

    @property
    def held_bytes(self) -> int:
        return self._held_bytes

    @property
    def at_boundary(self) -> bool:
        return not self._held_bytes

    @property
    def between_events(self) -> bool:
        return not self._held_bytes

    def feed(self, chunk: bytes) -> list[Event]:
        records: list[Event] = []
        position = 0
        try:
            while position < len(chunk):
                piece = chunk[position : position + self._wanted - self._held_bytes]
                position += len(piece)
                self._pieces.append(piece)
                self._held_bytes += len(piece)
                if self._held_bytes == self._wanted:
                    self._complete(records)
        except (EventTooLarge, UpstreamProtocolError):
            self.completed = records
            raise
        return records

    def finish(self) -> list[Event]:
        self.cut = self._held_bytes > 0
        return []

    def _complete(self, records: list[Event]) -> None:
        held = b"".join(self._pieces)
        if self._wanted == _PRELUDE.size:
            self._pieces = [held]
            self._wanted = self._length(held)
            return
        records.append(_message(held, self.repairs))
        self._pieces.clear()
        self._held_bytes = 0
        self._wanted = _PRELUDE.size

    def _length(self, prelude: bytes) -> int:
        total, headers, checksum = _PRELUDE.unpack(prelude)
        if zlib.crc32(prelude[:8]) != checksum or total < _PRELUDE.size + headers + _CRC.size:
            raise UpstreamProtocolError(_BROKEN)
        if total > self._max_bytes:
            raise EventTooLarge
        return int(total)


def encode_message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message; *headers* become string headers."""
    block = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", _STRING, len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    lengths = struct.pack(">II", _PRELUDE.size + len(block) + len(payload) + _CRC.size, len(block))
    message = lengths + _CRC.pack(zlib.crc32(lengths)) + block + payload
    return message + _CRC.pack(zlib.crc32(message))


def _message(message: bytes, repairs: Repairs) -> Event:
    if zlib.crc32(message[: -_CRC.size]) != _CRC.unpack(message[-_CRC.size :])[0]:
        raise UpstreamProtocolError(_BROKEN)
    payload_at = _PRELUDE.size + _PRELUDE.unpack_from(message)[1]
    headers = dict(_headers(message[_PRELUDE.size : payload_at]))
    payload = message[payload_at : -_CRC.size]
    kind = headers.get(b":event-type", b"")
    if headers.get(b":message-type", b"event") != b"event":
        kind = b"exception:" + headers.get(b":exception-type", headers.get(b":error-code", b""))
        if not payload:
            text = headers.get(b":error-message", b"").decode(errors="replace")
            payload = json.dumps({"message": text}).encode()
    # It may become the type of an event, which is one line of valid UTF-8.
    kind = kind.decode(errors="replace").replace("\r", "").replace("\n", "").encode()
    payload = payload.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return Event(data=valid_utf8(payload, repairs), event=kind)


def _headers(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The string headers of a message."""
    position = 0
    try:
        while position < len(block):
            name_end = position + 1 + block[position]
            name, kind = block[position + 1 : name_end], block[name_end]
            position = name_end + 1
            size = _SIZES[kind]
            if size is None:
                size = struct.unpack_from(">H", block, position)[0]
                position += 2
            value = block[position : position + size]
            position += size
            block[position - 1]  # raises where the block ends before
            if kind == _STRING:
                yield name, value
    except (IndexError, KeyError, struct.error) as error:
        raise UpstreamProtocolError(_BROKEN) from error
