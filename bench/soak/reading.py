"""What one client has got of its stream, compared with what the upstream had to say, event by event and to the byte.

Apart from the proxy's own parsers on purpose. `EventReading` reads event streams; `BodyReading` compares bodies in
framings that have no events; `TextReading` the answer that a bridge tells in words of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

__all__ = ["BodyReading", "EventReading", "LineReading", "Reading", "TextReading"]

_NO_OPS: tuple[dict[str, Any], ...] = ({"candidates": []}, {"response": ""})
_WHITE_SPACE = b" \n\r\t"


class Reading(Protocol):
    """What is known of a response so far.

    Attributes:
        count: Events that came, each the right one; bytes, where there are no events to tell apart.
        blank: Events without data, which are not compared.
        heartbeats: Comments and events that say nothing.
        error: An error was told.
        wrong: What came where something else was due; empty while all is well.
    """

    count: int
    blank: int
    heartbeats: int
    error: bool
    wrong: str

    def feed(self, payload: bytes) -> None:
        """Take note of what came."""

    def is_whole(self) -> bool:
        """All that is expected came, and nothing else; asked at the end of the body."""


class _Compared:
    """Events as they are compared: in order, none left out, none twice."""

    def __init__(self, expected: Sequence[tuple[str, str]]) -> None:
        self._expected = expected
        self._rest = b""
        self.count = self.blank = self.heartbeats = 0
        self.error = False
        self.wrong = ""

    def is_whole(self) -> bool:
        return self.count == len(self._expected) and not self.error and not self.wrong

    def _take(self, event: str, data: str) -> None:
        if self.wrong or not data:
            return
        due = self._expected[self.count] if self.count < len(self._expected) else None
        if due is not None and event == due[0] and (data == due[1] or _value(data) == _value(due[1])):
            self.count += 1
            self.error = self.error or _tells_error(event, data)
        elif event == "ping" or _value(data) in _NO_OPS:
            self.heartbeats += 1
        elif _tells_error(event, data):
            self.error = True
        elif not (self.error and (data == "[DONE]" or data.startswith("d:"))):
            # Behind an error come the ends of those APIs that have one.
            self.wrong = f"event {self.count}: {event or 'message'} {data[:120]!r} came where {due} was due"


class EventReading(_Compared):
    """An event stream (WHATWG HTML § 9.2.5), as far as one needs to go that is canonical by promise.

    *last_id*: of the last event that has one; *error_has_id*: so has the error, which then is part of the stream.
    """

    def __init__(self, expected: Sequence[tuple[str, str]]) -> None:
        super().__init__(expected)
        self.last_id = b""
        self.error_has_id = False

    def feed(self, payload: bytes) -> None:
        *blocks, self._rest = (self._rest + payload).split(b"\n\n")
        for block in blocks:
            fields: dict[bytes, list[bytes]] = {}
            for line in block.split(b"\n"):
                if line.startswith(b":"):
                    self.heartbeats += 1
                elif line:
                    name, _, value = line.partition(b":")
                    fields.setdefault(name, []).append(value.removeprefix(b" "))
            if b"id" in fields:
                self.last_id = fields[b"id"][-1]
            event, data = fields.get(b"event", [b""])[-1].decode(), b"\n".join(fields.get(b"data", []))
            if data:
                self._take(event, data.decode())
                self.error_has_id = self.error_has_id or (self.error and b"id" in fields)
            else:
                self.blank += bool(event) or b"data" in fields

    def cut(self) -> None:
        """The line was lost: half an event is none."""
        self._rest = b""


class LineReading(_Compared):
    """A record a line; half of one may come last, where an error follows that says so."""

    def __init__(self, expected: Sequence[tuple[str, str]]) -> None:
        super().__init__(expected)
        self._is_torn = False

    def _take(self, event: str, data: str) -> None:
        # What passes as it is has reached the client by halves when the upstream dies; an error needs its own line.
        due = self._expected[self.count][1] if self.count < len(self._expected) else ""
        if not self._is_torn and due.startswith(data) and due != data:
            self._is_torn = True
            return
        super()._take(event, data)
        if self._is_torn and not self.error:
            self.wrong = self.wrong or f"event {self.count}: half of it, and then {data[:120]!r}"

    def feed(self, payload: bytes) -> None:
        *lines, self._rest = (self._rest + payload).split(b"\n")
        for line in lines:
            if line.strip():
                self._take("", line.strip().decode())


class BodyReading:
    """A body, told whole or up to where it was cut; white space between its parts is a heartbeat where *is_spaced*."""

    def __init__(self, expected: bytes, *, is_spaced: bool) -> None:
        self._is_spaced = is_spaced
        self._expected = self._bare(expected)
        self.count = self.blank = self.heartbeats = 0
        self.error = False
        self.wrong = ""

    def _bare(self, data: bytes) -> bytes:
        return data.translate(None, _WHITE_SPACE) if self._is_spaced else data

    def feed(self, payload: bytes) -> None:
        data = self._bare(payload)
        if self.wrong or self.error or not data:
            return
        at = self.count
        if self._expected.startswith(data, at):
            self.count += len(data)
            return
        same = next((n for n, byte in enumerate(data) if self._expected[at + n : at + n + 1] != bytes((byte,))), 0)
        self.count, rest = at + same, data[same:]
        self.error = b"rror" in rest or b"xception" in rest or b"3:" in rest
        self.wrong = "" if self.error else f"byte {self.count}: {rest[:120]!r} came"

    def is_whole(self) -> bool:
        return self.count == len(self._expected) and not self.error and not self.wrong


class TextReading(EventReading):
    """The answer as ``{"token": …}`` events, whatever its cuts, then ``done``."""

    def __init__(self, text: str) -> None:
        super().__init__(())
        self._text = text
        self._at = 0
        self._is_done = False

    def is_whole(self) -> bool:
        return self._is_done and self._at == len(self._text) and not self.error and not self.wrong

    def _take(self, event: str, data: str) -> None:
        document = _value(data)
        token = document.get("token") if isinstance(document, dict) else None
        if isinstance(token, str) and self._text.startswith(token, self._at):
            self._at += len(token)
            self.count += 1
        elif event == "done" or document == {"done": True}:
            self._is_done = True
            self.count += 1
        elif _tells_error(event, data):
            self.error = True
        elif data:
            self.wrong = f"letter {self._at}: {event or 'message'} {data[:120]!r}"


def _value(data: str) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data


def _tells_error(event: str, data: str) -> bool:
    """Whether an event is an error of any of the APIs (reference: formats.md § C)."""
    if event == "error" or event.endswith("Exception") or data.startswith("3:"):
        return True
    document = _value(data)
    if not isinstance(document, dict):
        return False
    told = document.get("error") or document.get("errors") or document.get("error_code")
    return bool(told) or any("error" in name.lower() or name == "response.failed" for name in _names(document))


def _names(document: dict[str, Any]) -> Iterator[str]:
    delta = document.get("delta")
    reason = delta.get("finish_reason") if isinstance(delta, dict) else None
    for value in (document.get("type"), document.get("event"), document.get("error_type"), reason):
        if isinstance(value, str):
            yield value
