"""The proof of resume is only as good as its books: what was lost, doubled or garbled has to be seen."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bench.events import form_for
from bench.load import request_for
from bench.peers import CHAT, Ground
from bench.resume.faults import FAULTS, Fault
from bench.resume.finished import Plan as FinishedPlan
from bench.resume.finished import Remains
from bench.resume.finished import report as finished_report
from bench.resume.ledger import Ledger
from bench.resume.metrics import value_in
from bench.resume.page import SECTIONS, keep, page
from bench.resume.roam import Plan, Sight, report
from bench.resume.roamer import GAVE_UP, NOTHING_LEFT, SILENT_END, WHOLE, Roamer
from bench.resume.tables import table
from bench.resume.variants import variants

from .conftest import LIMIT_SECONDS

STREAM = b"0123456789abcdef0123456789abcdef"
TOKENS = 4
ERROR = b'data: {"error":{"message":"m","type":"t","code":"drained"}}\n\n'


def _payload(chunked: bytes) -> bytes:
    return chunked[chunked.index(b"\r\n") + 2 : -2]


def _events(tokens: int = TOKENS) -> list[bytes]:
    form = form_for(CHAT)
    texts = [form.tokens[n % len(form.tokens)] % (n, 0) for n in range(tokens)]
    closing = b"data: {}\n\n"
    return [_payload(form.opening), *map(_payload, texts), closing, b"data: [DONE]\n\n"]


def _with_id(number: int, event: bytes) -> bytes:
    return b"id: %b.%d\n%b" % (STREAM, number, event)


STORY = [_with_id(number, event) for number, event in enumerate(_events(), 1)]


def _told(*blocks: bytes) -> Ledger:
    ledger = Ledger(TOKENS)
    ledger.feed(b"".join(blocks))
    return ledger


def _faults(ledger: Ledger) -> tuple[int, int, int]:
    return ledger.lost, ledger.doubled, ledger.garbled


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_whole_answer_is_whole_in_any_cut(size: int) -> None:
    """Heartbeats are none of it, whether in a block of their own or in front of an event."""
    story = b": ping\n\n" + b": ping\n".join(STORY)
    ledger = Ledger(TOKENS)
    for start in range(0, len(story), size):
        ledger.feed(story[start : start + size])
    assert ledger.is_whole
    assert (0, 0, 0) == _faults(ledger)
    assert ledger.last_id == STREAM + b".%d" % len(STORY)


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        ([*STORY[:2], *STORY[3:]], (1, 0, 0)),
        ([*STORY[:3], *STORY[1:]], (0, 2, 0)),
        ([STORY[0], _with_id(2, _events()[2]), *STORY[2:]], (0, 0, 1)),
        ([*STORY[:3], _with_id(4, _events()[-1])], (3, 0, 1)),
    ],
    ids=["lost", "doubled", "another's text", "ended early"],
)
def test_what_is_wrong_is_counted(story: list[bytes], expected: tuple[int, int, int]) -> None:
    """Each kind by itself."""
    assert expected == _faults(_told(*story))


def test_an_error_with_an_id_is_the_end_and_one_without_is_not() -> None:
    """The first is part of the stream, the second of the connection; half an event is forgotten with its line."""
    ledger = _told(*STORY[:2], ERROR, b"data: [DONE]\n\n")
    assert (ledger.passing, ledger.error, ledger.is_whole) == ("drained", None, False)
    ledger.passing = None
    ledger.feed(STORY[2][:20])
    ledger.cut()
    ledger.feed(STORY[2] + _with_id(4, ERROR))
    assert (ledger.passing, ledger.error, ledger.last) == (None, "drained", 4)
    assert (0, 0, 0) == _faults(ledger)


Answers = list[tuple[bytes, bytes]]


@asynccontextmanager
async def _replica(answers: Answers, asked: list[bytes]) -> AsyncIterator[int]:
    """A port that answers one connection after the other with a status line with headers, and a body."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        head, body = answers.pop(0) if answers else (b"500 Nothing Left", b"")
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def _roamed(answers: Answers, *, patience_seconds: float = LIMIT_SECONDS) -> tuple[Roamer, list[bytes]]:
    asked: list[bytes] = []
    async with _replica(answers, asked) as port:
        roamer = Roamer("r", [port], random.Random(1), TOKENS, patience_seconds)
        async with asyncio.timeout(LIMIT_SECONDS):
            await roamer.run()
    return roamer, asked


KEPT = b"200 OK\r\nlocation: /-/sse-proxy/streams/x"


async def test_a_roamer_comes_back_with_the_last_whole_event() -> None:
    """To where the first answer says that the stream is; what the connection's error said is a trouble, no end."""
    first = b"".join(STORY[:3]) + ERROR
    roamer, asked = await _roamed([(KEPT, first), (b"503 No", b""), (b"200 OK", b"".join(STORY[3:]))])
    assert roamer.verdict == WHOLE
    assert roamer.troubles == Counter({"passing error: drained": 1, "503": 1})
    assert asked[0].startswith(b"POST " + CHAT.encode())
    assert b"\r\nIdempotency-Key: r\r\n" in asked[0]
    assert b"GET /-/sse-proxy/streams/x " in asked[2]
    assert b"\r\nLast-Event-ID: %b.3\r\n" % STREAM in asked[2]


