"""`core.crowd`: how many run at a time."""

from __future__ import annotations

import pytest

from sse_proxy.core.crowd import Crowd


def test_a_client_has_its_limit_and_all_have_theirs() -> None:
    """Whichever is reached first; asking takes no place."""
    crowd = Crowd(at_most=3, per_client=2)
    for client in ("a", "a", "b"):
        assert crowd.has_room(client)
        crowd.join(client)
        assert crowd.has_room("b") == (client != "b")
    assert not crowd.has_room("a")
    assert not crowd.has_room("c")
    crowd.leave("a")
    assert crowd.has_room("c")
    assert crowd.has_room("a")


def test_a_client_is_refused_at_its_own_limit_where_all_have_room() -> None:
    """And has room again for each of its own that is over, not for all of them."""
    crowd = Crowd(at_most=9, per_client=2)
    crowd.join("a")
    crowd.join("a")
    assert not crowd.has_room("a")
    crowd.leave("a")
    assert crowd.has_room("a")
    crowd.join("a")
    assert not crowd.has_room("a")


def test_nobody_leaves_twice() -> None:
    """A place that is given back twice would be one too many; the error says whose."""
    crowd = Crowd(at_most=1, per_client=1)
    crowd.join("a")
    crowd.leave("a")
    with pytest.raises(KeyError, match="'a'"):
        crowd.leave("a")
    crowd.join("a")
    assert not crowd.has_room("a")
