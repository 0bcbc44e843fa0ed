"""The knobs of one request, read from its query and its ``X-Mock-…`` headers; the table is in the package header."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, ValidationError

from .defects import parse_defects

__all__ = ["Cut", "KnobError", "Knobs", "read_knobs"]

_PREFIX = "x-mock-"
#: Headers of the same prefix that are no knobs.
_NOT_KNOBS = frozenset({"id"})

Cut = Literal["stall", "die", "die_mid_event", "tear", "truncate", "error"]
_Count = NonNegativeInt | None


class KnobError(ValueError):
    """An unknown ``X-Mock-…`` header, or a value that a knob does not take; the message names it."""


def _defects(value: object) -> object:
    return parse_defects(value) if isinstance(value, str) else value


class Knobs(BaseModel):
    """What the client wants the mock to do."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    tokens: Annotated[int, Field(ge=0, le=1_000_000)] = 20
    rate: NonNegativeFloat = 20.0
    prefill: NonNegativeFloat = 0.0
    headers_then_wait: NonNegativeFloat = 0.0
    read_delay: NonNegativeFloat = 0.0
    stall_after: _Count = None
    die_after: _Count = None
    die_mid_event: _Count = None
    tear_after: _Count = None
    truncate_after: _Count = None
    error_first: bool = False
    error_after: _Count = None
    error_status: Annotated[int, Field(ge=400, le=599)] | None = None
    error_form: Literal["nested", "flat", "field"] = "nested"
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    body: Literal["stream", "html", "json", "empty"] = "stream"
    huge: Annotated[int, Field(ge=0, le=1 << 28)] = 0
    wide: Annotated[int, Field(ge=0, le=65_536)] = 0
    separators: bool = False
    encoding: Literal["identity", "gzip", "deflate", "br", "zstd"] = "identity"
    content_type: str | None = None
    ping: Literal["none", "comment", "event", "data"] = "none"
    comment_every: NonNegativeInt = 1
    ping_seconds: NonNegativeFloat = 0.0
    no_done: bool = False
    no_finish: bool = False
    defect: Annotated[frozenset[str], BeforeValidator(_defects)] = frozenset()
    ids: bool = False
    header: tuple[str, ...] = ()
    size_bytes: NonNegativeInt = Field(default=65_536, alias="bytes")

    @property
    def cut(self) -> tuple[int, Cut] | None:
        """After how many events something happens to the stream, and what; None when nothing does."""
        plans: tuple[tuple[int | None, Cut], ...] = (
            (0 if self.error_first else self.error_after, "error"),
            (self.stall_after, "stall"),
            (self.die_after, "die"),
            (self.die_mid_event, "die_mid_event"),
            (self.tear_after, "tear"),
            (self.truncate_after, "truncate"),
        )
        return min(((count, cut) for count, cut in plans if count is not None), default=None)

    @property
    def extra_headers(self) -> list[tuple[bytes, bytes]]:
        """The ``header`` knob as ASGI headers."""
        pairs = (line.partition(":") for line in self.header)
        return [(name.strip().lower().encode(), value.strip().encode()) for name, _, value in pairs]


_NAMES = {field.alias or name for name, field in Knobs.model_fields.items()}


def read_knobs(query: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Knobs:
    """The knobs in a query string and in headers; other query parameters belong to the API and are ignored.

    Raises:
        KnobError: see there.
    """
    values: dict[str, object] = {}
    for raw_name, value in headers:
        name = raw_name.decode("latin-1").lower()
        if name.startswith(_PREFIX) and (knob := name[len(_PREFIX) :].replace("-", "_")) not in _NOT_KNOBS:
            values[knob] = (value.decode("latin-1"),) if knob == "header" else value.decode("latin-1")
    parameters = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    values.update((name, value) for name, value in parameters if name in _NAMES and name != "header")
    if lines := tuple(value for name, value in parameters if name == "header"):
        values["header"] = lines
    try:
        return Knobs.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise KnobError(f"knob {'.'.join(map(str, first['loc']))}: {first['msg']}, got {first['input']!r}") from error
