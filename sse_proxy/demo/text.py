"""The text that the mock generates: the same every time, and full of what breaks careless readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

__all__ = ["BAD_BYTE_MARK", "SEPARATORS", "answer", "spoken"]

#: Stands in a text where the defect ``invalid_utf8`` puts the byte FF; a reader that repairs sees just this character.
BAD_BYTE_MARK = "\N{REPLACEMENT CHARACTER}"

#: Line ends to Unicode, and to readers that ask it; to JSON and to event streams they are characters like others.
SEPARATORS = "\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}\x85"

# Multi-byte characters, every kind of JSON escape, and the very bytes that framing and endings are recognised by.
_WORDS = (
    "stream",
    "café",
    "日本語",
    "🌊",
    'a "quoted" word',
    "two\nlines",
    "}{",
    "back\\slash",
    "data: field",
    "👩‍🚀",
    "[DONE]",
    "blank\n\nline",
    "message_stop",
    "\tΩmega",
    '"finish_reason":"stop"',
    ": comment",
    "error",
)


def answer(tokens: int) -> list[str]:
    """The *tokens* pieces of the mock's answer, numbered; each ends in a space and none starts with one."""
    return [f"{_WORDS[number % len(_WORDS)]}{number} " for number in range(tokens)]


@dataclass(frozen=True, slots=True)
class _Widened(Sequence[str]):
    """*pieces*, each longer by *padding*; made one by one, since all of them together may not fit into the memory."""

    pieces: Sequence[str]
    padding: str

    def __len__(self) -> int:
        return len(self.pieces)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        if isinstance(index, slice):
            return _Widened(self.pieces[index], self.padding)
        return self.pieces[index] + self.padding


def spoken(
    tokens: int, *, huge: int = 0, wide: int = 0, separators: bool = False, bad_byte: bool = False
) -> Sequence[str]:
    """`answer`, with a second token of *huge* letters, and `SEPARATORS` or `BAD_BYTE_MARK` behind the first token.

    Every token is *wide* letters longer.
    """
    pieces = answer(tokens)
    if huge:
        pieces[1:2] = ["x" * huge]
    if separators and pieces:
        pieces[0] += SEPARATORS
    if bad_byte and pieces:
        pieces[0] += BAD_BYTE_MARK
    return _Widened(pieces, "x" * wide) if wide else pieces
