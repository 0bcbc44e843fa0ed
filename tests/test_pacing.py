"""`core.pacing`: what is due when; time is a number."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_proxy.core.pacing import DATA_HEARTBEAT_SECONDS, Action, Limits, Pacer

NEVER = float("inf")
EVERYTHING = Limits(
    heartbeat=15, commit_after=20, first_event=600, idle=300, total=3600, completion_grace=10, client_stall=60
)
Step = tuple[float, Callable[[Pacer, float], object]]


def uploaded(pacer: Pacer, now: float) -> None:
    """A piece of the request body moved on."""
    pacer.uploaded(now)


def sent(pacer: Pacer, now: float) -> None:
    """The request is complete."""
    pacer.sent(now)


def committed(pacer: Pacer, now: float) -> None:
    """The response's head is with the client."""
    pacer.committed(now)


def event(pacer: Pacer, now: float) -> None:
    """A payload event came."""
    pacer.event(now)


def sending(pacer: Pacer, now: float) -> None:
    """A send begins."""
    pacer.sending_since = now


def wrote(pacer: Pacer, now: float) -> None:
    """The send of upstream bytes is done."""
    pacer.wrote(now)


def beat(pacer: Pacer, now: float) -> None:
    """The send of a comment is done."""
    pacer.beat(now, data=False)


def data_beat(pacer: Pacer, now: float) -> None:
    """The send of a no-op event is done."""
    pacer.beat(now, data=True)


def completed(pacer: Pacer, now: float) -> None:
    """The terminal signal was seen."""
    pacer.completed(now)


def pacer_after(limits: Limits, *steps: Step) -> Pacer:
    """A pacer that began at 0 and has seen *steps*."""
    pacer = Pacer(limits, 0.0)
    for now, step in steps:
        step(pacer, now)
    return pacer


