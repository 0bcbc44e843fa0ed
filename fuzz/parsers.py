"""One target for each parser besides the pipeline, whose campaign has a mutator of its own (`__main__`).

A target is given any bytes, makes what its parser takes of them, and raises `AssertionError` where a rule of that
parser does not hold; whatever else escapes it is a finding too. The rules: no exception but the documented ones, the
same however the network cuts, work that is linear (a limit on CPU time), and the way there and back where there is one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from random import Random

import httpx

from sse_proxy.core.framers import Framing, framer_for
from sse_proxy.core.framers.aws import AwsFramer, encode_message
from sse_proxy.core.requests import RequestFacts, classify
from sse_proxy.core.sse import Event
from sse_proxy.errors import EventTooLarge, UpstreamProtocolError
from sse_proxy.upstream.decoders import decoder_for
from sse_proxy.upstream.head import MAX_HEAD_BYTES, HeadReader, ResponseHead
from sse_proxy.watch.decoder import Decoder
from sse_proxy.watch.marks import Mark

from .case import CODINGS, Case, head
from .oracles import check_decoding

__all__ = ["PARSERS", "Target", "judged"]

Target = Callable[[bytes], None]

#: For one input of a few KiB; as a rule it is a millisecond.
MAX_CPU_SECONDS = 2.0
_MAX_EVENT_BYTES = 200
_CHUNKED = ResponseHead(
    status=200, reason_phrase=b"", http_version=b"HTTP/1.1", headers=[], content_length=None, chunked=True
)


def judged(target: Target, data: bytes) -> None:
    """Judge one input, its cost included."""
    started = time.process_time()
    target(data)
    assert time.process_time() - started < MAX_CPU_SECONDS, "too slow"


def _cuts(data: bytes) -> Sequence[Sequence[bytes]]:
    """*data* as it is, byte by byte, and cut at random, always in the same way."""
    random = Random(len(data))
    places = sorted({random.randrange(len(data) + 1) for _ in range(4)})
    edges = zip([0, *places], [*places, len(data)], strict=True)
    return [data], [data[at : at + 1] for at in range(len(data))], [data[start:end] for start, end in edges]


def _framed(framing: Framing, pieces: Sequence[bytes]) -> tuple[list[Event], str, dict[str, int]]:
    repairs: dict[str, int] = {}
    framer = framer_for(framing, max_event_bytes=_MAX_EVENT_BYTES, joins_json=True, repairs=repairs)
    events: list[Event] = []
    try:
        for piece in filter(None, pieces):
            events += framer.feed(piece)
        events += framer.finish()
    except (EventTooLarge, UpstreamProtocolError) as error:
        return events, type(error).__name__, {}
    return events, "", repairs


def framer(framing: Framing) -> Target:
    """Any cut gives the same records, none over the limit."""

    def target(data: bytes) -> None:
        lives = [_framed(framing, pieces) for pieces in _cuts(data)]
        for events, end, _ in lives:
            assert end == lives[0][1]
            if framing is not Framing.TEXT:  # whose records are whatever came at once
                assert end or events == lives[0][0]
            assert all(len(event.data.decode()) <= max(_MAX_EVENT_BYTES, len(data)) for event in events)
        if framing is Framing.TEXT:
            texts = {b"".join(event.data for event in events) for events, _, _ in lives}
            assert len(texts) == 1

    return target


def coding(name: str) -> Target:
    """See `oracles.check_decoding`."""
    prefix = head("generic", coding=name)
    return lambda data: check_decoding(Case.of(prefix + data))


def aws_message(data: bytes) -> None:
    """What `encode_message` writes is read as it was; a message with any byte changed is refused."""
    at, flip = (data[0], data[1] or 1) if len(data) > 1 else (0, 1)
    payload = data[2:].decode("latin-1").replace("\r", "").encode()
    message = encode_message({":event-type": "chunk", ":message-type": "event"}, payload)
    reader = AwsFramer(max_event_bytes=1 << 16, repairs={})
    assert [(b"chunk", payload)] == [(event.event, event.data) for event in reader.feed(message)]
    spoiled = bytearray(message)
    spoiled[at % len(spoiled)] ^= flip
    reader = AwsFramer(max_event_bytes=1 << 16, repairs={})
    try:
        events = reader.feed(bytes(spoiled)) + reader.finish()
    except (EventTooLarge, UpstreamProtocolError):
        return
    assert events == [], "a checksum was not looked at"


def response_head(data: bytes) -> None:
    """One head or one error however it is cut, and nothing of the body is lost."""
    found: list[tuple[ResponseHead | None, bytes]] = []
    for pieces in _cuts(data):
        reader, answer, rest = HeadReader(), None, b""
        try:
            for piece in filter(None, pieces):
                if answer is not None:
                    rest += piece
                elif (complete := reader.feed(piece)) is not None:
                    answer, rest = complete
        except httpx.RemoteProtocolError:
            found.append((None, b"refused"))
            continue
        found.append((answer, rest))
        if answer is not None:
            assert data.endswith(rest)
            assert len(data) - len(rest) <= MAX_HEAD_BYTES + 4
            assert not (answer.chunked and answer.content_length is not None)
    assert all(one == found[0] for one in found), found


def chunked_body(data: bytes) -> None:
    """The same content however it is cut; a broken chunk is an error, and what came before it is there."""
    found = []
    for pieces in _cuts(data):
        parts: list[bytes] = []
        decoder, end = decoder_for(_CHUNKED, parts), "open"
        assert decoder is not None
        try:
            for piece in filter(None, pieces):
                if decoder.feed(piece):
                    end = "whole"
                    break
        except httpx.RemoteProtocolError:
            end = "broken"
        found.append((end, b"".join(parts)))
    assert len({end for end, _ in found}) == 1, found
    assert len({content for _, content in found}) == 1, found


def _watched(facts: RequestFacts, kind: bytes, pieces: Sequence[bytes]) -> tuple[list[tuple[str, str, str]], str]:
    decoder = Decoder(facts, [(b"content-type", kind)], max_event_bytes=4096)
    marks: list[Mark] = []
    for piece in filter(None, pieces):
        marks += decoder.feed(piece, 0.0)
    more, ending = decoder.finish(0.0)
    seen = [(str(mark.kind), mark.event, mark.data) for mark in (*marks, *more)]
    return seen, str(ending.verdict)


def watched_stream(data: bytes) -> None:
    """What `tail` and the doctor tell of a stream does not depend on how it was cut, once it is known to be one."""
    path, kind, first = (
        ("/v1/chat/completions", b"text/event-stream", b": hi\n\n"),
        ("/v1/messages", b"text/event-stream", b"event: ping\ndata: {}\n\n"),
        ("/api/chat", b"application/x-ndjson", b'{"a":1}\n'),
    )[data[0] % 3 if data else 0]
    facts = classify("POST", path, [(b"accept", b"text/event-stream")], b"{}")
    lives = [_watched(facts, kind, [first, *pieces]) for pieces in _cuts(data[1:])]
    for marks, verdict in lives:
        assert verdict == lives[0][1]
        payload = [mark for mark in marks if mark[0] != "comment"]
        assert payload == [mark for mark in lives[0][0] if mark[0] != "comment"]


PARSERS: dict[str, Target] = {
    **{f"framer-{framing.name.lower().replace('_', '-')}": framer(framing) for framing in Framing},
    **{f"coding-{name}": coding(name) for name in CODINGS},
    "aws-message": aws_message,
    "response-head": response_head,
    "chunked-body": chunked_body,
    "watched-stream": watched_stream,
}
