"""The framers: bytes of one body to records, one framer per `Framing`."""

from __future__ import annotations

from ..sse import Repairs
from .aws import AwsFramer
from .base import Framing, RecordFramer
from .documents import DocumentFramer
from .event_stream import Framer
from .lines import LineFramer
from .text import TextFramer

__all__ = ["Framing", "RecordFramer", "framer_for"]


def framer_for(
    framing: Framing,
    *,
    max_event_bytes: int,
    joins_json: bool,
    repairs: Repairs,
    dataless: frozenset[bytes] = frozenset(),
) -> RecordFramer:
    """A fresh framer for a body of that *framing*; *joins_json* and *dataless* are for that of SSE, see there."""
    match framing:
        case Framing.SSE:
            return Framer(max_event_bytes=max_event_bytes, joins_json=joins_json, repairs=repairs, dataless=dataless)
        case Framing.NDJSON | Framing.DATA_STREAM:
            json = framing is Framing.NDJSON
            return LineFramer(max_event_bytes=max_event_bytes, json=json, repairs=repairs)
        case Framing.JSON | Framing.JSON_ARRAY:
            array = framing is Framing.JSON_ARRAY
            return DocumentFramer(max_event_bytes=max_event_bytes, repairs=repairs, array=array)
        case Framing.AWS:
            return AwsFramer(max_event_bytes=max_event_bytes, repairs=repairs)
    return TextFramer(repairs=repairs)