@pytest.mark.parametrize(
    ("limits", "steps", "action", "at"),
    [
        pytest.param(Limits(total=9), [], Action.TOTAL_TIMEOUT, 9, id="total from the start"),
        pytest.param(Limits(total=9), [(3, sent), (4, event), (5, wrote)], Action.TOTAL_TIMEOUT, 9, id="total always"),
        pytest.param(Limits(idle=5), [], Action.IDLE_TIMEOUT, 5, id="upload that never starts"),
        pytest.param(Limits(idle=5), [(4, uploaded)], Action.IDLE_TIMEOUT, 9, id="upload that stops"),
        pytest.param(Limits(first_event=5, idle=1), [(4, sent)], Action.FIRST_EVENT_TIMEOUT, 9, id="first event"),
        pytest.param(Limits(first_event=5), [(4, sent), (6, sent)], Action.FIRST_EVENT_TIMEOUT, 9, id="sent once"),
        pytest.param(Limits(idle=5), [(1, sent)], None, NEVER, id="idle does not run before the first event"),
        pytest.param(Limits(first_event=5), [(1, sent), (2, event)], None, NEVER, id="first event came"),
        pytest.param(Limits(first_event=5), [(1, event)], None, NEVER, id="event while the upload runs"),
        pytest.param(Limits(idle=5, first_event=9), [(1, sent), (4, event)], Action.IDLE_TIMEOUT, 9, id="idle"),
        pytest.param(Limits(idle=5), [(1, event), (4, event)], Action.IDLE_TIMEOUT, 9, id="idle from the last event"),
        pytest.param(Limits(idle=5), [(4, event), (6, beat), (8, data_beat)], Action.IDLE_TIMEOUT, 9, id="heartbeats"),
        pytest.param(
            Limits(first_event=5), [(4, sent), (6, beat)], Action.FIRST_EVENT_TIMEOUT, 9, id="heartbeats first"
        ),
        pytest.param(Limits(idle=5), [(4, event), (6, wrote)], Action.IDLE_TIMEOUT, 9, id="writing is no event"),
        pytest.param(Limits(commit_after=5), [(4, sent)], Action.COMMIT, 9, id="commit after the request is complete"),
        pytest.param(Limits(commit_after=5), [], None, NEVER, id="no commit while the upload runs"),
        pytest.param(Limits(commit_after=5), [(4, sent), (5, event)], None, NEVER, id="no commit after an event"),
        pytest.param(Limits(commit_after=5), [(4, sent), (5, committed)], None, NEVER, id="committed already"),
        pytest.param(Limits(heartbeat=5), [(1, sent)], None, NEVER, id="no heartbeat before the commit"),
        pytest.param(Limits(heartbeat=5), [(4, committed)], Action.HEARTBEAT, 9, id="heartbeat after the commit"),
        pytest.param(Limits(heartbeat=5), [(1, committed), (4, committed)], Action.HEARTBEAT, 6, id="committed once"),
        pytest.param(
            Limits(heartbeat=5), [(1, committed), (4, wrote)], Action.HEARTBEAT, 9, id="silence to the client"
        ),
        pytest.param(Limits(heartbeat=5), [(1, committed), (4, beat)], Action.HEARTBEAT, 9, id="cadence"),
        pytest.param(
            Limits(heartbeat=5), [(1, committed), (4, event)], Action.HEARTBEAT, 6, id="events are not writes"
        ),
        pytest.param(Limits(heartbeat=60), [(4, committed)], Action.DATA_HEARTBEAT, 64, id="data at 60 s"),
        pytest.param(Limits(heartbeat=55), [(4, committed)], Action.HEARTBEAT, 59, id="no data before 60 s"),
        pytest.param(Limits(heartbeat=59), [(4, committed)], Action.DATA_HEARTBEAT, 63, id="silence since the request"),
        pytest.param(
            Limits(heartbeat=30), [(0, committed), (30, beat)], Action.DATA_HEARTBEAT, 60, id="comments are none"
        ),
        pytest.param(Limits(heartbeat=30), [(0, committed), (30, data_beat)], Action.HEARTBEAT, 60, id="data is data"),
        pytest.param(Limits(heartbeat=30), [(0, committed), (30, wrote)], Action.HEARTBEAT, 60, id="events are data"),
        pytest.param(Limits(client_stall=5), [(4, sending)], Action.CLIENT_STALLED, 9, id="stall"),
        pytest.param(
            Limits(client_stall=5), [(1, sending), (2, wrote), (4, sending)], Action.CLIENT_STALLED, 9, id="anew"
        ),
        pytest.param(Limits(client_stall=5), [(1, sending), (2, beat)], None, NEVER, id="taken"),
        pytest.param(
            EVERYTHING, [(1, committed), (2, event), (3, sending)], Action.CLIENT_STALLED, 63, id="only stall"
        ),
        pytest.param(Limits(idle=5), [(1, event), (1, sending)], None, NEVER, id="no idle while sending"),
        pytest.param(
            Limits(idle=5), [(1, event), (2, sending), (5, wrote)], Action.IDLE_TIMEOUT, 9, id="idle stood still"
        ),
        pytest.param(
            Limits(idle=5), [(1, event), (2, sending), (5, beat)], Action.IDLE_TIMEOUT, 9, id="for a beat too"
        ),
        pytest.param(Limits(idle=5), [(1, sending), (3, event), (4, beat)], Action.IDLE_TIMEOUT, 9, id="never ahead"),
        pytest.param(
            Limits(first_event=5), [(1, sent), (2, sending), (5, beat)], Action.FIRST_EVENT_TIMEOUT, 9, id="too"
        ),
        pytest.param(Limits(completion_grace=5), [(4, completed)], Action.COMPLETE, 9, id="grace"),
        pytest.param(
            Limits(completion_grace=5), [(1, completed), (4, event)], Action.COMPLETE, 9, id="grace after events"
        ),
        pytest.param(Limits(completion_grace=5), [(4, completed), (6, completed)], Action.COMPLETE, 9, id="grace once"),
        pytest.param(
            Limits(completion_grace=5), [(1, completed), (2, sending), (5, wrote)], Action.COMPLETE, 9, id="paused"
        ),
        pytest.param(Limits(completion_grace=0), [(4, completed)], Action.COMPLETE, 4, id="no grace is at once"),
        pytest.param(EVERYTHING, [(0, committed), (1, event), (2, completed)], Action.COMPLETE, 12, id="grace alone"),
        pytest.param(Limits(), [(1, sent), (2, committed), (3, event), (4, sending)], None, NEVER, id="all off"),
    ],
)
def test_what_is_due_and_when(limits: Limits, steps: list[Step], action: Action | None, at: float) -> None:
    """Nothing is due before its moment, the action is at it, and `next` is no later."""
    pacer = pacer_after(limits, *steps)
    last = steps[-1][0] if steps else 0.0
    assert pacer.next(last) <= at
    if action is None:
        assert pacer.due(1e9) is None
        return
    if at > last:
        assert pacer.due(at - 0.001) is None
    assert pacer.due(at) is action
    assert pacer.due(at + 1e9) is not None


