"""`logs.configure`: the log is bounded, and streams that have begun have their line all the same."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from sse_proxy import logs
from sse_proxy.core.admission import Admission, Refusal
from sse_proxy.core.flood import BURST, WINDOW_SECONDS
from sse_proxy.entrance import Entrance
from sse_proxy.errors import Outcome
from sse_proxy.metrics.base import NullMetrics, StreamReport

MANY = 3 * BURST


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield root
    root.handlers[:] = before
    root.setLevel(level)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of the log."""
    now = [100.0]
    monkeypatch.setattr("sse_proxy.logs.time.monotonic", lambda: now[0])
    return now


def told(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was written since."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def stream(status: int | None, outcome: Outcome) -> None:
    """A finished stream."""
    report = StreamReport(dialect="generic", outcome=outcome)
    logs.log_stream(report, request_id="r", route="other", status=status, last_event_age=0.0, last_write_age=0.0)


@pytest.mark.usefixtures("root")
def test_of_like_records_the_first_are_told(capsys: pytest.CaptureFixture[str], now: list[float]) -> None:
    """And the number of the rest when their time is over; another kind is another matter."""
    logs.configure("info", "json")
    logger = logging.getLogger("library")
    for number in range(MANY):
        logger.warning("request %d is wrong", number)
    logger.warning("something else")
    lines = told(capsys)
    assert [line["event"] for line in lines[-2:]] == [f"request {BURST - 1} is wrong", "something else"]
    assert len(lines) == BURST + 1
    now[0] += WINDOW_SECONDS
    logs.flush()
    [line] = told(capsys)
    assert (line["withheld"], line["level"], line["logger"]) == (MANY - BURST, "warning", "library")
    assert line["event"].endswith("more like this in 10 seconds: request %d is wrong")
    logger.warning("request %d is wrong", 1)
    assert len(told(capsys)) == 1


@pytest.mark.usefixtures("root", "now")
def test_each_stream_that_was_let_in_has_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """However many there are, and however they end (INTERFACE "Settings", `log_format`)."""
    logs.configure("info", "json")
    for _ in range(MANY):
        stream(200, Outcome.UPSTREAM_TRUNCATED)
        stream(502, Outcome.UPSTREAM_ERROR)
        stream(None, Outcome.CLIENT_DISCONNECTED)
    assert len(told(capsys)) == 3 * MANY


@pytest.mark.usefixtures("root")
def test_streams_that_were_refused_are_summed_up(capsys: pytest.CaptureFixture[str], now: list[float]) -> None:
    """By status; what is left untold at the end of the process is told then."""
    logs.configure("info", "json")
    for _ in range(MANY):
        stream(503, Outcome.REJECTED)
        stream(413, Outcome.REJECTED)
    assert len(told(capsys)) == 2 * BURST
    now[0] += 1.0
    logging.getLogger().handlers[0].close()
    assert {line["event"].partition(": ")[2]: line["withheld"] for line in told(capsys)} == {
        "stream finished rejected 503": MANY - BURST,
        "stream finished rejected 413": MANY - BURST,
    }


@pytest.mark.usefixtures("root", "now")
def test_different_warnings_are_no_like_records(capsys: pytest.CaptureFixture[str]) -> None:
    """Though written with the same format, as those about the settings are; nor are details that were asked for."""
    logs.configure("debug", "json")
    for number in range(MANY):
        logging.getLogger("sse_proxy").warning("%s", f"setting {number}")
        logging.getLogger("sse_proxy").debug("detail")
    assert len(told(capsys)) == 2 * MANY


def fail(requests: dict[str, str], key: str) -> None:
    """An error of an application, told by the server in the words that it has for all of them."""
    try:
        int(requests[key])
    except (KeyError, ValueError):
        logging.getLogger("library").exception("Exception in ASGI application")


@pytest.mark.usefixtures("root")
def test_errors_are_alike_if_raised_at_one_place(capsys: pytest.CaptureFixture[str], now: list[float]) -> None:
    """A flood of one hides no first one of another, though both have the same message; their texts tell nothing."""
    logs.configure("info", "json")
    for number in range(MANY):
        fail({"a": f"number {number}"}, "a")
    fail({}, "missing")
    lines = told(capsys)
    assert len(lines) == BURST + 1
    assert "KeyError: 'missing'" in lines[-1]["exception"]
    now[0] += WINDOW_SECONDS
    logs.flush()
    [line] = told(capsys)
    assert "more like this in 10 seconds: Exception in ASGI application ValueError in fail, line " in line["event"]


@pytest.mark.usefixtures("root", "now")
def test_an_error_that_was_never_raised_has_no_place(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is there one where a library speaks of an error that is none."""
    logs.configure("info", "json")
    for error in (KeyError("k"), None):
        for _ in range(MANY):
            logging.getLogger("library").error("failed", exc_info=(type(error), error, None) if error else (None,) * 3)
    assert len(told(capsys)) == 2 * BURST


@pytest.mark.usefixtures("root")
def test_refusals_are_alike_by_their_reason(capsys: pytest.CaptureFixture[str], now: list[float]) -> None:
    """A flood of one reason hides no other, and its sum says which."""
    logs.configure("info", "json")
    entrance = Entrance(Admission(), NullMetrics())
    for _ in range(MANY):
        entrance.told(Refusal.MAX_STREAMS)
    entrance.told(Refusal.EVENT_LOOP_LAG)
    lines = told(capsys)
    assert [line["reason"] for line in lines] == ["max_streams"] * BURST + ["event_loop_lag"]
    now[0] += WINDOW_SECONDS
    logs.flush()
    [line] = told(capsys)
    assert line["event"] == f"{MANY - BURST} more like this in 10 seconds: {lines[0]['event']}"
    assert "(max_streams)" in line["event"]


@pytest.mark.usefixtures("root")
def test_kinds_without_end_are_summed_up_as_one(capsys: pytest.CaptureFixture[str], now: list[float]) -> None:
    """A library may put anything into its messages."""
    logs.configure("info", "json")
    for number in range(1000):
        logging.getLogger("library").warning(f"request {number}")  # noqa: G004  as libraries do
    assert len(told(capsys)) < 300
    now[0] += WINDOW_SECONDS
    logs.flush()
    [line] = told(capsys)
    assert line["event"].endswith("more like this in 10 seconds: other")
