"""Text of strangers, times and sizes, made fit for one line of a terminal."""

from __future__ import annotations

import unicodedata

__all__ = ["as_bytes", "as_range", "as_seconds", "cells", "counted", "fitted", "printable"]

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}


def printable(text: str, *, keeps_lines: bool = False) -> str:
    r"""*text* with escapes for all that a terminal would obey or hide: control, format and private characters.

    *keeps_lines*: line feeds and tabs stay as they are, and so does the backslash.
    """
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_shown(character, keeps_lines=keeps_lines) for character in text)


def _shown(character: str, *, keeps_lines: bool) -> str:
    if keeps_lines and character in "\n\t\\":
        return character
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as the error handler "surrogateescape" has it
        code -= 0xDC00
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cells(text: str) -> int:
    """How many columns of a terminal *text* takes, which is printable."""
    return len(text) if text.isascii() else sum(map(_width, text))


def fitted(text: str, width: int | None) -> str:
    """*text*, cut to *width* columns, the last of them an ellipsis then; None cuts nothing."""
    if width is None or cells(text) <= width:
        return text
    kept, used = [], 1
    for character in text:
        used += _width(character)
        if used > width:
            break
        kept.append(character)
    return "".join(kept) + "…"[: max(0, width)]


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def as_seconds(seconds: float) -> str:
    """As people say it: ``0.312 s``, ``42.1 s``, ``3 min 05 s``."""
    if seconds < 9.9995:
        return f"{seconds:.3f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


def as_range(least: float, most: float | None) -> str:
    """Seconds between two bounds, ``2.5–5 s``; without the upper one, ``over 2560 s``."""
    return f"over {least:g} s" if most is None else f"{least:g}–{most:g} s"


def as_bytes(number: int) -> str:
    """As people say it: ``512 B``, ``5.1 kB``, ``3.0 MB``."""
    if number < 1000:
        return f"{number} B"
    return f"{number / 1e3:.1f} kB" if number < 999_950 else f"{number / 1e6:.1f} MB"


def counted(number: int, thing: str) -> str:
    """``1 event``, ``2 events``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
