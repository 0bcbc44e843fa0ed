"""What the SDK tests ask for, and what they get: the ways of calling the official SDKs, a case, an answer.

A `Driver` is one way of calling one SDK, `DRIVERS` holds all of them; an `Answer` is what it gave out, whatever
happened: an exception is part of it. `sdk_clients` does the asking.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["DRIVERS", "FINISH", "TOKENS", "Answer", "Case", "Driver", "Raised", "Work"]

Runtime = Literal["sync", "async", "js"]

#: Length of an answer: the mock's whole vocabulary.
TOKENS = 17

#: API → the finish signal of a whole answer.
FINISH = {"chat": "stop", "completions": "stop", "responses": "completed", "messages": "end_turn"}

#: API → the dialect's name, as the mock and the metrics have it.
_DIALECTS = {
    "chat": "openai_chat",
    "completions": "openai_completions",
    "responses": "openai_responses",
    "messages": "anthropic",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One streamed answer to ask for: where, and the mock's knobs (or other headers) as headers."""

    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    max_retries: int = 0

    @classmethod
    def of(cls, base_url: str, knobs: Mapping[str, str], headers: Mapping[str, str] | None = None) -> Case:
        """The case of these knobs: `TOKENS` tokens, as fast as possible, unless they say otherwise."""
        chosen = {"tokens": str(TOKENS), "rate": "0", **knobs}
        fields = {f"X-Mock-{knob.replace('_', '-')}": value for knob, value in chosen.items()}
        return cls(base_url=base_url, headers={**fields, **(headers or {})})


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An exception of an SDK; *names* are its class and what that descends from."""

    names: tuple[str, ...]
    message: str
    #: HTTP status; None where the SDK tells none.
    status: int | None
    #: ``error.code`` of the JSON body or of the in-stream error.
    code: str | None


@dataclass(slots=True, kw_only=True)
class Answer:
    """What the SDK gave out until it ended or raised."""

    text: str = ""
    #: Items that the SDK yielded.
    events: int = 0
    finish: str | None = None
    output_tokens: int | None = None
    #: The whole text as a helper has put it together; None for calls that are no helpers.
    final: str | None = None
    error: Raised | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """One way of calling one SDK: *call* is the API, with ``.stream`` or ``.runTools`` behind it for a helper."""

    sdk: Literal["openai", "anthropic"]
    runtime: Runtime
    call: str

    @property
    def api(self) -> str:
        return self.call.partition(".")[0]

    @property
    def dialect(self) -> str:
        return _DIALECTS[self.api]

    @property
    def is_helper(self) -> bool:
        return "." in self.call

    def __str__(self) -> str:
        return f"{self.sdk}-{'js' if self.runtime == 'js' else 'py'}-{'async-' * (self.runtime == 'async')}{self.call}"


Work = tuple[Driver, Case]

_OPENAI_CALLS = ("chat", "completions", "responses", "chat.stream", "responses.stream")
_ANTHROPIC_CALLS = ("messages", "messages.stream")

DRIVERS = (
    *(Driver(sdk="openai", runtime="sync", call=call) for call in _OPENAI_CALLS),
    *(Driver(sdk="openai", runtime="async", call=call) for call in _OPENAI_CALLS),
    *(Driver(sdk="openai", runtime="js", call=call) for call in (*_OPENAI_CALLS, "chat.runTools")),
    *(Driver(sdk="anthropic", runtime="sync", call=call) for call in _ANTHROPIC_CALLS),
    *(Driver(sdk="anthropic", runtime="async", call=call) for call in _ANTHROPIC_CALLS),
    *(Driver(sdk="anthropic", runtime="js", call=call) for call in _ANTHROPIC_CALLS),
)
