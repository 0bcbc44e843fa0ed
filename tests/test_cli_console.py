"""`cli.console`: what the lines say, and that nothing of them is torn or left over."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
from rich.console import Console

from sse_proxy.cli.console import MAX_LIVE_LINES, Line, final_line, live_lines, shown, watcher
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.logs import log_stream
from sse_proxy.metrics.base import StreamReport
from sse_proxy.outcome import Outcome

from .conftest import LIMIT_SECONDS
from .terminal import HIDE, SHOW, screen_of

WIDE = 200


def described(**changes: object) -> dict[str, object]:
    """What a stream says of itself that has sent some events."""
    row: dict[str, object] = {"route": "openai_chat", "stream": True, "age_seconds": 3.21, "events": 12}
    return {**row, "bytes_out": 2345, "last_event_age_seconds": 0.04, "ttft_seconds": 0.312, "heartbeats": 0, **changes}


def finished(**changes: object) -> dict[str, object]:
    """The facts of a finished stream in the log."""
    facts: dict[str, object] = {"route": "anthropic", "outcome": "completed", "ttft_seconds": 0.25, "events": 40}
    return {**facts, "duration_seconds": 75.5, "bytes_out": 1_234_567, **changes}


def words(line: Line) -> str:
    """Its text with single blanks."""
    return " ".join(line.text.split())


@pytest.mark.parametrize(
    "changes,style,expected",
    [
        ({}, "green", "openai_chat 3.2 s ttft 0.31 s 12 events 2.3 kB"),
        ({"events": 1, "bytes_out": 80}, "green", "openai_chat 3.2 s ttft 0.31 s 1 event 80 B"),
        ({"ttft_seconds": None}, "green", "openai_chat 3.2 s 12 events 2.3 kB"),
        (
            {"last_event_age_seconds": 1.04, "heartbeats": 2},
            "yellow",
            "openai_chat 3.2 s ttft 0.31 s 12 events 2.3 kB silent 1.0 s 2 heartbeats",
        ),
        (
            {"events": 0, "bytes_out": 0, "last_event_age_seconds": 3.2, "ttft_seconds": None, "heartbeats": 1},
            "yellow",
            "openai_chat 3.2 s waiting 3.2 s 0 events 0 B 1 heartbeat",
        ),
    ],
)
def test_a_live_line_tells_the_state(changes: dict[str, object], style: str, expected: str) -> None:
    """Waiting or silent is yellow; the time to the first event is told once it is known."""
    [line] = live_lines([described(**changes)], WIDE)
    assert (line.mark, line.style, words(line)) == ("●", style, expected)


def test_only_streams_are_shown_and_the_oldest_first() -> None:
    """An ordinary response is no stream, and lines keep their places."""
    rows = [described(age_seconds=1.0), described(stream=False), described(age_seconds=2.0)]
    assert [words(line).split()[1] for line in live_lines(rows, WIDE)] == ["2.0", "1.0"]
    assert live_lines([], WIDE) == []


def test_streams_over_the_limit_are_counted() -> None:
    """In one line more."""
    rows = [described()] * (MAX_LIVE_LINES + 3)
    lines = live_lines(rows, WIDE)
    assert len(lines) == MAX_LIVE_LINES + 1
    assert lines[-1] == Line("…", "dim", "and 3 more")
    assert live_lines(rows, WIDE, limit=1)[-1].text == "and 12 more"


@pytest.mark.parametrize("width", [0, 1, 2, 3, 10, 40, 60])
def test_a_narrow_terminal_cuts_lines(width: int) -> None:
    """None is longer than it is wide, mark and blank included, and a cut one says so."""
    [line] = live_lines([described()], width)
    assert len(line.text) == max(0, width - 2)
    assert line.text[-1:] in {"", "…"}


@pytest.mark.parametrize(
    "changes,mark,style,expected",
    [
        ({}, "✓", "green", "anthropic took 1 min 16 s ttft 0.25 s 40 events 1.2 MB completed"),
        (
            {"repairs": {"crlf": 3, "bom": 1}},
            "✓",
            "green",
            "anthropic took 1 min 16 s ttft 0.25 s 40 events 1.2 MB completed repaired bom 1, crlf 3",
        ),
        (
            {"outcome": "first_event_timeout", "ttft_seconds": None, "events": 0},
            "✗",
            "red",
            "anthropic took 1 min 16 s no event 0 events 1.2 MB first_event_timeout",
        ),
    ],
)
def test_a_final_line_tells_the_outcome(changes: dict[str, object], mark: str, style: str, expected: str) -> None:
    """Repairs only where there were some."""
    line = final_line(finished(**changes))
    assert (line.mark, line.style, words(line)) == (mark, style, expected)


def test_every_outcome_has_a_mark() -> None:
    """A cross, unless nothing was wrong or it was the client's wish."""
    marks = {outcome.value: final_line(finished(outcome=outcome.value)).mark for outcome in Outcome}
    assert {name for name, mark in marks.items() if mark != "✗"} == {"completed", "client_disconnected", "stopped"}


def test_minutes_never_have_sixty_seconds() -> None:
    """Rounded before they are divided."""
    assert "took 2 min 00 s" in final_line(finished(duration_seconds=119.7)).text


class Stream:
    """What the lifecycle knows of an open stream."""

    def __init__(self, **changes: object) -> None:
        self.row = described(**changes)

    def describe(self) -> dict[str, object]:
        return self.row

    def cut(self) -> None:
        raise AssertionError("showing cuts nothing")