@pytest.mark.parametrize(
    ("steps", "now", "action"),
    [
        pytest.param([(0, sent), (0, committed), (0, event)], 3600, Action.TOTAL_TIMEOUT, id="total is over all"),
        pytest.param(
            [(0, sent), (0, committed), (0, event)], 300, Action.IDLE_TIMEOUT, id="a timeout over a heartbeat"
        ),
        pytest.param([(0, sent), (0, committed)], 600, Action.FIRST_EVENT_TIMEOUT, id="and for the first event"),
        pytest.param([(0, sent)], 600, Action.FIRST_EVENT_TIMEOUT, id="a timeout over the commit"),
        pytest.param([(3590, sending)], 3650, Action.TOTAL_TIMEOUT, id="total over stall"),
        pytest.param([(3595, completed)], 3605, Action.TOTAL_TIMEOUT, id="total over completion"),
    ],
)
def test_most_urgent_is_first(steps: list[Step], now: float, action: Action) -> None:
    """Of what is due together, the end comes before a sign of life."""
    assert pacer_after(EVERYTHING, *steps).due(now) is action


def test_limits_may_change() -> None:
    """Once the response's kind is known, other limits hold, from the same moments."""
    pacer = pacer_after(Limits(idle=5), (1, event))
    pacer.limit(Limits(idle=8))
    assert pacer.due(8.9) is None
    assert pacer.due(9) is Action.IDLE_TIMEOUT
    pacer.limit(Limits())
    assert pacer.due(1e9) is None
    assert pacer.next(20) == NEVER


def test_what_has_run_out_does_not_make_the_timer_spin() -> None:
    """A deadline that passed unasked before a send is looked at after it, not again and again meanwhile."""
    pacer = pacer_after(Limits(idle=5, heartbeat=15), (0, committed), (1, event), (7, sending))
    assert pacer.due(8) is None
    assert pacer.next(8) == 9
    wrote(pacer, 10)
    assert pacer.due(10) is Action.IDLE_TIMEOUT


def test_facts_for_the_log() -> None:
    """The last event and the last write are what the log tells the age of."""
    pacer = pacer_after(EVERYTHING, (1, event), (2, sending), (3, wrote), (9, sending), (10, beat))
    assert (pacer.last_event, pacer.last_write, pacer.sending_since) == (3, 10, None)


def test_an_event_that_passes_is_one_that_came_and_went() -> None:
    """The heartbeat and the upstream's silence both start anew, and nothing is in flight."""
    steps: tuple[Step, ...] = ((0, sent), (1, committed), (2, event), (3, sending), (3, wrote))
    passing, sending_it = pacer_after(EVERYTHING, *steps), pacer_after(EVERYTHING, *steps)
    passing.passed(9)
    event(sending_it, 9)
    sending(sending_it, 9)
    wrote(sending_it, 9)
    for now in (9, 23.9, 24, 70, 308.9, 309):
        assert (passing.due(now), passing.next(now)) == (sending_it.due(now), sending_it.next(now))
    assert (passing.last_event, passing.last_write, passing.sending_since) == (9, 9, None)


def test_second_tier_is_below_the_strictest_client_s_patience() -> None:
    """With heartbeats every 59 s, data still comes within 120 s."""
    pacer = pacer_after(Limits(heartbeat=59), (0, committed), (59, beat))
    assert pacer.due(118) is Action.DATA_HEARTBEAT
    assert DATA_HEARTBEAT_SECONDS == 60


MOMENTS = {
    "uploaded": uploaded,
    "sent": sent,
    "committed": committed,
    "event": event,
    "send": sending,
    "completed": completed,
}
SECONDS = st.sampled_from([0.0, 1.0, 2.0, 3.5, 7.0])
LIMITS = st.builds(
    Limits,
    heartbeat=SECONDS,
    commit_after=SECONDS,
    first_event=SECONDS,
    idle=SECONDS,
    total=st.sampled_from([0.0, 20.0]),
    completion_grace=SECONDS,
    client_stall=SECONDS,
)
HISTORIES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.75, 4.0]), st.sampled_from([*MOMENTS, "written", "beaten"])),
    max_size=15,
)


