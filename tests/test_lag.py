"""`core.lag`: when a late event loop refuses new streams, and when it lets them in again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sse_proxy.core.lag import CALM_SECONDS, HIGH_LAG_SECONDS, LOW_LAG_SECONDS, SUSTAINED_SECONDS, LagGuard


def looks(guard: LagGuard, *lags: float, start: float = 0.0) -> list[bool]:
    """Whether it refuses after each of *lags*, of looks that were to be a second apart."""
    now, found = start, []
    for lag in lags:
        now += 1.0 + lag
        guard.sample(lag, now)
        found.append(guard.refuses)
    return found


def test_a_single_long_step_refuses_nobody() -> None:
    """A machine that was put to sleep has no backlog."""
    assert looks(LagGuard(), 3600.0, 0.0, 0.0, 60.0, 0.0) == [False] * 5


def test_what_a_step_took_is_no_time_to_come() -> None:
    """Neither before nor behind a small lag a long step, such as a machine's sleep, is more than the one look it is."""
    assert looks(LagGuard(), 30.0, 1.0) == [False] * 2
    assert looks(LagGuard(), 1.0, 30.0) == [False] * 2


def test_a_lasting_lag_refuses() -> None:
    """After some seconds, and the more it lags, the fewer looks are needed: but three."""
    assert looks(LagGuard(), 1.0, 1.0, 1.0, 1.0) == [False, False, False, True]
    assert looks(LagGuard(), 4.0, 4.0, 4.0) == [False, False, True]
    assert looks(LagGuard(), 60.0, 60.0, 60.0) == [False, False, True]
    assert looks(LagGuard(), 1.0, 0.3, 1.0, 0.3, 1.0) == [False, False, False, False, True]
    assert looks(LagGuard(), 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0) == [False] * 7


def test_two_looks_are_never_enough() -> None:
    """Not even so far apart that a lag between them would have lasted to the very moment."""
    guard = LagGuard()
    times = (2.0, 2.0 + SUSTAINED_SECONDS + 1.0, 2.0 + 2 * (SUSTAINED_SECONDS + 1.0))
    assert [guard.sample(1.0, now) for now in times] == [False] * 3


def test_looks_far_apart_are_single_steps() -> None:
    """Though the loop was never quite in time between them."""
    assert looks(LagGuard(), 1.1, *[0.4] * 4, 1.1) == [False] * 6
    assert looks(LagGuard(), 1.1, *[0.4] * 400, 1.1) == [False] * 402


def test_a_loop_that_has_caught_up_lets_in_after_a_while() -> None:
    """Between the thresholds nothing changes: it would flap."""
    guard = LagGuard()
    assert looks(guard, 2.0, 2.0, 2.0, 2.0)[-1]
    assert looks(guard, 0.3, 0.0, 0.0, 0.0, 0.0, start=12.0) == [True, True, True, True, False]
    assert looks(guard, 0.3, 0.3, 0.3, 0.3, start=20.0) == [False] * 4


def test_at_the_lower_threshold_a_loop_has_not_caught_up() -> None:
    """The upper one is late already."""
    guard = LagGuard()
    assert looks(guard, *[HIGH_LAG_SECONDS] * 5)[-1]
    assert looks(guard, *[LOW_LAG_SECONDS] * 9, start=20.0) == [True] * 9


def test_a_change_is_told_once() -> None:
    """For the log."""
    guard = LagGuard()
    assert [guard.sample(1.0, now) for now in (2.0, 6.0, 8.0, 10.0)] == [False, False, True, False]
    assert [guard.sample(0.0, now) for now in (11.0, 13.0, 14.0, 15.0)] == [False, False, True, False]


@given(st.lists(st.floats(0.0, 10.0), min_size=1))
def test_it_refuses_only_behind_a_lasting_lag(lags: list[float]) -> None:
    """Whatever came before: it begins when nobody has seen the loop in time for a while, and ends when it has been."""
    guard, now, times = LagGuard(), 0.0, list[tuple[float, float]]()
    for lag in lags:
        now += 1.0 + lag
        times.append((now, lag))
        before = guard.refuses
        assert guard.sample(lag, now) == (guard.refuses != before)
        if guard.refuses != before:
            seconds = SUSTAINED_SECONDS if guard.refuses else CALM_SECONDS
            recent = [one for at, one in times if at > now - seconds + one] or [lag]
            high = guard.refuses
            assert all((one >= LOW_LAG_SECONDS) if high else (one < HIGH_LAG_SECONDS) for one in recent)
            assert (lag >= HIGH_LAG_SECONDS) if high else (lag < LOW_LAG_SECONDS)
            assert len(times) > 1
