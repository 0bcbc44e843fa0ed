"""What every framer is: bytes of one body, cut anywhere, to records in time linear in the bytes.

The record is an `Event` whatever the format: its ``data`` is the payload, its ``event`` a type where the format has
one. So everything behind the framers (repair, dialects, output) knows one shape only.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Protocol

from ..sse import Event, Repairs, is_utf8

__all__ = ["Framing", "RecordFramer", "valid_utf8"]


class Framing(Enum):
    """How records follow each other in a body (reference: formats.md § C, rule 2)."""

    #: WHATWG HTML § 9.2.5.
    SSE = auto()
    #: One JSON document a line (also JSON Lines, and RFC 7464 with its RS in front).
    NDJSON = auto()
    #: JSON documents with nothing, white space or NUL between them, pretty-printed or not; one alone counts too.
    JSON = auto()
    #: One JSON array whose elements are the records.
    JSON_ARRAY = auto()
    #: ``application/vnd.amazon.eventstream``.
    AWS = auto()
    #: The lines of the AI SDK's data stream, version 4: ``0:"Hi"``.
    DATA_STREAM = auto()
    #: Text, each piece of it a record.
    TEXT = auto()


class RecordFramer(Protocol):
    """One body's way from bytes to records; cutting it elsewhere changes neither records nor repairs (but for TEXT)."""

    #: What had to be repaired so far, by kind.
    repairs: Repairs
    #: After `feed` has raised: the records that its chunk completed before.
    completed: list[Event]

    @property
    def at_boundary(self) -> bool:
        """Whether nothing is held back: the next byte starts a new record."""

    @property
    def between_events(self) -> bool:
        """Whether what came so far ends with a whole record, so that a heartbeat or an error may be written here."""

    @property
    def held_bytes(self) -> int:
        """How much of a record is held whose end has not come."""

    @property
    def cut(self) -> bool:
        """After `finish`: the body ended in the middle of a record, which is lost."""

    def feed(self, chunk: bytes) -> list[Event]:
        """The records that *chunk* completes.

        Raises:
            EventTooLarge: one record is over the limit; those before it are in `completed`.
            UpstreamProtocolError: the body breaks its own framing beyond repair; as above.
        """

    def finish(self) -> list[Event]:
        """The records (one, at most, as a rule) that the clean end of the body completes."""


def valid_utf8(value: bytes, repairs: Repairs) -> bytes:
    """*value*, with U+FFFD for what in it is no UTF-8; that is counted in *repairs*."""
    if value.isascii() or is_utf8(value):
        return value
    repairs["invalid_utf8"] = repairs.get("invalid_utf8", 0) + 1
    return value.decode(errors="replace").encode()
