"""``output = "openai"``: any API's answer as OpenAI chat chunks, for every client of that API.

Text, reasoning (``reasoning_content``), tool calls, finish reasons, the usage in a chunk of its own, ``[DONE]``. An
answer that ended well without a word of why it did gets ``stop``.
"""

from __future__ import annotations

from ..dialects import Delta, StreamState, ToolCall, Voice, compact, dialect_by_name
from ..dialects.state import MAX_ANSWERS, JSONObject
from ..sse import Event

__all__ = ["OpenAIShape"]

#: Names of `StreamState.usage` → where OpenAI has them.
_DETAILS = {
    "cached_input": ("prompt_tokens_details", "cached_tokens"),
    "reasoning_output": ("completion_tokens_details", "reasoning_tokens"),
}


class OpenAIShape:
    """A `Shape`; *identity* holds ``id``, ``created`` and ``model`` of every chunk."""

    voice: Voice = dialect_by_name("openai_chat")

    def __init__(self, identity: JSONObject) -> None:
        self.state = StreamState(identity=identity)
        #: Answers that have had their first chunk, which tells the role.
        self._begun: set[int] = set()
        #: Answers in which a tool was called.
        self._calling: set[int] = set()
        self._finished: set[int] = set()

    def write(self, deltas: list[Delta]) -> list[Event]:
        known = (delta for delta in deltas if 0 <= delta.index < MAX_ANSWERS)
        return [self._chunk(choices=[choice]) for delta in known for choice in self._choices(delta)]

    def end(self, upstream: StreamState) -> list[Event]:
        open_answers = sorted((self._begun or {0}) - self._finished)
        events = [
            self._chunk(choices=[choice])
            for index in open_answers
            for choice in self._choices(Delta(index=index, finish="stop"))
        ]
        if upstream.usage:
            events.append(self._chunk(choices=[], usage=_usage(upstream.usage)))
        return [*events, Event(data=b"[DONE]")]

    def _chunk(self, **fields: object) -> Event:
        self.state.started = True
        return Event(data=compact({**self.state.identity, "object": "chat.completion.chunk", **fields}))

    def _choices(self, delta: Delta) -> list[JSONObject]:
        """The choices, each for a chunk of its own, that tell *delta*: none, the addition, the finish."""
        added: JSONObject = {}
        if delta.index not in self._begun:
            added["role"] = "assistant"
        if delta.text or added:
            added["content"] = delta.text
        if delta.reasoning:
            added["reasoning_content"] = delta.reasoning
        if delta.tool_calls:
            added["tool_calls"] = [_tool_call(call) for call in delta.tool_calls]
            self._calling.add(delta.index)
        empty = not (delta.text or delta.reasoning or delta.tool_calls or delta.finish)
        found: list[JSONObject] = []
        if added and not empty:
            self._begun.add(delta.index)
            found.append({"index": delta.index, "delta": added, "finish_reason": None})
        if delta.finish and delta.index not in self._finished:
            self._finished.add(delta.index)
            calls = delta.finish == "stop" and delta.index in self._calling
            reason = "tool_calls" if calls else delta.finish
            found.append({"index": delta.index, "delta": {}, "finish_reason": reason})
        return found


def _tool_call(call: ToolCall) -> JSONObject:
    function: JSONObject = {"arguments": call.arguments}
    told: JSONObject = {"index": call.index}
    if call.name is not None:
        function = {"name": call.name, **function}
    if call.id is not None:
        told |= {"id": call.id, "type": "function"}
    return {**told, "function": function}


def _usage(counts: dict[str, int]) -> JSONObject:
    prompt, completion = counts.get("input", 0), counts.get("output", 0)
    usage: JSONObject = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    for name, (group, key) in _DETAILS.items():
        if name in counts:
            usage[group] = {key: counts[name]}
    return usage
