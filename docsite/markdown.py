"""The few forms of Markdown that the generated pages are made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["bytes_code", "code", "document", "fenced", "listed", "prose", "replaced", "table"]

_NOTE = "<!-- Made from the code by `make reference`. -->"
#: References of comments to documents that are not in this repository.
_ELSEWHERE = re.compile(
    r"\s*\((?:reference: [^()]*|formats\.md [^()]*|INTERFACE[^()]*|DESIGN[^()]*|§[^()]*)\)| of formats\.md § \w+"
)


def document(title: str, *parts: str) -> str:
    """A whole page."""
    return "\n\n".join([f"# {title}", _NOTE, *parts]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; a ``|`` within a cell is escaped, a line end becomes a space."""
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def code(text: object) -> str:
    """*text* as code within a line; nothing for nothing."""
    shown = str(text)
    if not shown:
        return ""
    mark = "``" if "`" in shown else "`"
    return f"{mark}{shown}{mark}"


def bytes_code(data: bytes) -> str:
    r"""*data* as code within a line, with the escapes ``\n`` and ``\r``; what is no text as ``\x00``."""
    shown = "".join(_escape(byte) for byte in data) if _is_binary(data) else data.decode()
    return code(shown.replace("\r", "\\r").replace("\n", "\\n"))


def _is_binary(data: bytes) -> bool:
    return any(byte < 0x20 and byte not in b"\r\n" for byte in data) or not data.isascii()


def _escape(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F and byte != ord("`") else f"\\x{byte:02x}"


def fenced(text: str, language: str = "text") -> str:
    """A block of code."""
    return f"```{language}\n{text.rstrip()}\n```"


def listed(items: Iterable[object]) -> str:
    """*items* as code, separated by commas."""
    return ", ".join(code(item) for item in items)


def prose(docstring: str | None) -> str:
    """A docstring or comment as Markdown: code in single marks, no reference to documents that are elsewhere."""
    text = _ELSEWHERE.sub("", docstring or "")
    text = re.sub(r"``(.+?)``", r"`\1`", text, flags=re.DOTALL)
    return " ".join(text.split())


def replaced(text: str, name: str, content: str) -> str:
    """*text* with *content* between ``<!-- begin: NAME -->`` and ``<!-- end: NAME -->``.

    Raises:
        ValueError: the marks are not there.
    """
    begin, end = f"<!-- begin: {name} -->", f"<!-- end: {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"no {begin} … {end}")
    return f"{before}{begin}\n{content}\n{end}{after}"