@pytest.mark.parametrize(("status", "verdict"), [(b"404 N", "404"), (b"410 G", "410"), (b"204 N", NOTHING_LEFT)])
async def test_a_roamer_believes_that_nothing_follows(status: bytes, verdict: str) -> None:
    """And says what it was told."""
    roamer, _ = await _roamed([(KEPT, STORY[0] + ERROR), (status, b"")])
    assert roamer.verdict == verdict


async def test_a_clean_end_without_the_marker_is_a_trouble_and_a_long_silence_the_end() -> None:
    """A reader that gets nothing more is not taken for one that got everything."""
    roamer, _ = await _roamed([(KEPT, STORY[0]), (KEPT, b"")], patience_seconds=0.0)
    assert roamer.verdict == GAVE_UP
    assert roamer.troubles[SILENT_END] == 2
    roamer, _ = await _roamed([(KEPT, ERROR)], patience_seconds=0.0)
    assert roamer.verdict == f"{GAVE_UP} after passing error: drained"


def test_a_request_has_its_own_headers() -> None:
    """Behind those that all have."""
    assert b"\r\nX-SSE-Resume: on\r\n\r\n{" in request_for(CHAT, headers=("X-SSE-Resume: on",))


def test_variants_are_started_with_their_store(tmp_path: Path) -> None:
    """And the one before them with its own code."""
    ground = Ground(directory=tmp_path, port=1, admin_port=2, upstream_port=3)
    found = {each.name: each for each in variants("redis://r", "/then")}
    assert found["redis"].peer.launch(ground).arguments[-2:] == ("--resume", "redis://r")
    assert "--resume" not in found["off"].peer.launch(ground).arguments
    assert found["before"].environment == {"PYTHONPATH": "/then"}
    assert "before" not in {each.name for each in variants("redis://r", None)}


def test_a_metric_is_the_sum_of_its_labels() -> None:
    """Names that begin alike are others."""
    assert value_in('# HELP a b\na{x="1"} 2.0\na{x="2"} 3\na_total 5\n', "a") == 5.0


def _sight(
    verdicts: dict[str, int],
    troubles: dict[str, int] | None = None,
    *,
    fault: Fault = FAULTS[0],
    lost: int = 0,
    generations: int = 200,
) -> Sight:
    return Sight(
        fault=fault,
        verdicts=Counter(verdicts),
        troubles=Counter(troubles or {}),
        lost=lost,
        doubled=0,
        garbled=0,
        visits=9,
        generations=generations,
        running=0,
        seconds=1.0,
    )


@pytest.mark.parametrize(
    ("sight", "missed"),
    [
        (_sight({WHOLE: 200}), 0),
        (_sight({WHOLE: 200}, lost=1), 1),
        (_sight({WHOLE: 200}, generations=201), 1),
        (_sight({WHOLE: 199, "404": 1}), 1),
        (_sight({WHOLE: 199, "404": 1}, fault=FAULTS[1]), 0),
        (_sight({WHOLE: 199, GAVE_UP: 1}, fault=FAULTS[1]), 1),
        (_sight({WHOLE: 199, NOTHING_LEFT: 1}, fault=FAULTS[1]), 1),
        (_sight({WHOLE: 200}, {SILENT_END: 1}, fault=FAULTS[1]), 1),
    ],
)
def test_a_goal_is_missed_by_one(sight: Sight, missed: int) -> None:
    """One event, one generation, or one reader that was left alone."""
    text = report(Plan(), [sight])
    assert (2 - missed, missed) == (text.count("- met:"), text.count("- **missed**:"))


def test_what_is_left_is_told() -> None:
    """A key for ever is a missed goal, whenever it was seen; so is memory that a process without a store gives back."""
    off = Remains("off", [50, 55, 55, 55, 55], [0] * 5, [0] * 5, [1] * 5, [0] * 5, [0] * 5)
    redis = Remains("redis", [50, 90, 80, 90, 85], [0] * 5, [0] * 5, [1] * 5, [0, 9, 0, 90, 0], [0, 1, 0, 0, 0])
    text = finished_report(FinishedPlan(), [off, redis])
    assert "- **missed**: redis: no key without a time to live: 1" in text
    assert "that keeps nothing: +25.0 MiB" in text
    assert "- met: redis: the second lot adds at most 16 MiB to that: +5.0 MiB" in text
    assert text.count("missed") == 2
    assert "0 → 9 → 0 → 90 → 0" in text


def test_the_page_has_all_sections(tmp_path: Path) -> None:
    """In their order, and is not made of some."""
    with pytest.raises(FileNotFoundError):
        page(tmp_path)
    for name in reversed(SECTIONS):
        keep(tmp_path, name, table(["a"], [[name]]), (0, 1, 1))
    text = page(tmp_path)
    assert sorted(map(text.index, SECTIONS.values())) == [text.index(heading) for heading in SECTIONS.values()]
    assert "| cost |" in text
