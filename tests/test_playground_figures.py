"""`playground.figures` and `playground.ended`: how often is read, and how much is remembered."""

from __future__ import annotations

from starlette.types import Message, Receive, Scope, Send

from sse_proxy.errors import Outcome
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics.base import NullMetrics, StreamReport
from sse_proxy.metrics.prometheus import PrometheusMetrics
from sse_proxy.playground.ended import Ended
from sse_proxy.playground.figures import Figures


async def test_totals_are_not_read_more_often_than_they_change() -> None:
    """However many pages are open: to read them takes milliseconds."""
    now = [0.0]
    metrics, lifecycle = PrometheusMetrics(), Lifecycle()
    figures = Figures(metrics, lifecycle, Ended(_nobody), clock=lambda: now[0])

    async def events() -> object:
        totals = (await figures.now(""))["totals"]
        assert isinstance(totals, dict)
        return totals["events"]

    assert await events() == 0
    metrics.opened()
    metrics.closed(StreamReport(dialect="anthropic", outcome=None))
    metrics.opened()
    metrics.closed(_report(events=7))
    assert await events() == 0
    now[0] = 0.5
    assert await events() == 7


async def test_other_metrics_than_ours_tell_how_many_streams_are_open() -> None:
    """Which the process knows by itself."""
    figures = Figures(NullMetrics(), Lifecycle(), Ended(_nobody))
    assert (await figures.now("playground-1"))["totals"] == {"active": 0}


async def test_only_the_newest_streams_of_the_page_are_remembered() -> None:
    """Else a page that is left open would fill the memory."""

    async def tells(scope: Scope, _receive: Receive, _send: Send) -> None:
        if told := scope.get("sse_proxy.told"):
            told(_report(events=1))

    ended = Ended(tells)
    for number in range(65):
        await ended({"type": "http", "sse_proxy.request_id": f"playground-{number}"}, _receive, _send)
    await ended({"type": "http", "sse_proxy.request_id": "other"}, _receive, _send)
    await ended({"type": "lifespan"}, _receive, _send)
    assert [ended.find(name) is None for name in ("playground-0", "playground-1", "playground-64", "other")] == [
        *(True, False, False, True)
    ]


def _report(events: int) -> StreamReport:
    return StreamReport(dialect="anthropic", outcome=Outcome.COMPLETED, events=events)


async def _nobody(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Nothing is asked of it."""


async def _receive() -> Message:
    return {"type": "http.disconnect"}


async def _send(_message: Message) -> None:
    """Nobody listens."""