class Stage:
    """A lifecycle shown on a terminal that is a string."""

    def __init__(self, *, width: int = WIDE, encoding: str = "utf-8") -> None:
        self.lifecycle = Lifecycle()
        self._bytes = io.BytesIO()
        self._file = io.TextIOWrapper(self._bytes, encoding=encoding, newline="", write_through=True)
        self.console = Console(
            file=self._file, force_terminal=True, width=width, height=25, color_system="standard", _environ={}
        )

    @property
    def written(self) -> str:
        return self._bytes.getvalue().decode()

    def lines(self) -> list[str]:
        """What the terminal shows, with single blanks, up to its last text."""
        return "\n".join(" ".join(line.split()) for line in screen_of(self.written)).rstrip("\n").split("\n")

    @contextmanager
    def shown(self) -> Iterator[logging.Logger]:
        """Show it, with the root logger as the command line configures it; pytest's own are back afterwards."""
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(logging.Formatter("\x1b[32m%(levelname)s\x1b[0m %(message)s"))
        root.handlers[:] = [handler]
        root.setLevel("INFO")
        try:
            with shown(self.console, self.lifecycle):
                yield root
            assert root.handlers == [handler]
        finally:
            root.handlers[:] = handlers
            root.setLevel(level)

    def finish(self, stream: Stream, outcome: Outcome = Outcome.COMPLETED) -> None:
        """End *stream* as the middleware does."""
        self.lifecycle.remove(stream)
        report = StreamReport(dialect="generic", outcome=outcome, duration_seconds=2.0)
        log_stream(report, request_id=None, route="other", status=200, last_event_age=0.0, last_write_age=0.0)

    async def drawn(self) -> None:
        """Wait until the timer has drawn once more."""
        before = len(self.written)
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(self.written) == before:
                await asyncio.sleep(0.01)


async def test_records_stand_above_live_lines_and_finished_streams_leave_one_line() -> None:
    """A finished stream is not shown as open any more, and at the end no live line is left over."""
    stage = Stage()
    slow, quick = Stream(route="slow", age_seconds=9.0), Stream(route="quick")
    with stage.shown() as log:
        log.info("ready")
        assert (stage.lines(), HIDE in stage.written) == (["INFO ready"], False)
        stage.lifecycle.add(slow)
        stage.lifecycle.add(quick)
        await stage.drawn()
        slow_line = "● slow 9.0 s ttft 0.31 s 12 events 2.3 kB"
        assert [line[:8] for line in stage.lines()] == ["INFO rea", "● slow 9", "● quick "]
        log.warning("two\nlines")
        stage.finish(quick)
        final = "✓ other took 2.0 s no event 0 events 0 B completed"
        assert stage.lines() == ["INFO ready", "WARNING two", "lines", final, slow_line]
        slow.row = described(route="slow", age_seconds=9.5)
        await stage.drawn()
        assert stage.lines()[-1] == slow_line.replace("9.0", "9.5")
    assert stage.lines() == ["INFO ready", "WARNING two", "lines", final]
    assert stage.written.rindex(SHOW) > stage.written.rindex(HIDE)


async def test_the_cursor_is_hidden_only_while_a_stream_is_open() -> None:
    """With the last stream the live lines go, and what comes next begins where they were."""
    stage = Stage()
    stream = Stream()
    stage.lifecycle.add(stream)
    with stage.shown():
        assert stage.written.endswith("kB")
        assert (stage.written.count(HIDE), stage.written.count(SHOW)) == (1, 0)
        stage.finish(stream, Outcome.DRAINED)
        assert stage.written.count(SHOW) == 1
        assert stage.lines() == ["✗ other took 2.0 s no event 0 events 0 B drained"]
        stage.lifecycle.add(stream)
        await stage.drawn()
        assert len(stage.lines()) == 2
    assert stage.written.count(HIDE) == stage.written.count(SHOW) == 2


async def test_a_terminal_that_is_not_utf_8_gets_ascii() -> None:
    """The marks too, one cell each as before."""
    stage = Stage(width=30, encoding="ascii")
    stream = Stream()
    stage.lifecycle.add(stream)
    with stage.shown():
        assert stage.lines() == ["* openai_chat 3.2 s ~"]
        stage.finish(stream)
    assert stage.lines()[0].startswith("+ other took 2.0 s")


async def test_a_record_that_cannot_be_told_harms_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    """As with every handler of logging: told on stderr, and the program goes on."""
    stage = Stage()
    with stage.shown() as log:
        log.info("%d", "no number")
        log.info("next")
    assert stage.lines() == ["INFO next"]
    assert "--- Logging error ---" in capsys.readouterr().err


@pytest.mark.parametrize(
    "log_format,terminal,rich,expected",
    [
        ("auto", True, True, True),
        ("console", True, True, True),
        ("json", True, True, False),
        ("console", False, True, False),
        ("auto", True, False, False),
    ],
)
def test_only_people_at_a_terminal_get_it(
    monkeypatch: pytest.MonkeyPatch, log_format: str, terminal: bool, rich: bool, expected: bool
) -> None:
    """The log is as it was where it goes to a file or is JSON, and where rich is not installed."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setenv("TERM", "xterm")
    if not rich:
        monkeypatch.setitem(sys.modules, "rich.console", None)
    assert (watcher(log_format) is not nullcontext) == expected


def test_a_dumb_terminal_gets_the_plain_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """It could not go back to a line."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    assert watcher("auto") is nullcontext
