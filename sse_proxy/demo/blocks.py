"""What the mock writes: blocks of an event stream (WHATWG HTML § 9.2.5), good ones and those that hold no event.

Apart from `core.sse` on purpose: what a test feeds to the parser must not come from the parser's own module, and a
`Block` has to express what an `Event` cannot, such as a ``retry`` or a comment alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

__all__ = ["Block", "JSONObject", "to_bytes", "to_json"]

JSONObject = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Lines up to a blank line; a field that is None has no line."""

    comment: str | None = None
    id: str | None = None
    event: str | None = None
    retry: int | None = None
    #: One ``data`` line for each line of it.
    data: str | None = None
    #: The name of the field that the data is in; wrong where it is another one.
    field: str = "data"
    #: Tokens it carries: what ``rate`` paces.
    tokens: int = 0
    #: Events it carries: what ``…_after`` counts.
    events: int = 1


def to_json(document: object) -> str:
    """*document* as compact JSON; text stays UTF-8, as real servers write it."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def to_bytes(block: Block) -> bytes:
    """The canonical bytes of *block*, its blank line included."""
    lines: list[str] = []
    if block.comment is not None:
        lines.append(f": {block.comment}")
    if block.id is not None:
        lines.append(f"id: {block.id}")
    if block.event is not None:
        lines.append(f"event: {block.event}")
    if block.retry is not None:
        lines.append(f"retry: {block.retry}")
    if block.data is not None:
        lines.extend(f"{block.field}: {line}" for line in block.data.split("\n"))
    return "".join(f"{line}\n" for line in (*lines, "")).encode()
