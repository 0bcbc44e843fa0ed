"""`core.flood`: which of many like records are told."""

from __future__ import annotations

from sse_proxy.core.flood import _MAX_KINDS, BURST, WINDOW_SECONDS, Flood


def test_the_first_of_a_kind_are_told_and_the_rest_counted() -> None:
    """Until their window is over; then it begins anew."""
    flood = Flood()
    for _ in range(2):
        assert [flood.admits("a", 5.0) for _ in range(BURST + 3)] == [True] * BURST + [False] * 3
        assert flood.ended(5.0 + WINDOW_SECONDS - 0.1) == []
        assert flood.ended(5.0 + WINDOW_SECONDS) == [("a", 3)]
        assert flood.ended(1e9) == []


def test_kinds_do_not_count_for_each_other() -> None:
    """A flood of one hides no other."""
    flood = Flood()
    for _ in range(BURST + 1):
        flood.admits("a", 0.0)
    assert flood.admits("b", 0.0)
    assert flood.ended(WINDOW_SECONDS) == [("a", 1)]


def test_a_window_without_a_rest_is_not_told() -> None:
    """There is nothing to tell."""
    flood = Flood()
    flood.admits("a", 0.0)
    assert flood.ended(WINDOW_SECONDS) == []


def test_kinds_without_end_are_one_kind() -> None:
    """Neither the table nor the log grows with them."""
    flood = Flood()
    admitted = sum(flood.admits(number, 0.0) for number in range(100_000))
    assert admitted == _MAX_KINDS + BURST - 1 + 1
    assert flood.ended(WINDOW_SECONDS) == [("other", 100_000 - admitted)]
