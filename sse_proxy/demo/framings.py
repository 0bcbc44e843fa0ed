"""The bytes of a block in framings that are no SSE (reference: formats.md § A); what they hold is the block's data.

Where there are no comments, white space between the records is what keeps a line alive, if anything does.
"""

from __future__ import annotations

import binascii
import json
import struct
from collections.abc import Callable

from .blocks import Block, to_bytes

__all__ = ["CLOSING", "encoded", "is_sse"]

#: Ends an array; in other framings a stream just ends.
CLOSING = Block(data="]", events=0)

#: Framing → what a keep-alive is; without an entry there is none.
_KEEP_ALIVE = {"ndjson": b"\n", "lines": b"\n", "json": b" ", "nul": b" ", "array": b" "}


def _aws(block: Block, _before: int) -> bytes:
    kind = block.event or "chunk"
    message_type = "exception" if kind.endswith("Exception") else "event"
    names = {f":{message_type}-type": kind, ":content-type": "application/json", ":message-type": message_type}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in names.items()
    )
    payload = (block.data or "").encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", binascii.crc32(message))


def _array(block: Block, before: int) -> bytes:
    if block == CLOSING:
        return b"\n]\n" if before else b"[]\n"
    pretty = json.dumps(json.loads(block.data or "null"), indent=2, ensure_ascii=False)
    return (",\n" if before else "[").encode() + pretty.encode()


def _ended_by(end: bytes) -> Callable[[Block, int], bytes]:
    return lambda block, _before: (block.data or "").encode() + end


#: ``(block, how many came before it) → bytes``.
_WRITERS: dict[str, Callable[[Block, int], bytes]] = {
    "sse": lambda block, _before: to_bytes(block),
    "sse-crlf": lambda block, _before: to_bytes(block).replace(b"\n", b"\r\n"),
    "ndjson": _ended_by(b"\n"),
    "nul": _ended_by(b"\0"),
    "json": _ended_by(b""),
    "lines": _ended_by(b"\n"),
    "text": _ended_by(b""),
    "array": _array,
    "aws": _aws,
}


def is_sse(framing: str) -> bool:
    """Whether a stream of that *framing* is an event stream."""
    return framing.startswith("sse")


def encoded(framing: str, block: Block, before: int) -> bytes:
    """The bytes of *block*, the first one where *before* is 0; of one without data, a keep-alive."""
    if block.data is None and not is_sse(framing):
        return _KEEP_ALIVE.get(framing, b"")
    return _WRITERS[framing](block, before)
