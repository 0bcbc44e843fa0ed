"""How the records of a body follow each other, by its Content-Type and its first bytes (formats.md § C, rule 2)."""

from __future__ import annotations

import re
import struct
import zlib
from enum import Enum, auto

from .framers import Framing
from .headers import RawHeaders, first, media_type
from .sse import BOM

__all__ = ["SNIFF_BYTES", "Kind", "framing_of_media_type", "is_record_stream", "sniff", "sniff_whole"]

#: More of a body is never held to find out what it is.
SNIFF_BYTES = 4096

_FIELDS = ("data", "event", "id", "retry")
_FIELD = rb"(?:data|event|id|retry)?[ ]?:"
_FIELD_BEGUN = "|".join(name[:size] for name in _FIELDS for size in range(1, len(name) + 1))

_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
#: Two lengths, and the CRC of both.
_PRELUDE = struct.Struct(">8sI")

_MEDIA_TYPES = {
    "text/event-stream": Framing.SSE,
    "application/vnd.amazon.eventstream": Framing.AWS,
    **dict.fromkeys(
        (
            "application/json-seq", "application/jsonl", "application/jsonlines", "application/ndjson",
            "application/stream+json", "application/x-jsonlines", "application/x-ndjson",
        ),
        Framing.NDJSON,
    ),
}  # fmt: skip


class Kind(Enum):
    """What is no stream of records."""

    HTML = auto()
    #: Bytes that stand in no text.
    BINARY = auto()
    #: No body.
    NOTHING = auto()
    #: Anything: text, if the Content-Type says so.
    OTHER = auto()


#: How a body begins that is of that kind; None where more bytes are needed. In order.
_OPENINGS: tuple[tuple[re.Pattern[bytes], Framing | Kind | None], ...] = (
    (re.compile(_FIELD), Framing.SSE),
    (re.compile(rf"(?:{_FIELD_BEGUN})\Z".encode()), None),
    (re.compile(rb"\{"), Framing.JSON),
    (re.compile(rb"\["), Framing.JSON_ARRAY),
    (re.compile(rb"<"), Kind.HTML),
    # A line of the AI SDK's data stream: a code, and JSON behind it.
    (re.compile(rb"[0-9a-k]:[\"{\[\d]"), Framing.DATA_STREAM),
    (re.compile(rb"[0-9a-k]:?\Z"), None),
)
#: Lines that are fields of any other name, or text such as "Answer: 42".
_LINES = rb"(?:(?!%b)[A-Za-z][\w-]{0,31}:[^\r\n]*[\r\n]+)*+" % _FIELD
#: Where the Content-Type says that these are fields, it is right if one of the standard's follows.
_ANY_FIELD: tuple[tuple[re.Pattern[bytes], Framing | Kind | None], ...] = (
    (re.compile(rb"error:[ ]?\{"), Framing.SSE),  # llama.cpp until 2025
    (re.compile(_LINES + _FIELD), Framing.SSE),
    (re.compile(_LINES + rb"(?:[A-Za-z][\w-]{0,31}(?::[^\r\n]*)?)?\Z"), None),
)


def framing_of_media_type(kind: str) -> Framing | None:
    """The framing that a media type promises; None where it does not say."""
    return _MEDIA_TYPES.get(kind)


def is_record_stream(headers: RawHeaders) -> bool:
    """Whether a response is a stream of records that are no SSE: NDJSON and its kin, of unknown length."""
    framing = framing_of_media_type(media_type(first(headers, b"content-type")))
    return first(headers, b"content-length") is None and framing not in {None, Framing.SSE}


def sniff(head: bytes, promised: Framing | None = None) -> Framing | Kind | None:
    """The framing of a body that starts with *head*, or else its kind; None when more bytes are needed to tell.

    *promised* is what the Content-Type says: where that is SSE, fields that no one knows may come first.
    """
    kind = _sniffed(head, promised)
    return Kind.OTHER if kind is None and len(head) >= SNIFF_BYTES else kind


def sniff_whole(body: bytes, promised: Framing | None) -> Framing | Kind:
    """What a *body* is that has ended before `sniff` could tell."""
    if promised is not Framing.SSE:
        return promised or (Kind.OTHER if body else Kind.NOTHING)
    # The beginning of a field that never came is text like any other.
    return Kind.OTHER if body.strip() else promised


def _sniffed(head: bytes, promised: Framing | None) -> Framing | Kind | None:
    if len(head) < len(BOM) and BOM.startswith(head):
        return None
    if head.startswith(b"\0"):  # a message length below 16 MiB, and nothing that text begins with
        return _sniff_aws(head)
    text = head.removeprefix(BOM).lstrip(b" \t\r\n\x1e")
    if not text:
        return None
    for opening, kind in (*_OPENINGS, *(_ANY_FIELD if promised is Framing.SSE else ())):
        if opening.match(text):
            return kind
    return Kind.BINARY if _CONTROL.search(text) else Kind.OTHER


def _sniff_aws(head: bytes) -> Framing | Kind | None:
    if len(head) < _PRELUDE.size:
        return None
    lengths, checksum = _PRELUDE.unpack_from(head)
    return Framing.AWS if zlib.crc32(lengths) == checksum else Kind.BINARY
