"""`doctor.judge_flow`: what times tell of buffers, and what they do not."""

from __future__ import annotations

import pytest

from sse_proxy.doctor.findings import Finding, Severity
from sse_proxy.doctor.judge_flow import held_back, judge_flow, judge_pace

from .doctor_cases import SSE, case, ids, probe, told

NGINX = (*SSE, ("server", "nginx/1.22.1"))
#: Twenty events, a tenth of a second apart, on a clock that is 5 s ahead of the doctor's.
WRITTEN = [5 + n / 10 for n in range(20)]


def flow(arrivals: list[float]) -> list[Finding]:
    """What is found when the events arrive so."""
    return list(judge_flow(probe(list(zip(WRITTEN, arrivals, strict=True)), headers=NGINX)))


@pytest.mark.parametrize(
    "arrivals",
    [
        [n / 10 for n in range(20)],
        [3 + n / 10 for n in range(20)],
        [n / 10 + (0.35 if n % 3 else 0) for n in range(20)],
        [max(n / 10, 1.0) if 2 < n < 10 else n / 10 for n in range(20)],
    ],
    ids=["at once", "a long way", "jitter", "the machine stood still for 0.7 s"],
)
def test_events_that_come_as_they_are_written_are_right(arrivals: list[float]) -> None:
    """However long the way is, and however busy the machine."""
    assert flow(arrivals) == []


def test_events_that_all_come_at_the_end_were_held_back() -> None:
    """The clocks need not agree for that."""
    found = told(flow([2.0] * 20))
    assert (found.id, found.severity, found.culprit) == ("buffered", Severity.ERROR, "nginx")
    assert found.seen == "20 events were written over 1.9 s and arrived all at once, the first 1.9 s late"
    assert found.evidence == {
        "events": 20, "arrivals": 1, "written_over_seconds": 1.9, "first_late_seconds": 1.9,
    }  # fmt: skip


def test_events_that_come_in_a_few_pieces_were_held_back() -> None:
    """As many as fit into the buffer."""
    found = told(flow([0.7] * 8 + [1.5] * 8 + [1.9] * 4))
    assert "arrived in 3 pieces, the first 0.7 s late" in found.seen


