"""What a client of an OpenAI chat stream reads of the bytes that it gets, as the words of `life_model`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from .life_model import Word

__all__ = ["words"]


def words(said: Iterable[tuple[float, int | bytes]]) -> Iterator[Word]:
    """What a client reads of it."""
    for moment, piece in said:
        if isinstance(piece, int):
            yield moment, piece
            continue
        events = piece.removeprefix(b": ping\n")
        if events != piece:
            yield moment, "beat"
        for block in events.split(b"\n\n"):
            lines = [line for line in block.split(b"\n") if line and not line.startswith(b"id: ")]
            if lines:
                yield moment, _word(lines)


def _word(lines: list[bytes]) -> str:
    assert len(lines) == 1, lines
    data = lines[0].removeprefix(b"data: ")
    if data == b"[DONE]":
        return "done"
    document = json.loads(data)
    if "error" in document:
        code = document["error"].get("code")
        return f"error:{code if isinstance(code, str) else ''}"
    choice = document["choices"][0]
    if choice["finish_reason"]:
        return "finish"
    return choice["delta"].get("content", "noop")  # type: ignore[no-any-return]
