"""`core.admission`: limits of open streams, in all and per client."""

from __future__ import annotations

import pytest

from sse_proxy.core.admission import Admission
from sse_proxy.errors import Refused


def test_without_limits_everyone_gets_in() -> None:
    """0 is no limit; streams are counted all the same."""
    admission = Admission()
    for client in ("a", "a", "b"):
        admission.acquire(client)
    assert len(admission) == 3


def test_the_limit_of_all_streams_refuses_the_next() -> None:
    """A refusal counts nothing, and a release makes room for anybody."""
    admission = Admission(max_streams=2)
    admission.acquire("a")
    admission.acquire("b")
    with pytest.raises(Refused, match="limit of streams"):
        admission.acquire("c")
    admission.release("a")
    admission.acquire("c")
    assert len(admission) == 2


def test_the_limit_per_client_leaves_others_alone() -> None:
    """One client at its limit does not keep another out."""
    admission = Admission(max_streams_per_client=2)
    admission.acquire("a")
    admission.acquire("a")
    with pytest.raises(Refused, match="this client"):
        admission.acquire("a")
    admission.acquire("b")
    admission.release("a")
    admission.acquire("a")
    assert len(admission) == 3


def test_releasing_what_was_not_acquired_is_an_error() -> None:
    """A wrong key would otherwise free somebody else's place."""
    admission = Admission()
    admission.acquire("a")
    admission.release("a")
    with pytest.raises(KeyError):
        admission.release("a")
    assert len(admission) == 0


def test_every_release_makes_room_for_one() -> None:
    """Of several streams of one client each counts, down to the last."""
    admission = Admission(max_streams_per_client=3)
    for _ in range(3):
        admission.acquire("a")
    admission.release("a")
    admission.release("a")
    admission.acquire("a")
    admission.acquire("a")
    with pytest.raises(Refused, match=r"^too many streams at once for this client$"):
        admission.acquire("a")
    assert len(admission) == 3


def test_a_limit_of_one_is_a_limit() -> None:
    """Of all streams, and of one client's."""
    for admission in (Admission(max_streams=1), Admission(max_streams_per_client=1)):
        admission.acquire("a")
        with pytest.raises(Refused):
            admission.acquire("a")
