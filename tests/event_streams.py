"""What the tests of the core share: an event stream parser of their own, the definition of canonical, splits, captures.

Nothing here uses the code under test: `reference_events` is written from WHATWG HTML § 9.2.5 and § 9.2.6 alone and
works on whole bodies, so it can be read against the text of the standard.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import strategies as st

__all__ = [
    "CAPTURES", "ReferenceEvent", "capture_body", "check_canonical", "chunked", "cuts", "dechunked", "reference_events",
    "reference_parse", "reframed_by_httpx_sse", "splits", "vectors",
]  # fmt: skip

_HERE = Path(__file__).resolve().parent
CAPTURES = _HERE / "captures"


@dataclass(frozen=True, slots=True)
class ReferenceEvent:
    """What a listener of an EventSource is given."""

    type: str
    data: str
    last_event_id: str


def vectors() -> list[dict[str, Any]]:
    """The parser's test vectors: name, input_hex, expected ([type, data, last event ID] each), retry."""
    found: list[dict[str, Any]] = json.loads((_HERE / "vectors" / "sse_parser.json").read_text())
    return found


def reference_events(body: bytes) -> list[ReferenceEvent]:
    """The events that a browser dispatches for *body*."""
    return reference_parse(body)[0]


def reference_parse(body: bytes) -> tuple[list[ReferenceEvent], int | None]:
    """The events that a browser dispatches for *body*, and the reconnection time that it sets, if any."""
    text = body.decode("utf-8", errors="replace").removeprefix("\ufeff")
    events: list[ReferenceEvent] = []
    data, kind, event_id, last_event_id, retry = "", "", "", "", None
    for line in re.split("\r\n|\r|\n", text)[:-1]:
        if line == "":
            last_event_id = event_id
            if data:
                events.append(ReferenceEvent(kind or "message", data.removesuffix("\n"), last_event_id))
            data = kind = ""
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data += value + "\n"
        elif name == "id" and "\0" not in value:
            event_id = value
        elif name == "retry" and re.fullmatch("[0-9]{1,18}", value):  # the standard has no bound
            retry = int(value)
    return events, retry


def reframed_by_httpx_sse(body: bytes) -> list[str]:
    """The data of each event as httpx-sse and the SDKs that copied it see *body*; an empty one is a crash there.

    Their decoder dispatches at every blank line once it has seen an ``id``, whether there was data or not.
    """
    found: list[str] = []
    data: list[str] = []
    kind, last_event_id, retry = "", "", None
    for line in body.decode().splitlines():
        if not line:
            if kind or data or last_event_id or retry is not None:
                found.append("\n".join(data))
            data, kind, retry = [], "", None
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                data.append(value)
            elif name == "event":
                kind = value
            elif name == "id":
                last_event_id = value
            elif name == "retry":
                retry = value
    return found


_CANONICAL_EVENT = re.compile(
    rb"(?:id: [^\0\r\n]*\n)?(?:event: [^\r\n]+\n)?(?:retry: [0-9]+\n)?(?P<data>(?:data: [^\r\n]*\n)+)\n"
)


def check_canonical(output: bytes, *, of_json: bool) -> None:
    """Assert that *output* is canonical to the byte; *of_json*: and that no JSON document is on several lines."""
    output.decode()
    at = 0
    while at < len(output):
        event = _CANONICAL_EVENT.match(output, at)
        assert event is not None, output[at : at + 200]
        at = event.end()
        if of_json:
            values = [line.removeprefix(b"data: ") for line in event["data"].splitlines()]
            _check_json_payload(values)


def _check_json_payload(values: list[bytes]) -> None:
    payload = b"".join(values)
    assert payload.strip(), values
    try:
        document = json.loads(payload.decode())  # of bytes it would allow a BOM, as no client does
    except ValueError:
        return
    if isinstance(document, dict | list):
        assert len(values) == 1, values
        assert payload == payload.strip(), values


def splits(body: bytes, *, seed: int, rounds: int = 4) -> Iterator[list[bytes]]:
    """*body* whole, byte by byte, and cut at random places *rounds* times."""
    yield [body]
    yield [body[at : at + 1] for at in range(len(body))]
    random = Random(seed)
    for _ in range(rounds):
        places = sorted(random.randrange(len(body) + 1) for _ in range(random.randrange(8)))
        yield chunked(body, places)


def chunked(body: bytes, places: Sequence[int]) -> list[bytes]:
    """*body* cut at *places* (each taken modulo its length); empty pieces are left out."""
    edges = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[start:end] for start, end in pairwise(edges)]


def cuts() -> st.SearchStrategy[list[int]]:
    """Places to cut a body at, for `chunked`; often dense enough that single events are fed."""
    return st.lists(st.integers(min_value=0, max_value=4000), max_size=25)


def capture_body(name: str) -> bytes:
    """The body of the capture *name*, its HTTP chunk framing undone where the capture kept it."""
    _, _, body = (CAPTURES / f"{name}.txt").read_bytes().partition(b"\r\n\r\n")
    return b"".join(dechunked(body)) if _CHUNK_SIZE.match(body) else body


_CHUNK_SIZE = re.compile(rb"([0-9a-f]+)\r\n")


def dechunked(body: bytes) -> list[bytes]:
    """The chunks in *body* (RFC 9112 § 7.1); what was cut ends where it was cut."""
    found: list[bytes] = []
    while (match := _CHUNK_SIZE.match(body)) and (size := int(match[1], 16)):
        found.append(body[match.end() : match.end() + size])
        body = body[match.end() + size + 2 :]
    return found
