"""What became of one answer, in a word; pure."""

from __future__ import annotations

from dataclasses import dataclass

from ..js_sdk import JsError, JsResult
from .clients import Client
from .columns import Column

__all__ = ["Cell", "is_good", "verdict"]


@dataclass(frozen=True, slots=True)
class Cell:
    """What a client makes of a column; *direct* is None where it cannot speak to the upstream by itself."""

    direct: str | None
    proxied: str
    #: HTTP status that the client was told through the proxy; None where it tells none.
    status: int | None = None

    def __str__(self) -> str:
        return f"{self.direct or '–'} → {self.proxied}"


def verdict(client: Client, column: Column, result: JsResult) -> str:
    """What the page says of *result*; its legend has the words."""
    text = column.text(client.api)
    if result.error is not None:
        if _gave_up(result.error):
            return "hangs"
        return "raises" if column.delivered or text.startswith(result.text) else "wrong"
    if not column.delivered:
        return "silent"
    if result.text == text:
        return "✓"
    return "wrong" if len(result.text) >= len(text) else "lost"


def is_good(column: Column, word: str) -> bool:
    """Whether nothing better could have come of *column*."""
    return word == ("✓" if column.delivered else "raises")


def _gave_up(error: JsError) -> bool:
    """Whether it was the client's own timeout, and no status or error that somebody told it."""
    return error.status is None and any("Timeout" in name or name == "Hung" for name in error.names)