@settings(max_examples=500, deadline=None)
@given(limits=LIMITS, history=HISTORIES)
def test_a_timer_that_fires_at_next_misses_nothing(limits: Limits, history: list[tuple[float, str]]) -> None:
    """Whatever happens in between: asked only at `next`, the pacer is asked at the very moment when something is due.

    The timer is re-armed when it fires and, as documented, on `completed`; never for any other moment.
    """
    pacer = Pacer(limits, 0.0)
    clock, timer, fired, resumed = 0.0, pacer.next(0.0), 0, -NEVER
    for pause, name in [*history, (30.0, "end")]:
        upto = clock + pause
        while timer <= upto:
            clock, fired = max(clock, timer), fired + 1
            assert fired < 500
            assert_not_late(pacer, clock, resumed)
            if (action := pacer.due(clock)) is not None and not carried_out(pacer, action, clock):
                return
            timer = pacer.next(clock)
            assert timer > clock or pacer.due(clock) is not None
        clock = upto
        assert_not_late(pacer, clock, resumed)
        if pacer.sending_since is not None and name in {"written", "beaten", "send"}:
            resumed = clock
        happens(pacer, name, clock)
        if name == "completed":
            timer = pacer.next(clock)


def assert_not_late(pacer: Pacer, now: float, resumed: float) -> None:
    """Assert that nothing was due before *now*; what ran out just when a send began may wait a second after its end."""
    assert pacer.due(now - 0.01) is None or now <= resumed + 1.0


def carried_out(pacer: Pacer, action: Action, now: float) -> bool:
    """Do what the owner does for *action*; False when it ends the response."""
    if action is Action.COMMIT:
        committed(pacer, now)
    elif action in {Action.HEARTBEAT, Action.DATA_HEARTBEAT}:
        pacer.beat(now, data=action is Action.DATA_HEARTBEAT)
    else:
        return False
    return True


def happens(pacer: Pacer, name: str, now: float) -> None:
    """The next piece of a history; a send that is in flight ends before another begins."""
    if name == "written" or (name == "send" and pacer.sending_since is not None):
        wrote(pacer, now)
    elif name == "beaten":
        beat(pacer, now)
    if name in MOMENTS:
        MOMENTS[name](pacer, now)


def test_who_has_no_client_any_more_is_under_no_deadline_of_the_clients() -> None:
    """No heartbeat is due and no read is late, whatever limits come later; the upstream's own clocks run on."""
    alone = Limits(idle=300, total=3600, heartbeat=1, client_stall=1)
    pacer = Pacer(alone, 0.0)
    pacer.sent(0.0)
    pacer.committed(0.0)
    pacer.event(0.0)
    pacer.leave_alone()
    assert pacer.due(299.0) is None
    pacer.limit(alone)
    assert pacer.due(299.0) is None
    assert pacer.due(300.0) is Action.IDLE_TIMEOUT
    pacer.sending_since = 10.0
    assert pacer.due(299.0) is None
    assert pacer.due(3600.0) is Action.TOTAL_TIMEOUT


def test_the_owner_may_want_to_be_asked_more_often() -> None:
    """For something of its own; nothing is due then."""
    pacer = Pacer(Limits(idle=300), 0.0)
    pacer.sent(0.0)
    assert pacer.next(0.0) == 300.0
    pacer.look_every(5.0)
    assert (pacer.next(0.0), pacer.due(5.0)) == (5.0, None)
    pacer.limit(Limits(idle=4))
    assert pacer.next(0.0) == 4.0


def test_nothing_is_looked_at_while_nothing_can_be_due() -> None:
    """A send without any limit arms no timer, nor do limits without a send one that is sooner than theirs."""
    pacer = Pacer(Limits(), 0.0)
    pacer.sending_since = 0.0
    assert pacer.next(0.0) == NEVER
    pacer = Pacer(Limits(idle=300), 0.0)
    pacer.sent(0.0)
    assert pacer.next(0.0) == 300.0


def test_a_clock_that_stands_still_is_looked_at_when_it_would_have_run_out() -> None:
    """A send that is done just before must not have put its deadline off unseen."""
    pacer = Pacer(Limits(idle=10.5, client_stall=10.0), 0.0)
    pacer.sent(0.0)
    pacer.event(0.0)
    pacer.sending_since = 10.25
    assert pacer.next(10.25) == 10.5
    assert pacer.last_write == 0.0
