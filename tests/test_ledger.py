"""`core.ledger`: one sum of what all buffers hold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sse_proxy.core.ledger import SMALL_BYTES, Account, Ledger


def test_without_a_limit_it_is_never_full() -> None:
    """0 is no limit; what is held is counted all the same."""
    ledger = Ledger()
    account = Account(ledger)
    account.add(1 << 40)
    assert (ledger.full, ledger.bytes, account.must_stop) == (False, 1 << 40, False)


def test_an_account_without_a_ledger_has_one_of_its_own() -> None:
    """Without a limit: for whoever reads a body outside of a server."""
    account = Account()
    account.set(1 << 40)
    assert (account.bytes, account.ledger_is_full, account.must_stop) == (1 << 40, False, False)
    account.close()
    assert account.bytes == 0


def test_it_is_full_above_its_limit() -> None:
    """Not at it."""
    ledger = Ledger(10)
    account = Account(ledger)
    account.set(10)
    assert [ledger.full, account.ledger_is_full] == [False, False]
    account.add(1)
    assert [ledger.full, account.ledger_is_full] == [True, True]


def test_a_small_buffer_may_grow_in_a_full_process() -> None:
    """Whoever fills it: the large one has to stop, and the small one goes on until it is large, too."""
    ledger = Ledger(SMALL_BYTES)
    small, large = Account(ledger), Account(ledger)
    large.set(SMALL_BYTES + 1)
    small.set(SMALL_BYTES)
    assert [large.must_stop, small.must_stop] == [True, False]
    small.add(1)
    assert small.must_stop
    large.close()
    small.set(SMALL_BYTES)
    assert not small.must_stop


def test_what_empties_by_itself_is_measured_when_asked() -> None:
    """Whoever has gone meanwhile is not asked."""
    ledger = Ledger()

    class Emptying:
        def __init__(self) -> None:
            self.account = Account(ledger)
            self.account.set(7)
            ledger.measured.add(self)

        def measure(self) -> None:
            self.account.set(3)

    one, other = Emptying(), Emptying()
    ledger.measured.discard(other)
    ledger.measure()
    assert (ledger.bytes, one.account.bytes) == (10, 3)


_STEPS = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["add", "take", "set", "close"]), st.integers(0, 1 << 20)),
)


@given(_STEPS)
def test_the_ledger_is_the_sum_of_its_accounts(steps: list[tuple[int, str, int]]) -> None:
    """However they change; and nothing once all are closed."""
    ledger = Ledger(1 << 20)
    accounts = [Account(ledger) for _ in range(5)]
    for which, step, size in steps:
        account = accounts[which]
        match step:
            case "add":
                account.add(size)
            case "take":
                account.add(-min(size, account.bytes))
            case "set":
                account.set(size)
            case _:
                account.close()
        assert ledger.bytes == sum(one.bytes for one in accounts)
        assert ledger.full == (ledger.bytes > 1 << 20)
    for account in accounts:
        account.close()
    assert ledger.bytes == 0
