"""`doctor.probed`, `doctor.case` and `doctor.findings`: what the judges go by."""

from __future__ import annotations

import pytest

from sse_proxy.doctor.findings import Finding, Severity, is_clean, ranked
from sse_proxy.doctor.observed import End
from sse_proxy.doctor.probed import probed_of
from sse_proxy.doctor.stream import Stream

from .doctor_cases import SSE, case, ids, probe


def stream(body: bytes) -> Stream:
    """What *body* says."""
    return case([(1.0, body)] if body else []).stream


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"data: a\n\n",
        b'data: {"n":0}\n\n',
        b'data: {"n":0,"offset":0.1}\n\n',
        b'data: {"n":0,"offset":0.1,"probe":2}\n\n',
        b'data: {"n":0,"offset":0.1,"probe":1}\n\ndata: {"token":"a"}\n\n',
    ],
)
def test_what_is_not_a_probe_is_not_taken_for_one(body: bytes) -> None:
    """A page that answers everything with 200 is none."""
    assert probed_of(stream(body)) is None


def test_a_probe_tells_what_the_proxy_saw() -> None:
    """And how long each event was on its way, whatever the clocks say."""
    probed = probe([(7.0, 1.0), (7.5, 1.6), (8.0, 2.0)], seen=[("via", "1.1 a"), ("via", "1.1 b")]).probed
    assert probed is not None
    assert (probed.header("via"), probed.header("x-none"), probed.heartbeat_seconds) == ("1.1 a", None, 15.0)
    assert probed.answered == list(SSE)
    assert [round(seconds, 6) for seconds in probed.held_back()] == [0.0, 0.1, 0.0]
    assert (probed.ended, probed.drained) == (True, False)


def test_a_probe_that_was_cut_short_has_not_ended() -> None:
    """Nor is it a cut where the proxy itself was going."""
    cut = probe([(0.0, 0.0), (0.1, 0.1)], ends=False)
    assert cut.probed is not None
    assert not cut.probed.ended
    assert cut.is_cut
    assert not probe([(0.0, 0.0), (0.1, 0.1)], ends=False, end=End.LEFT).is_cut
    assert not probe([(0.0, 0.0), (0.1, 0.1)]).is_cut


def test_no_bytes_are_held_where_all_come_at_once() -> None:
    """What is written and read at the same time lay nowhere."""
    probed = probe([(n / 10, n / 10) for n in range(10)], padding=1000).probed
    assert probed is not None
    assert probed.held_bytes() == 0


def test_hops_are_known_from_both_directions() -> None:
    """By the response, and by what they told the proxy in the request."""
    found = probe([(0.0, 0.0)], headers=(*SSE, ("server", "nginx")), seen=[("via", "1.1 varnish")])
    assert [hop.name for hop in found.hops] == ["nginx", "Varnish"]


def test_findings_are_told_from_the_worst_and_once_each() -> None:
    """Notes are not wrong."""
    made = [
        Finding(id="a", severity=Severity.NOTE, seen="1"),
        Finding(id="b", severity=Severity.WARNING, seen="2"),
        Finding(id="c", severity=Severity.ERROR, seen="3"),
        Finding(id="b", severity=Severity.ERROR, seen="4"),
    ]
    assert ids(ranked(made)) == ["error: c", "warning: b", "note: a"]
    assert not is_clean(made)
    assert is_clean(made[:1])
