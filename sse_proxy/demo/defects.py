"""The malformed framings (reference: formats.md § A4), each a pure function at one of three stages.

    blocks ──block stage──▶ blocks ──framing──▶ bytes ──byte stage──▶ bytes ──write stage──▶ writes

A block-stage defect rewrites the sequence of blocks; a framing one makes the body something else than an event stream,
under the Content-Type of one; a byte-stage one changes the bytes of one block, told whether it is the first or the last
of the stream; a write-stage one says where the bytes of one write are cut in pieces. Several may be combined; they are
applied in the order of the tables below.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count

from .blocks import Block
from .framings import is_sse
from .text import BAD_BYTE_MARK, spoken

__all__ = [
    "BYTE_STAGE",
    "DEFECTS",
    "WRITE_STAGE",
    "blocks_with",
    "check_defects",
    "expected_text",
    "framing_with",
    "parse_defects",
]

Blocks = Iterable[Block]

#: Events in one write under ``coalesced``.
COALESCED_EVENTS = 3


def _double_data(blocks: Blocks) -> Iterator[Block]:
    """``data: data: {…}``."""
    for block in blocks:
        yield replace(block, data=f"data: {block.data}") if block.data else block


def _multi_line_data(blocks: Blocks) -> Iterator[Block]:
    """JSON pretty-printed over several ``data`` lines of one event."""
    for block in blocks:
        if block.data is not None and block.data.startswith("{"):
            yield replace(block, data=json.dumps(json.loads(block.data), indent=2, ensure_ascii=False))
        else:
            yield block


def _concatenated_json(blocks: Blocks) -> Iterator[Block]:
    """Two token events of one type in one ``data`` field, with nothing between the documents."""
    held: Block | None = None
    for block in blocks:
        if held is None and block.tokens:
            held = block
            continue
        if held is not None and block.tokens and block.event == held.event:
            yield replace(held, data=f"{held.data}{block.data}", tokens=held.tokens + block.tokens, events=2)
        else:
            yield from (block,) if held is None else (held, block)
        held = None
    if held is not None:
        yield held


def _split_json(blocks: Blocks) -> Iterator[Block]:
    """Each document in two events, cut in the middle."""
    for block in blocks:
        if block.data is None or not block.data.startswith("{"):
            yield block
            continue
        middle = len(block.data) // 2
        yield replace(block, data=block.data[:middle], events=0)
        yield replace(block, data=block.data[middle:], tokens=0, id=None)


def _literal_newlines(blocks: Blocks) -> Iterator[Block]:
    r"""A backslash and an ``n``, twice, where a server has quoted the line ends."""
    for block in blocks:
        yield replace(block, data=f"{block.data}\\n\\n") if block.data and block.data.startswith("{") else block


def _between(intruder: Block) -> Callable[[Blocks], Iterator[Block]]:
    """Put *intruder* in front of every block."""

    def intrude(blocks: Blocks) -> Iterator[Block]:
        for block in blocks:
            yield intruder
            yield block

    return intrude


def _id_lines(blocks: Blocks) -> Iterator[Block]:
    """An ``id`` on each event, counted from 1."""
    numbers = count(1)
    for block in blocks:
        yield replace(block, id=str(next(numbers))) if block.data and block.id is None else block


def _retry_field(blocks: Blocks) -> Iterator[Block]:
    """A ``retry`` in a block of its own before the first event."""
    yield Block(retry=3000, events=0)
    yield from blocks


_BLOCK_STAGE: dict[str, Callable[[Blocks], Iterator[Block]]] = {
    "multi_line_data": _multi_line_data,
    "concatenated_json": _concatenated_json,
    "double_data": _double_data,
    "split_json": _split_json,
    "literal_newlines": _literal_newlines,
    "id_lines": _id_lines,
    "comment_in_data": _between(Block(data=": keepalive", events=0)),
    "empty_data": _between(Block(data="", events=0)),
    "retry_field": _retry_field,
}

#: Name → the framing; ``bare_json`` has nothing at all between the documents.
_FRAMING_STAGE = {"bare_json": "json", "bare_lines": "ndjson", "nul_delimited": "nul"}

_CR_LF = re.compile(rb"\r?\n").sub
_SPACE_AFTER_NAME = re.compile(rb"(?m)^(\w*): ")

#: ``(bytes of a block, whether it is the first, whether it is the last) → bytes``.
BYTE_STAGE: dict[str, Callable[[bytes, bool, bool], bytes]] = {
    "no_space": lambda data, _first, _last: _SPACE_AFTER_NAME.sub(rb"\1:", data),
    "invalid_utf8": lambda data, _first, _last: data.replace(BAD_BYTE_MARK.encode(), b"\xff"),
    "single_newline": lambda data, _first, _last: data.removesuffix(b"\n"),
    "extra_blank_lines": lambda data, _first, _last: b"\n" + data + b"\n\n",
    "no_final_blank_line": lambda data, _first, last: data.rstrip(b"\n") if last else data,
    "cr": lambda data, _first, _last: data.replace(b"\r", b"").replace(b"\n", b"\r"),
    "crlf": lambda data, _first, _last: _CR_LF(b"\r\n", data),
    "crlf_split": lambda data, _first, _last: _CR_LF(b"\r\n", data),
    "bom": lambda data, first, _last: b"\xef\xbb\xbf" + data if first else data,
}

#: ``bytes of a write → pieces``; each piece is a write of its own.
WRITE_STAGE: dict[str, Callable[[bytes], list[bytes]]] = {
    "crlf_split": re.compile(rb"[^\r]*\r|[^\r]+").findall,
    "split_utf8": re.compile(rb"[^\xc0-\xff]*[\xc0-\xff]|[^\xc0-\xff]+").findall,
    "split_bytes": lambda data: [data[at : at + 1] for at in range(len(data))],
}

DEFECTS = frozenset({*_BLOCK_STAGE, *_FRAMING_STAGE, *BYTE_STAGE, *WRITE_STAGE, "coalesced"})

#: These can be undone only where every payload is one JSON document.
_JSON_ONLY = frozenset({
    *("concatenated_json", "multi_line_data", "double_data", "comment_in_data", "single_newline", "split_json"),
    *("literal_newlines", *_FRAMING_STAGE),
})  # fmt: skip
#: The dialects whose payloads may be anything.
_OF_ANYTHING = frozenset({"generic", "langgraph", "langserve", "mcp", "replicate"})
#: The dialects that only their first event tells, and what cannot be undone where that is spoiled.
_TOLD_LATE = frozenset({"ag_ui", "tokens"})
_SPOILS_THE_FIRST = frozenset({"comment_in_data", "split_json"})
#: Those that have a meaning in framings without fields and blank lines.
_ANY_BYTES = frozenset({"coalesced", "split_bytes"})
_ANY_TEXT = _ANY_BYTES | {"split_utf8", "invalid_utf8", "bom"}
_OF_FRAMING = {
    "aws": _ANY_BYTES,
    "text": _ANY_TEXT,
    "array": _ANY_TEXT | {"extra_blank_lines", "crlf", "crlf_split", "no_final_blank_line"},
    "json": _ANY_TEXT | {"extra_blank_lines"},
    "nul": _ANY_TEXT,
    "ndjson": _ANY_TEXT | {"extra_blank_lines", "crlf", "crlf_split", "no_final_blank_line"},
    "lines": _ANY_TEXT | {"extra_blank_lines", "crlf", "crlf_split", "no_final_blank_line"},
}


def parse_defects(names: str) -> frozenset[str]:
    """The set of names in a comma-separated list; ``none`` and nothing at all are no defect.

    Raises:
        ValueError: a name that `DEFECTS` does not hold.
    """
    defects = frozenset(names.replace(" ", "").split(",")) - {"none", ""}
    if unknown := defects - DEFECTS:
        raise ValueError(f"no such defect: {', '.join(sorted(unknown))}; known: {', '.join(sorted(DEFECTS))}")
    return defects


def framing_with(defects: frozenset[str], usual: str) -> str:
    """The framing of a stream whose server uses the *usual* one, but for its *defects*."""
    return next((framing for name, framing in _FRAMING_STAGE.items() if name in defects), usual)


def check_defects(dialect: str, defects: frozenset[str], *, framing: str = "sse") -> None:
    """Raise ValueError when a stream of *dialect* with *defects* has no meaning that a reader could restore."""
    if dialect in _OF_ANYTHING and (hopeless := defects & _JSON_ONLY):
        raise ValueError(f"only JSON payloads can be restored from: {', '.join(sorted(hopeless))}")
    if dialect in _TOLD_LATE and (hopeless := defects & _SPOILS_THE_FIRST):
        raise ValueError(f"the dialect cannot be told with: {', '.join(sorted(hopeless))}")
    own = framing_with(defects, framing)
    known = DEFECTS if is_sse(own) else _OF_FRAMING[own]
    if odd := defects - (known | _FRAMING_STAGE.keys() if is_sse(framing) else known):
        raise ValueError(f"without meaning in this framing: {', '.join(sorted(odd))}")


def blocks_with(defects: frozenset[str], blocks: Blocks) -> Iterator[Block]:
    """The *blocks* after all block-stage *defects*."""
    for name, apply in _BLOCK_STAGE.items():
        if name in defects:
            blocks = apply(blocks)
    return iter(blocks)


def expected_text(dialect: str, tokens: int, defect: str = "none", *, huge: int = 0, separators: bool = False) -> str:
    """The text that a reader of the stream must have in the end, every repair made.

    Raises:
        ValueError: an unknown *defect*, or one that cannot be undone in *dialect*.
    """
    defects = parse_defects(defect)
    check_defects(dialect, defects)
    return "".join(spoken(tokens, huge=huge, separators=separators, bad_byte="invalid_utf8" in defects))
