"""`core.negotiation`: what becomes of which body for which client."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import GENERIC, dialect_by_name
from sse_proxy.core.framers import Framing
from sse_proxy.core.negotiation import Treatment, agreed_framing, treatment
from sse_proxy.core.requests import RequestFacts, Wish
from sse_proxy.core.sniff import Kind

F, T = Framing, Treatment
CHAT, OLLAMA = dialect_by_name("openai_chat"), dialect_by_name("ollama")
GEMINI_ARRAY = dialect_by_name("gemini_array")

CLIENTS = {
    "any": RequestFacts(dialect=GENERIC, wish=Wish.NO, voice=GENERIC),
    "maybe": RequestFacts(dialect=GENERIC, wish=Wish.MAYBE, voice=GENERIC),
    "event_source": RequestFacts(dialect=GENERIC, wish=Wish.YES, voice=GENERIC, expects_sse=True),
    "either": RequestFacts(dialect=GENERIC, wish=Wish.YES, voice=GENERIC),
    "openai": RequestFacts(dialect=CHAT, wish=Wish.YES, voice=CHAT, expects_sse=True),
    "ollama": RequestFacts(dialect=OLLAMA, wish=Wish.YES, voice=OLLAMA.native or OLLAMA),
    "ollama_sse": RequestFacts(dialect=OLLAMA, wish=Wish.YES, voice=OLLAMA, expects_sse=True),
    "gemini": RequestFacts(dialect=GEMINI_ARRAY, wish=Wish.YES, voice=GEMINI_ARRAY.native or GEMINI_ARRAY),
}


@pytest.mark.parametrize(
    ("promised", "found", "textual", "framing"),
    [
        (F.SSE, F.SSE, False, F.SSE),
        (F.SSE, F.JSON, False, F.JSON),
        (F.SSE, Kind.OTHER, False, F.TEXT),
        (F.SSE, Kind.BINARY, False, F.SSE),
        (F.SSE, Kind.HTML, False, None),
        (F.SSE, Kind.NOTHING, False, F.SSE),
        (F.AWS, Kind.OTHER, False, F.AWS),
        (F.NDJSON, F.JSON, False, F.NDJSON),
        (F.NDJSON, Kind.OTHER, False, F.NDJSON),
        (F.NDJSON, F.SSE, False, F.SSE),
        (F.NDJSON, Kind.HTML, False, None),
        (None, F.JSON_ARRAY, False, F.JSON_ARRAY),
        (None, F.DATA_STREAM, True, F.DATA_STREAM),
        (None, Kind.OTHER, True, F.TEXT),
        (None, Kind.OTHER, False, None),
        (None, Kind.BINARY, True, None),
        (None, Kind.HTML, True, None),
    ],
)
def test_bytes_outrank_the_content_type(
    promised: Framing | None, found: Framing | Kind, textual: bool, framing: Framing | None
) -> None:
    """But for what only the Content-Type can tell: lines from documents, text from anything."""
    assert framing is agreed_framing(promised, found, textual=textual)


@pytest.mark.parametrize(
    ("client", "framing", "expected"),
    [
        *((client, F.SSE, T.REWRITE) for client in CLIENTS),
        ("any", F.NDJSON, T.PLAIN),
        ("any", None, T.PLAIN),
        ("maybe", F.NDJSON, T.PLAIN),
        ("maybe", F.TEXT, T.PLAIN),
        ("either", F.JSON, T.PLAIN),
        ("either", None, T.PLAIN),
        *(("event_source", framing, T.REWRITE) for framing in (F.NDJSON, F.JSON, F.JSON_ARRAY, F.TEXT, F.AWS)),
        ("event_source", None, T.PLAIN),
        *(("openai", framing, T.REWRITE) for framing in (F.NDJSON, F.JSON, F.JSON_ARRAY)),
        ("openai", F.TEXT, T.REFUSE),
        ("openai", None, T.REFUSE),
        ("ollama", F.NDJSON, T.REWRITE),
        ("ollama", F.JSON, T.WATCH),
        ("ollama", F.TEXT, T.REFUSE),
        ("ollama", None, T.REFUSE),
        ("ollama", F.AWS, T.PLAIN),
        ("ollama_sse", F.NDJSON, T.REWRITE),
        ("gemini", F.JSON_ARRAY, T.WATCH),
        ("gemini", F.JSON, T.WATCH),
    ],
)
def test_auto(client: str, framing: Framing | None, expected: Treatment) -> None:
    """Who asked for an event stream gets one, who uses an API of another framing keeps that."""
    assert expected is treatment(CLIENTS[client], framing, reframe="auto", begun=False, sized=False)


@pytest.mark.parametrize(
    ("client", "framing", "expected"),
    [
        ("event_source", F.SSE, T.REWRITE),
        ("event_source", F.JSON, T.REWRITE),
        ("event_source", F.TEXT, T.REWRITE),
        ("event_source", None, T.REFUSE),
        ("openai", F.TEXT, T.REFUSE),
        ("ollama", F.NDJSON, T.REWRITE),
        ("ollama", F.SSE, T.REFUSE),
        ("ollama", None, T.REFUSE),
    ],
)
def test_what_was_begun_is_kept(client: str, framing: Framing | None, expected: Treatment) -> None:
    """A client that has headers can take nothing but what they promised."""
    for reframe in ("auto", "always", "never"):
        assert expected is treatment(CLIENTS[client], framing, reframe=reframe, begun=True, sized=False)


@pytest.mark.parametrize(
    ("framing", "sized", "expected"),
    [(F.NDJSON, False, T.REWRITE), (F.JSON, True, T.PLAIN), (F.SSE, True, T.REWRITE), (None, False, T.PLAIN)],
)
def test_always_is_for_streams(framing: Framing | None, sized: bool, expected: Treatment) -> None:
    """A body that has a length was there as a whole."""
    assert expected is treatment(CLIENTS["any"], framing, reframe="always", begun=False, sized=sized)


@pytest.mark.parametrize("client", CLIENTS)
def test_never(client: str) -> None:
    """Nothing is changed; of event streams the ending is verified."""
    for framing, expected in ((F.SSE, T.WATCH), (F.NDJSON, T.PLAIN), (None, T.PLAIN)):
        assert expected is treatment(CLIENTS[client], framing, reframe="never", begun=False, sized=False)
