"""What an event adds to an answer, in words that all APIs share: the input of every output shape.

The vocabulary is that of OpenAI's chat chunks, since every other API maps onto it: text, reasoning, pieces of tool
calls, a finish reason.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Delta", "ToolCall", "suffix_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A piece of one tool call."""

    #: Which of the answer's tool calls, from 0.
    index: int = 0
    #: The call's id; in its first piece only, None elsewhere.
    id: str | None = None
    #: The function's name; in its first piece only, None elsewhere.
    name: str | None = None
    #: A piece of the arguments' JSON text.
    arguments: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What one event adds to one answer."""

    #: Which of the parallel answers, from 0.
    index: int = 0
    text: str = ""
    #: Thoughts that are shown apart from the answer (``reasoning_content``).
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    #: Why the answer ended: ``stop``, ``length``, ``tool_calls``, ``content_filter``; None: it goes on.
    finish: str | None = None


def suffix_of(text: str, before: str) -> str:
    """What *text* adds to *before* where servers repeat all text so far; all of *text* where they do not."""
    return text.removeprefix(before)
