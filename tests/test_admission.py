"""`core.admission`: limits of open streams, in all and per client, and the state of the process."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_proxy.core.admission import MESSAGES, Admission, Place, Refusal
from sse_proxy.core.lag import LagGuard
from sse_proxy.core.ledger import Ledger
from sse_proxy.settings import Settings


def taken(admission: Admission, client: str) -> Place:
    """A place that has to be there."""
    place = admission.new(client)
    assert isinstance(place, Place)
    return place


def test_without_limits_everyone_gets_in() -> None:
    """0 is no limit; streams are counted all the same."""
    admission = Admission()
    for client in ("a", "a", "b"):
        taken(admission, client)
    assert len(admission) == 3


def test_the_limit_of_all_streams_refuses_the_next() -> None:
    """A refusal counts nothing, and whoever leaves makes room for anybody."""
    admission = Admission(max_streams=2)
    place = taken(admission, "a")
    taken(admission, "b")
    assert admission.new("c") is Refusal.MAX_STREAMS
    admission.leave(place)
    taken(admission, "c")
    assert len(admission) == 2


def test_the_limit_per_client_leaves_others_alone() -> None:
    """One client at its limit does not keep another out."""
    admission = Admission(max_streams_per_client=2)
    place = taken(admission, "a")
    taken(admission, "a")
    assert admission.new("a") is Refusal.MAX_STREAMS_PER_CLIENT
    taken(admission, "b")
    admission.leave(place)
    taken(admission, "a")
    assert len(admission) == 3


def test_a_shared_place_is_free_when_all_have_left() -> None:
    """Not before: the stream goes on for those who are left."""
    admission = Admission(max_streams=1)
    place = taken(admission, "a")
    place.users += 1
    admission.leave(place)
    assert admission.new("a") is Refusal.MAX_STREAMS
    admission.leave(place)
    taken(admission, "a")


def test_leaving_a_place_that_is_free_is_an_error() -> None:
    """Somebody else's would be freed otherwise."""
    admission = Admission()
    place = taken(admission, "a")
    admission.leave(place)
    with pytest.raises(KeyError):
        admission.leave(place)
    assert len(admission) == 0


def test_full_buffers_refuse_new_streams_alone() -> None:
    """Who has a right to a place, as a reader of a stream that runs, gets it."""
    ledger = Ledger(10)
    admission = Admission(ledger=ledger)
    ledger.bytes = 10
    assert admission.has_room is True
    taken(admission, "a")
    ledger.bytes = 11
    assert [admission.has_room] == [False]
    assert admission.new("a") is Refusal.MAX_BUFFER_BYTES
    assert isinstance(admission.place("a"), Place)


def test_a_late_event_loop_refuses_new_streams_alone() -> None:
    """As above; nothing is counted."""
    lag = LagGuard()
    admission = Admission(lag=lag)
    lag.refuses = True
    assert admission.new("a") is Refusal.EVENT_LOOP_LAG
    assert len(admission) == 0
    assert isinstance(admission.place("a"), Place)


def test_limits_are_those_of_the_settings_and_the_state_that_of_the_process() -> None:
    """Each refuses by its own name."""
    settings = Settings(upstream="http://llm", max_streams=2, max_streams_per_client=1)
    ledger, lag = Ledger(10), LagGuard()
    admission = Admission.of(settings, ledger, lag)
    taken(admission, "a")
    assert admission.new("a") is Refusal.MAX_STREAMS_PER_CLIENT
    taken(admission, "b")
    assert admission.new("c") is Refusal.MAX_STREAMS
    lag.refuses = True
    assert admission.new("c") is Refusal.EVENT_LOOP_LAG
    ledger.bytes = 11
    assert admission.new("c") is Refusal.MAX_BUFFER_BYTES


def test_every_refusal_has_words() -> None:
    """For the client, and the log."""
    assert set(MESSAGES) == set(Refusal)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_no_life_leaves_a_count(steps: list[tuple[str, bool]]) -> None:
    """However streams come and go, the limits hold meanwhile, and afterwards nobody is counted."""
    admission = Admission(max_streams=4, max_streams_per_client=2)
    open_places: list[Place] = []
    for client, comes in steps:
        if comes:
            place = admission.new(client)
            mine = sum(one.client == client for one in open_places)
            assert isinstance(place, Place) == (mine < 2 and len(open_places) < 4)
            if isinstance(place, Place):
                open_places.append(place)
        elif open_places:
            admission.leave(open_places.pop(0))
        assert len(admission) == len(open_places)
    for place in open_places:
        admission.leave(place)
    assert len(admission) == 0


def test_every_place_that_is_left_makes_room_for_one() -> None:
    """Of several streams of one client each counts, down to the last."""
    admission = Admission(max_streams_per_client=3)
    places = [taken(admission, "a") for _ in range(3)]
    for place in places[:2]:
        admission.leave(place)
    taken(admission, "a")
    taken(admission, "a")
    assert admission.new("a") is Refusal.MAX_STREAMS_PER_CLIENT
    assert len(admission) == 3


def test_a_limit_of_one_is_a_limit() -> None:
    """Of all streams, and of one client's."""
    for admission in (Admission(max_streams=1), Admission(max_streams_per_client=1)):
        taken(admission, "a")
        assert isinstance(admission.new("a"), Refusal)
