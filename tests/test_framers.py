"""`core.framers`: each framing has its framer."""

from __future__ import annotations

import pytest

from sse_proxy.core.framers import Framing, framer_for
from sse_proxy.core.sse import Event

from .dialect_samples import aws
from .record_framers import life

BODIES: dict[Framing, tuple[bytes, list[Event]]] = {
    Framing.SSE: (b'data: {}\ndata: {"a":1}\n\n', [Event(data=b"{}"), Event(data=b'{"a":1}')]),
    Framing.NDJSON: (b'{}\n{"a":1}', [Event(data=b"{}"), Event(data=b'{"a":1}')]),
    Framing.JSON: (b"{}[{}]", [Event(data=b"{}"), Event(data=b"[{}]")]),
    Framing.JSON_ARRAY: (b"[{},{}]", [Event(data=b"{}"), Event(data=b"{}")]),
    Framing.AWS: (aws("e", {}), [Event(event=b"e", data=b"{}")]),
    Framing.DATA_STREAM: (b'0:"a"\n0:"', [Event(data=b'0:"a"'), Event(data=b'0:"')]),
    Framing.TEXT: (b"{}\n[", [Event(data=b"{}\n[")]),
}


@pytest.mark.parametrize("framing", Framing)
def test_each_framing_is_read_by_its_rules(framing: Framing) -> None:
    """And counts its repairs where it is told to."""
    body, records = BODIES[framing]
    repairs: dict[str, int] = {}
    framer = framer_for(framing, max_event_bytes=1000, joins_json=True, repairs=repairs)
    assert life(framer, [body]).records == records
    assert framer.repairs is repairs


@pytest.mark.parametrize("framing", set(Framing) - {Framing.TEXT})
def test_each_framing_is_bounded(framing: Framing) -> None:
    """Text has no records of its own that could be too large."""
    body, _ = BODIES[framing]
    framer = framer_for(framing, max_event_bytes=1, joins_json=True, repairs={})
    assert life(framer, [body]).ending == "EventTooLarge"


def test_json_is_joined_only_where_that_is_asked_for() -> None:
    """In an event stream of unknown payloads, several data lines are one event."""
    framer = framer_for(Framing.SSE, max_event_bytes=1000, joins_json=False, repairs={})
    assert life(framer, [b"data: {}\ndata: {}\n\n"]).records == [Event(data=b"{}\n{}")]


def test_events_without_data_are_told_where_the_server_has_such() -> None:
    """By their types; to the grammar they are none."""
    for dataless, records in ((frozenset({b"end"}), [Event(event=b"end", data=b"")]), (frozenset[bytes](), [])):
        framer = framer_for(Framing.SSE, max_event_bytes=1000, joins_json=False, repairs={}, dataless=dataless)
        assert life(framer, [b"event: end\n\nevent: other\n\n"]).records == records
