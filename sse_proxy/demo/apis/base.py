"""What one API of the mock is: a row of functions from what was asked for to blocks and JSON documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ..blocks import Block, JSONObject

__all__ = ["ERROR_MESSAGE", "INPUT_TOKENS", "Api", "Ask", "error_document"]

#: Every prompt counts as this many tokens.
INPUT_TOKENS = 7

ERROR_MESSAGE = "the mock was told to fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request, as far as it shapes the answer."""

    #: Distinguishes answers; goes into the API's own ids.
    id: str
    #: Unix time in seconds.
    created: int
    tokens: Sequence[str]
    model: str = "mock"
    #: Choices (``n``).
    choices: int = 1
    #: ``stream_options.include_usage``.
    include_usage: bool = False
    no_done: bool = False
    no_finish: bool = False
    #: Status told in an in-stream error; None tells none.
    error_status: int | None = None
    #: The dialect's less usual in-stream error.
    flat_error: bool = False
    #: Generic events only: each carries its number, from 1, as ``id``.
    ids: bool = False
    #: Generic events only: the number of the event that the client has got last.
    last_number: int = 0

    @property
    def text(self) -> str:
        """The whole answer."""
        return "".join(self.tokens)


def error_document(status: int, message: str) -> JSONObject:
    """The JSON error of an API that has no other."""
    return {"error": {"message": message, "code": status}}


def _plain_ping(_events: int) -> Block:
    """A named keep-alive of nobody's."""
    return Block(event="ping", data="{}", events=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One row of the table."""

    #: The dialect's name, as in the metrics.
    name: str
    path: str
    #: The whole stream.
    blocks: Callable[[Ask], Iterator[Block]]
    #: The answer where no stream was asked for.
    document: Callable[[Ask], JSONObject]
    #: The in-stream error after so many events, and what the dialect ends an error with.
    error: Callable[[Ask, int], Iterator[Block]]
    #: The body of an HTTP error of that status and message.
    refusal: Callable[[int, str], JSONObject] = error_document
    #: The API's own named keep-alive after so many events.
    named_ping: Callable[[int], Block] = _plain_ping
    #: The event that changes nothing, after so many events.
    noop: Callable[[Ask, int], Block] = lambda _ask, events: _plain_ping(events)
    #: A key of the writers in `framings`.
    framing: str = "sse"
    #: Content-Type of a stream; empty sends none.
    media_type: str = "text/event-stream; charset=utf-8"
    methods: frozenset[str] = frozenset({"POST"})
    #: More headers of a stream.
    headers: tuple[tuple[str, str], ...] = ()
    #: Whether a request's JSON object asks for a stream.
    streams: Callable[[JSONObject], bool] = lambda body: body.get("stream") is True
    #: A body that asks for a stream.
    example: JSONObject = field(default_factory=dict)
