"""`core.dialects.voice` and `native`: how clients are spoken to that are no event stream's."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import DIALECTS, Dialect, StreamState, dialect_by_name, document_voice
from sse_proxy.core.dialects.native import NDJSON, error_body, named_error
from sse_proxy.errors import IdleTimeout

ERROR = b'{"error":{"message":"the upstream fell silent","type":"timeout_error","code":"idle_timeout"}}'


def test_errors_that_nobody_defines() -> None:
    """The object that most look for; a line of NDJSON has its message alone, as Ollama's."""
    assert error_body(IdleTimeout()) == ERROR
    assert named_error(IdleTimeout(), StreamState()) == b"event: error\ndata: " + ERROR + b"\n\n"
    assert NDJSON.error_frame(IdleTimeout(), StreamState()) == b'{"error":"the upstream fell silent"}\n'


@pytest.mark.parametrize("row", DIALECTS, ids=lambda row: row.name)
def test_who_speaks_in_events(row: Dialect) -> None:
    """Every row does; its native voice, where there is one, does not."""
    assert row.is_sse
    assert row.native is None or not row.native.is_sse
    assert row.noop(StreamState()) is None or row.noop(StreamState(started=True)) is not None


@pytest.mark.parametrize("name", ["openai_chat", "anthropic", "gemini"])
def test_who_waits_for_a_document(name: str) -> None:
    """Spaces in front of it; an error is its document, and the broken connection tells that it is one."""
    row = dialect_by_name(name)
    voice = document_voice(row)
    assert (voice.comment, voice.media_type, voice.aborts_after_error) == (b" ", b"application/json", True)
    assert voice.error_frame(IdleTimeout(), StreamState()) == row.error_body(IdleTimeout())
    assert voice.closes is None
    assert not voice.is_sse
    assert voice.noop(StreamState(started=True)) is None
