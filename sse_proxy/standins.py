"""What `client_protocol` puts in place of small parts of uvicorn and httptools."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["UNTIL_CLOSE", "Callbacks", "Continuation", "PipelineQueue"]


class _UntilClose(int):
    """A length that no body exceeds and none falls short of, in the comparisons that uvicorn makes."""

    def __lt__(self, _other: int) -> bool:
        return False

    def __ne__(self, _other: object) -> bool:
        return False

    def __sub__(self, _other: int) -> _UntilClose:
        return self

    __hash__ = int.__hash__


#: The only one.
UNTIL_CLOSE = _UntilClose()


class PipelineQueue(list[Any]):
    """What uvicorn uses of a deque, for pipelined requests that nobody sends: one that is empty weighs 600 bytes."""

    def appendleft(self, item: Any) -> None:
        self.insert(0, item)


class Callbacks(Protocol):
    """What httptools tells of a request."""

    def on_message_begin(self) -> None: ...
    def on_url(self, url: bytes) -> None: ...
    def on_header(self, name: bytes, value: bytes) -> None: ...
    def on_headers_complete(self) -> None: ...
    def on_body(self, body: bytes) -> None: ...
    def on_message_complete(self) -> None: ...


class Continuation:
    """Callbacks for a parser that is first fed a head which *protocol* has seen already: that head is not told."""

    def __init__(self, protocol: Callbacks) -> None:
        self._protocol = protocol
        self._is_replay = True
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        if not self._is_replay:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._is_replay:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._is_replay:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_replay:
            self._is_replay = False
        else:
            self._protocol.on_headers_complete()