@pytest.mark.parametrize("group, culprit", [(3, "HAProxy (it seems)"), (2, "")])
def test_events_that_wait_for_one_another_are_told(group: int, culprit: str) -> None:
    """A corked socket waits for 200 ms, and only HAProxy is known to cork."""
    found = told(flow([(n // group * group + group - 1) / 10 for n in range(20)]))
    assert (found.id, found.severity, found.culprit) == ("grouped", Severity.WARNING, culprit)
    assert ("option http-no-delay" in found.fix) == bool(culprit)


def test_the_size_of_the_buffer_is_what_was_held_at_most() -> None:
    """Measured with a probe of many bytes."""
    paced = probe([(n / 10, 2.0) for n in range(20)])
    full = probe([(n / 50, (n // 8 + 1) * 8 / 50) for n in range(96)], padding=1000)
    found = told(judge_flow(paced, full))
    size = found.evidence["held_bytes"]
    assert isinstance(size, int)
    assert 8 * 1000 <= size <= 9 * 1100
    assert f"of many bytes, up to {size} were held back" in found.seen
    whole = probe([(n / 50, 2.0) for n in range(96)], padding=1000)
    assert "were held back to the end" in told(judge_flow(paced, whole)).seen


def test_a_stream_that_is_no_probe_is_not_judged_as_one() -> None:
    """Nobody knows when its events were written."""
    assert list(judge_flow(case([(1.0, b"data: a\n\n" * 20)]))) == []
    assert not held_back(probe([(0.0, 0.0), (0.1, 0.1)]).probed)  # type: ignore[arg-type]  # it is one


EVENT = b"data: 12345678\n\n"


@pytest.mark.parametrize(
    "pieces, expected",
    [
        ([(n / 20, EVENT) for n in range(40)], []),
        ([(n / 500, EVENT) for n in range(400)], []),
        ([(n / 5, EVENT * 2) for n in range(10)], []),
        ([(3.0, EVENT * 40)], ["error: buffered"]),
        ([(3.0, EVENT * 20), (3.01, EVENT * 20)], ["error: buffered"]),
        ([(0.1, EVENT * 40)], ["note: too-quick"]),
        ([(0.1, EVENT * 3)], []),
        ([(n + 1.0, EVENT * 10) for n in range(4)], ["warning: buffered"]),
        ([(0.7, EVENT * 17), (1.0, EVENT * 6)], ["warning: buffered"]),
        ([(n / 40, EVENT * 8) for n in range(10)], []),
    ],
    ids=[
        "steady",
        "a fast model",
        "two an answer",
        "at once",
        "in two reads",
        "quick",
        "few",
        "bursts",
        "two",
        "fast bursts",
    ],
)
def test_of_any_other_stream_the_arrivals_are_judged(pieces: list[tuple[float, bytes]], expected: list[str]) -> None:
    """A model's pace is no burst, and a short answer tells nothing."""
    assert ids(judge_pace(case(pieces))) == expected


def test_what_is_said_of_a_burst_is_what_was_seen() -> None:
    """No more."""
    found = told(judge_pace(case([(3.2, EVENT * 40)], head_at=0.2, headers=NGINX)))
    assert found.seen == "all 40 events came at once, 3.2 s after the request and 3.0 s after the head"
    assert found.culprit == "nginx"
    bursts = told(judge_pace(case([(0.7, EVENT * 17), (1.0, EVENT * 6)])))
    assert bursts.seen == "23 events came in 2 bursts (of 272, 96 bytes), as if a buffer had to fill up"


BEAT = b": ping\n\n"


@pytest.mark.parametrize(
    "pieces, expected",
    [
        ([(2.0, BEAT), (4.0, BEAT), (6.0, EVENT * 40)], "note"),
        ([(6.0, EVENT * 40), (8.0, BEAT), (9.0, b"")], "note"),
        ([(6.0, EVENT * 40), (8.0, BEAT)], "error"),
        ([(6.0, BEAT * 3 + EVENT * 40)], "error"),
        ([(5.99, BEAT * 3), (6.0, EVENT * 40), (6.04, BEAT)], "error"),
        ([(1.0, EVENT * 10), (1.5, BEAT), (2.0, EVENT * 10)], "note"),
        ([(1.0, EVENT * 10 + BEAT), (2.0, BEAT + EVENT * 10)], "warning"),
    ],
    ids=["before", "behind", "with the end", "with it", "as good as with it", "between bursts", "with bursts"],
)
def test_a_heartbeat_that_came_by_itself_shows_that_nothing_is_held_back(
    pieces: list[tuple[float, bytes]], expected: str
) -> None:
    """One that came with the events may have been held back with them."""
    assert ids(judge_pace(case(pieces))) == [f"{expected}: buffered"]


def test_what_is_said_of_heartbeats_between_is_no_more_than_they_show() -> None:
    """Behind who makes them there may still be a buffer."""
    found = told(judge_pace(case([(2.0, BEAT), (4.0, BEAT), (6.0, EVENT * 40)], headers=NGINX)))
    assert found.seen == (
        "all 40 events came at once, 6.0 s after the request and 4.0 s after the head; but 2 heartbeats came in "
        "between, so from where they are made nothing is held back"
    )
    assert (found.culprit, found.evidence["heartbeats_between"]) == ("", 2)
    one = told(judge_pace(case([(2.0, BEAT), (6.0, EVENT * 40)])))
    assert "but 1 heartbeat came in between, so from where it is made nothing" in one.seen


def test_a_probe_is_not_judged_by_its_pace() -> None:
    """More is known of it."""
    assert list(judge_pace(probe([(n / 10, 3.0) for n in range(20)]))) == []
