"""What is known of one stream so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import UpstreamReported

__all__ = ["MAX_ANSWERS", "JSONObject", "StreamState"]

JSONObject = dict[str, object]

#: Answers with a higher index are nonsense, and something is kept of each.
MAX_ANSWERS = 1024


@dataclass(slots=True)
class StreamState:
    """Written by `Dialect.inspect` and `Dialect.deltas`, read by everyone else."""

    #: Parallel answers that the request asked for; 0 when that is not known.
    choices: int = 1
    #: The client looks for errors only in events named ``error``.
    wants_named_errors: bool = False
    #: The client may take only blocks that begin with ``data:``: an id or retry goes into a block of its own.
    wants_ids_apart: bool = False
    #: The client gets the answer in an output shape's words.
    retold: bool = False
    #: ``id``, ``model`` and the like of the first event, for no-op events that look like its siblings.
    identity: JSONObject = field(default_factory=dict)
    #: A payload event has passed.
    started: bool = False
    #: Any event carried an ``id``; then a blank line after a comment kills clients (DESIGN fact 1).
    has_ids: bool = False
    #: The answers that have begun, by index; collected only while `choices` is not known.
    seen_choices: set[int] = field(default_factory=set)
    #: The answers that have their finish signal, by index.
    finished_choices: set[int] = field(default_factory=set)
    #: The dialect's finish signal was seen: the answer is complete even if the terminator is missing.
    finished: bool = False
    #: The dialect's terminator was seen: nothing more is to come.
    terminated: bool = False
    #: The server is known to be one that says when it is done: the end of the body alone completes nothing.
    owes_end: bool = False
    #: The upstream's own error event, once one was seen.
    error: UpstreamReported | None = None
    #: Token counts of the last usage that the upstream reported, by type.
    usage: dict[str, int] = field(default_factory=dict)
    #: The last event, or chunk of events, in which `Dialect.keeps` was found.
    last: bytes = b""
    #: The text of each answer so far, by index, in dialects whose events repeat it; written by `Dialect.deltas`.
    texts: dict[int, str] = field(default_factory=dict)
    #: Tool calls so far, in dialects that do not number them; written by `Dialect.deltas`.
    tool_calls: int = 0

    @property
    def complete(self) -> bool:
        """Whether the answer is known to be whole."""
        return (self.finished or self.terminated) and self.error is None
