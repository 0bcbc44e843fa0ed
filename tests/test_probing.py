"""`core.probing`: what may be asked of a probe, and what its events hold."""

from __future__ import annotations

import json
import zlib

import pytest

from sse_proxy.core.framers.event_stream import Framer
from sse_proxy.core.probing import Plan, event_bytes, events_of, padding_of, plan_of, shown_headers
from sse_proxy.core.sse import Event
from sse_proxy.errors import BadRequest


def test_without_parameters_a_probe_is_short() -> None:
    """Two seconds, no silence, no padding."""
    assert plan_of({}) == Plan()
    assert Plan().seconds == pytest.approx(2.0)


def test_a_plan_is_what_its_query_asks_for() -> None:
    """So that doctor and endpoint cannot mean different things; what is not known is let be."""
    plan = Plan(
        events=7, interval=0.25, idle=1.5, heartbeat=0.5, padding=10, burst=2, ids=True, nonce="a-B_9", drop=True
    )
    query = dict(pair.split("=") for pair in plan.query().split("&"))
    assert plan_of({**query, "cachebuster": "1"}) == plan
    assert Plan().query() == ""


def test_a_plan_takes_as_long_as_its_writes_and_its_silence() -> None:
    """Of seven events in groups of two there are four writes."""
    assert Plan(events=7, burst=2, interval=0.5, idle=3).seconds == pytest.approx(5.0)


@pytest.mark.parametrize(
    "query, told",
    [
        ({"events": "0"}, "events: expected an integer from 1 to 5000"),
        ({"events": "2.5"}, "events: expected an integer from 1 to 5000"),
        ({"interval": "0"}, "interval: expected a number from 0.01 to 60"),
        ({"interval": "nan"}, "interval: expected a number from 0.01 to 60"),
        ({"idle": "-1"}, "idle: expected a number from 0 to 1200"),
        ({"idle": "x"}, "idle: expected a number from 0 to 1200"),
        ({"ids": "yes"}, "ids: expected 0 or 1"),
        ({"nonce": ""}, "nonce: expected 1 to 64 letters, digits, - or _"),
        ({"nonce": "a b"}, "nonce: expected 1 to 64 letters, digits, - or _"),
        ({"drop": "1"}, "drop: expected with a nonce"),
        ({"events": "100", "interval": "60"}, "the probe would take 6000 seconds, expected at most 1200"),
        ({"events": "1", "idle": "1200"}, "the probe would take 1200.1 seconds, expected at most 1200"),
        ({"events": "5000", "padding": "1000"}, "padding: expected at most 4194304 bytes in all events together"),
        ({"padding": "65536", "interval": "0.01"}, "padding: expected at most 1048576 bytes a second"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(query: dict[str, str], told: str) -> None:
    """A probe is bounded in time, bytes and rate, whatever is asked of it."""
    with pytest.raises(BadRequest) as caught:
        plan_of(query)
    assert str(caught.value) == told


def test_only_what_tells_of_hops_is_shown_of_a_request() -> None:
    """No credential, no cookie, and nothing that nobody asked for."""
    request = [
        (b"Via", b"1.1 a"),
        (b"X-Forwarded-For", b"192.0.2.1"),
        (b"x-envoy-expected-rq-timeout-ms", b"15000"),
        (b"authorization", b"Bearer secret"),
        (b"x-api-key", b"secret"),
        (b"cookie", b"secret"),
        (b"x-custom", b"secret"),
    ]
    assert shown_headers(request) == [
        ["via", "1.1 a"],
        ["x-forwarded-for", "192.0.2.1"],
        ["x-envoy-expected-rq-timeout-ms", "15000"],
    ]


@pytest.mark.parametrize("size", [0, 1, 7, 4096])
def test_padding_has_its_size_and_does_not_compress_away(size: int) -> None:
    """Else a hop that compresses would seem to have no buffer."""
    first, second = padding_of(size, 1), padding_of(size, 2)
    assert (len(first), len(second)) == (size, size)
    if size > 100:
        assert first != second
        assert len(zlib.compress((first + second).encode())) > size * 0.9


@pytest.mark.parametrize("with_id", [True, False])
def test_an_event_is_canonical(with_id: bool) -> None:
    """Any parser reads back what was written."""
    framer = Framer(max_event_bytes=1000)
    events = framer.feed(event_bytes("tick", {"n": 3, "offset": 0.5}, with_id=with_id))
    assert events == [Event(data=b'{"n":3,"offset":0.5}', event=b"tick", id=b"3" if with_id else None)]
    assert json.loads(events[0].data) == {"n": 3, "offset": 0.5}
    assert framer.repairs == {}


@pytest.mark.parametrize(
    "after, expected",
    [(-1, [[1, 2], [3, 4], [5]]), (0, [[1, 2], [3, 4], [5]]), (2, [[3, 4], [5]]), (3, [[4, 5]]), (5, []), (9, [])],
)
def test_what_follows_an_event_is_what_has_not_been_read(after: int, expected: list[list[int]]) -> None:
    """In groups that are written at once; none is left out and none comes twice."""
    assert [list(numbers) for numbers in events_of(Plan(events=5, burst=2), after)] == expected
