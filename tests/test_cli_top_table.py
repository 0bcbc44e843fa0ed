"""`watch.totals` and `watch.table`: a process's streams and its metrics as the lines of ``sse-proxy top``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from sse_proxy.metrics.base import StreamReport
from sse_proxy.metrics.prometheus import PrometheusMetrics
from sse_proxy.outcome import Outcome
from sse_proxy.version import version
from sse_proxy.watch.table import SORTS, Rates, lines_of, sorted_by
from sse_proxy.watch.totals import Totals, totals_of, with_open
from sse_proxy.watch.view import Line
from sse_proxy.watch.words import cells

NOTHING = Totals(
    version="1",
    started=0.0,
    draining=False,
    active=0,
    outcomes={},
    events=0,
    heartbeats=0,
    repairs={},
    resident_bytes=0,
    ttft_p50_seconds=None,
    ttft_p95_seconds=None,
)


def stream(identity: str = "a", **fields: Any) -> dict[str, Any]:
    """An open stream, as ``/-/streams`` tells of it."""
    return {
        "id": identity,
        "route": "openai_chat",
        "dialect": "openai_chat",
        "stream": True,
        "status": 200,
        "detached": False,
        "age_seconds": 10.0,
        "ttft_seconds": 0.5,
        "events": 20,
        "heartbeats": 0,
        "bytes_in": 1000,
        "bytes_out": 1000,
        "last_event_age_seconds": 0.1,
        "last_write_age_seconds": 0.1,
        **fields,
    }


def report(outcome: Outcome, first_event_seconds: float, repairs: dict[str, int] | None = None) -> StreamReport:
    """A stream that has ended."""
    return StreamReport(
        dialect="anthropic",
        outcome=outcome,
        first_event_seconds=first_event_seconds,
        duration_seconds=1.0,
        events=7,
        bytes_out=1,
        repairs=repairs or {},
        heartbeats={"comment": 2},
    )


def shown(lines: Iterable[Line]) -> list[str]:
    """Return *lines* without their styles."""
    return ["".join(piece.text for piece in line) for line in lines]


def table(streams: list[dict[str, Any]], totals: Totals = NOTHING, **size: int | None) -> list[str]:
    """Return all lines of *streams*."""
    return shown(lines_of(streams, totals, address="http://h", now=100.0, **{"width": None, "height": None, **size}))


def test_totals_are_what_the_process_s_own_metrics_say() -> None:
    """Of all dialects together; what never happened is left out."""
    metrics = PrometheusMetrics(CollectorRegistry())
    for outcome in (Outcome.COMPLETED, Outcome.COMPLETED, Outcome.IDLE_TIMEOUT):
        metrics.opened()
        metrics.closed(report(outcome, 0.02, {"bom": 3}))
    metrics.opened()
    totals = totals_of(metrics.render()[0].decode())
    assert totals.version == version()
    assert totals.outcomes == {"completed": 2, "idle_timeout": 1}
    assert (totals.active, totals.draining, totals.repairs) == (1, False, {"bom": 9})
    assert (totals.events, totals.heartbeats) == (21, 6)


def test_percentiles_are_the_buckets_that_hold_them() -> None:
    """More is not known, above the last bound least of all; none without an observation."""

    def exposition(*buckets: tuple[str, int]) -> str:
        name = "sse_proxy_time_to_first_event_seconds"
        lines = [f'{name}_bucket{{le="{bound}"}} {count}' for bound, count in buckets]
        return "\n".join([f"# TYPE {name} histogram", *lines, ""])

    totals = totals_of(exposition(("0.1", 0), ("0.2", 10), ("1.0", 20), ("+Inf", 20)))
    assert (totals.ttft_p50_seconds, totals.ttft_p95_seconds) == ((0.1, 0.2), (0.2, 1.0))
    assert totals_of(exposition(("0.1", 4), ("+Inf", 4))).ttft_p50_seconds == (0.0, 0.1)
    assert totals_of(exposition(("0.1", 0), ("+Inf", 4))).ttft_p50_seconds == (0.1, None)
    assert totals_of(exposition(("0.1", 0), ("+Inf", 0))).ttft_p50_seconds is None
    assert totals_of("").ttft_p50_seconds is None


def test_open_streams_are_counted_in() -> None:
    """The metrics count them at their end; what another version does not tell, or tells otherwise, is nothing."""
    totals = replace(NOTHING, events=7, heartbeats=1, repairs={"bom": 1, "crlf": 1})
    rows = [stream(events=48, heartbeats=2, repairs={"crlf": 2, "nul": 0}), stream(events="many", repairs=3), {}]
    rows.append(stream(route="resume", events=48, heartbeats=2))  # a reader, whose stream is counted by itself
    assert with_open(totals, rows) == replace(totals, events=55, heartbeats=3, repairs={"crlf": 3, "bom": 1})


def test_what_is_no_exposition_is_an_error() -> None:
    """As a web page on the same port."""
    with pytest.raises(ValueError, match=r"."):
        totals_of("<html>\n<p>no {</p>")


def test_a_rate_is_over_the_time_since_the_last_look() -> None:
    """Of a new stream, over its life."""
    rates = Rates()
    assert [row["rate"] for row in rates.add([stream("a"), stream("b", age_seconds=0.0)], 1.0)] == [2.0, 0.0]
    assert [row["rate"] for row in rates.add([stream("a", events=30), stream("c")], 3.0)] == [5.0, 2.0]
    assert [row["rate"] for row in rates.add([stream("a", events=30)], 5.0)] == [0.0]


@pytest.mark.parametrize("sort", sorted(SORTS))
def test_the_largest_comes_first(sort: str) -> None:
    """Equal ones keep their place, so that none jumps between two looks."""
    few, many = stream("few", rate=1.0), stream("many", rate=2.0)
    key = SORTS[sort]
    many[key], few[key] = 9, 3
    assert [row["id"] for row in sorted_by([few, many, stream("b", **{key: 5}), stream("a", **{key: 5})], sort)] == [
        *("many", "a", "b", "few")
    ]


def test_a_row_tells_all_that_is_known_of_a_stream() -> None:
    """In columns."""
    lines = table([stream("0123456789", rate=2.5, heartbeats=3, ttft_seconds=None), stream("b", route="a longer one")])
    heading, first, second = lines[-3:]
    assert heading.split() == [
        *("ID", "ROUTE", "DIALECT", "AGE", "TTFT", "EVENTS", "EV/S", "LAST", "BEATS", "SENT", "STATE"),
    ]
    assert first.split("  ")[0] == "01234567"
    assert first.split()[1:] == [
        *("openai_chat", "openai_chat", "10.0", "s", "-", "20", "2.5", "0.100", "s", "3", "1.0", "kB", "streaming"),
    ]
    assert heading.index("DIALECT") == first.index("openai_chat", 20) == second.index("openai_chat")


@pytest.mark.parametrize(
    "fields, state",
    [
        ({}, "streaming"),
        ({"events": 0}, "waiting"),
        ({"stream": False}, "request"),
        ({"detached": True}, "detached"),
    ],
)
def test_a_state_is_one_word(fields: dict[str, Any], state: str) -> None:
    """Whether anything comes, and whether anybody listens."""
    assert table([stream(**fields)])[-1].split()[-1] == state


@pytest.mark.parametrize("silence, style", [(4.9, ()), (5.0, ("yellow",)), (30.0, ("red",))])
def test_silence_has_a_colour(silence: float, style: tuple[str, ...]) -> None:
    """From where hops in front begin to cut."""
    lines = lines_of([stream(last_event_age_seconds=silence)], NOTHING, address="", now=0.0, width=None, height=None)
    assert lines[-1][0].style == style


def test_what_a_stream_does_not_tell_is_blank() -> None:
    """It may be of another version; and it cannot write to the terminal."""
    row = table([{"id": None, "route": "\x1b[2J", "age_seconds": "old"}])[-1]
    assert row.split() == [
        *("-", "\\x1b[2J", "-", "0.000", "s", "-", "0", "0.0", "0.000", "s", "0", "0", "B", "request")
    ]


def test_the_heading_tells_the_process_and_all_its_streams() -> None:
    """Since it began."""
    totals = Totals(
        version="1.2",
        started=40.0,
        draining=True,
        active=1,
        outcomes={"completed": 5, "idle_timeout": 1},
        events=100,
        heartbeats=1,
        repairs={"bom": 2},
        resident_bytes=50_000_000,
        ttft_p50_seconds=(2.5, 5.0),
        ttft_p95_seconds=(2560.0, None),
    )
    assert table([], totals)[:3] == [
        "sse-proxy 1.2 at http://h, up 1 min 00 s, draining",
        "1 stream open, 6 ended: completed 5, idle_timeout 1",
        "100 events, 1 heartbeat, 2 repairs, ttft p50 2.5–5 s p95 over 2560 s, memory 50.0 MB",
    ]
    assert table([])[1] == "0 streams open, 0 ended"


@pytest.mark.parametrize(
    "width, missing",
    [
        (120, set()),
        (97, {"BEATS"}),
        (90, {"BEATS", "SENT"}),
        (78, {"BEATS", "SENT", "DIALECT"}),
        (65, {"BEATS", "SENT", "DIALECT", "TTFT"}),
    ],
)
def test_a_narrow_terminal_does_without_some_columns(width: int, missing: set[str]) -> None:
    """What happens to a stream is told on any."""
    heading, row = table([stream("0123456789", rate=2.5)], width=width)[-2:]
    assert set(table([])[-1].split()) - set(heading.split()) == missing
    assert row.endswith("streaming")
    assert cells(row) <= width


@pytest.mark.parametrize("height", [6, 10, 20])
def test_it_fits_the_terminal(height: int) -> None:
    """What does not is counted."""
    lines = table([stream(str(number)) for number in range(30)], width=50, height=height)
    assert len(lines) <= height
    assert all(cells(line) <= 50 for line in lines)
    shown_rows = sum(line.startswith(tuple("0123456789")) and "openai" in line for line in lines)
    assert lines[-1] == f"and {30 - shown_rows} more"
