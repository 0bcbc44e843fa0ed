"""Generic events for an EventSource: each token is the plain text of one event, and the stream ends with its body."""

from __future__ import annotations

from collections.abc import Iterator

from ..blocks import Block, JSONObject, to_json
from .base import ERROR_MESSAGE, Api, Ask

__all__ = ["EVENTS"]


def _blocks(ask: Ask) -> Iterator[Block]:
    for number, token in enumerate(ask.tokens[ask.last_number :], ask.last_number + 1):
        yield Block(data=token, tokens=1, id=str(number) if ask.ids else None)


def _refusal(status: int, message: str) -> JSONObject:
    return {"error": {"message": message, "code": status}}


def _error(ask: Ask, _events: int) -> Iterator[Block]:
    yield Block(event="error", data=to_json(_refusal(ask.error_status or 500, ERROR_MESSAGE)))


EVENTS = Api(
    name="generic",
    path="/events",
    blocks=_blocks,
    document=lambda ask: {"text": ask.text},
    error=_error,
    refusal=_refusal,
    named_ping=lambda _events: Block(event="ping", data="{}", events=0),
    noop=lambda _ask, _events: Block(data="", events=0),
)
