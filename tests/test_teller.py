"""`core.teller`: what the client is told of each event."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sse_proxy.core.dialects import StreamState, Voice, dialect_by_name
from sse_proxy.core.numbering import Numbering
from sse_proxy.core.shapes import shape_for
from sse_proxy.core.sse import Event
from sse_proxy.core.teller import Teller
from sse_proxy.errors import IdleTimeout, UpstreamReported

CHAT, OLLAMA = dialect_by_name("openai_chat"), dialect_by_name("ollama")
STREAM = "0123456789abcdef" * 2
EVENT = Event(data=b'{"response":"a"}', event=b"e", id=b"7", retry=5)


def teller(
    *,
    retold: bool = False,
    numbered: bool = False,
    yields: bool = False,
    state: StreamState | None = None,
    voice: Voice = OLLAMA,
) -> Teller:
    """One for a stream of Ollama's."""
    shape = shape_for("openai", identity={"id": "x"}) if retold else None
    numbering = Numbering(STREAM, apart=False, yields=yields) if numbered else None
    return Teller(voice, StreamState() if state is None else state, shape, numbering)


def test_in_the_upstream_s_words() -> None:
    """Its event, canonical; errors in its voice; no ending of its own, and no shape."""
    of = teller()
    assert of.tell(EVENT, {}, OLLAMA, failed=False) == b'id: 7\nevent: e\nretry: 5\ndata: {"response":"a"}\n\n'
    assert of.tell(EVENT, {}, OLLAMA, failed=True) == of.tell(EVENT, {}, OLLAMA, failed=False)
    assert of.ending() == b""
    assert of.numbered(b"data: a\n\n") == b"data: a\n\n"
    assert of.error(IdleTimeout()) == OLLAMA.error_frame(IdleTimeout(), StreamState())
    assert (of.voice, of.has_shape, of.keeps_events) == (OLLAMA, False, True)


def test_ids_apart() -> None:
    """In a block in front of their event, with a retry; who splits on blank lines and wants data first finds it."""
    of = teller(state=StreamState(wants_ids_apart=True))
    data = b'event: e\ndata: {"response":"a"}\n\n'
    assert of.tell(EVENT, {}, OLLAMA, failed=False) == b"id: 7\nretry: 5\n\n" + data
    assert of.tell(replace(EVENT, retry=None), {}, OLLAMA, failed=False) == b"id: 7\n\n" + data
    assert of.tell(replace(EVENT, id=None), {}, OLLAMA, failed=False) == b"retry: 5\n\n" + data
    assert of.tell(Event(data=b"1"), {}, OLLAMA, failed=False) == b"data: 1\n\n"


def test_in_the_client_s_own_framing() -> None:
    """A line of it, where its API has lines."""
    assert OLLAMA.native is not None
    assert teller(voice=OLLAMA.native).tell(EVENT, {}, OLLAMA, failed=False) == b'{"response":"a"}\n'


@pytest.mark.parametrize("identity", [b"7", None])
def test_a_dialect_with_ids_of_its_own_keeps_them(identity: bytes | None) -> None:
    """Also where its first event has none; retold in another API's words, or behind a bridge, they mean nothing."""
    replicate = dialect_by_name("replicate")
    event = Event(data=b"a", event=b"output", id=identity)
    own = teller(numbered=True, yields=True, voice=replicate)
    line = b"" if identity is None else b"id: 7\n"
    assert own.numbered(own.tell(event, {}, replicate, failed=False)) == line + b"event: output\ndata: a\n\n"
    for ours in (teller(numbered=True, yields=True, retold=True), teller(numbered=True, voice=replicate)):
        told = ours.numbered(ours.tell(event, {}, replicate, failed=False))
        assert told.startswith(f"id: {STREAM}.1\n".encode())


def test_ids_of_no_known_api_are_kept_too() -> None:
    """If the first event has one: from it on, all are told as they came."""
    of = teller(numbered=True, yields=True)
    told = [of.numbered(of.tell(event, {}, OLLAMA, failed=False)) for event in (EVENT, replace(EVENT, id=None))]
    assert told[0].startswith(b"id: 7\n")
    assert told[1].startswith(b"event: e\n")
    later = teller(numbered=True, yields=True)
    told = [later.numbered(later.tell(event, {}, OLLAMA, failed=False)) for event in (replace(EVENT, id=None), EVENT)]
    assert [one.partition(b"\n")[0] for one in told] == [f"id: {STREAM}.{n}".encode() for n in (1, 2)]


def test_told_is_whose_words_are_used() -> None:
    """The upstream's state, or the shape's."""
    state = StreamState()
    assert teller(state=state).told is state
    retold = teller(retold=True, state=state)
    assert retold.told is not state
    assert retold.told.identity == {"id": "x"}


def test_with_ids_of_ours_the_upstream_s_are_left_out() -> None:
    """Nobody could resume by them; errors are numbered too."""
    of = teller(numbered=True)
    told = of.tell(EVENT, {}, OLLAMA, failed=False)
    assert told == b'event: e\nretry: 5\ndata: {"response":"a"}\n\n'
    assert of.tell(Event(data=b"1"), {}, OLLAMA, failed=False) == b"data: 1\n\n"
    assert of.numbered(told).startswith(f"id: {STREAM}.1\nevent: e\n".encode())
    assert of.error(IdleTimeout()).startswith(f"id: {STREAM}.2\nevent: error\n".encode())
    assert of.keeps_events


def test_in_a_shape_s_words() -> None:
    """All that the dialect has found in the event; the end as soon as the upstream has told it, once."""
    state = StreamState()
    of = teller(retold=True, state=state)
    assert (of.voice, of.has_shape, of.keeps_events) == (CHAT, True, False)
    assert b'"content":"a"' in of.tell(EVENT, {"response": "a"}, OLLAMA, failed=False)
    state.terminated = True
    last = of.tell(EVENT, {"response": "b", "done": True}, OLLAMA, failed=False)
    assert last.count(b"[DONE]") == 1
    assert last.index(b'"content":"b"') < last.index(b'"finish_reason":"stop"') < last.index(b"[DONE]")
    assert of.ending() == b""
    assert of.tell(EVENT, {"response": "c"}, OLLAMA, failed=False) == b""


@pytest.mark.parametrize("failed", [True, False])
def test_an_error_is_told_once_in_a_shape_s_words(failed: bool) -> None:
    """What comes behind it, no client of the shape can understand."""
    state = StreamState(error=UpstreamReported("no", status=429))
    told = teller(retold=True, state=state).tell(EVENT, {"error": "no"}, OLLAMA, failed=failed)
    assert told == (b"" if failed else CHAT.error_frame(UpstreamReported("no"), StreamState()))
