"""`core.crowd`: how many run at a time."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from sse_proxy.core.crowd import Crowd


def test_a_client_has_its_limit_and_all_have_theirs() -> None:
    """Whichever is reached first; asking takes no place."""
    crowd = Crowd(at_most=3, per_client=2)
    with ExitStack() as running:
        for client in ("a", "a", "b"):
            assert crowd.has_room(client)
            running.enter_context(crowd.joined(client))
            assert crowd.has_room("b") == (client != "b")
        assert not crowd.has_room("a")
        assert not crowd.has_room("c")
    assert crowd.has_room("c")


def test_who_fails_leaves_too() -> None:
    """Else a client would run out of places by its own failures."""
    crowd = Crowd(at_most=1, per_client=1)
    with pytest.raises(OSError, match="broken"), crowd.joined("a"):
        raise OSError("broken")
    assert crowd.has_room("a")
