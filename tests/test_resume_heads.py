"""`resume.heads`: what is kept of a response besides its events."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import DIALECTS, GENERIC, Dialect, StreamState
from sse_proxy.core.heartbeat import COMMENT, heartbeat
from sse_proxy.resume.heads import Pace, Spoken, head_of

HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-name", b"caf\xe9"), (b"x-name", b"2")]

PACE = Pace(heartbeat_mode="data", heartbeat_seconds=5.0, client_stall_timeout_seconds=7.0)


@pytest.mark.parametrize("dialect", [*DIALECTS, GENERIC], ids=lambda dialect: dialect.name)
def test_a_head_survives_a_store(dialect: Dialect) -> None:
    """It is JSON there, and means the same when it comes back; headers are bytes of any kind."""
    state = StreamState(identity={"id": "a", "created": 1})
    spoken = Spoken.of(json.loads(json.dumps(head_of(200, HEADERS, dialect, state, PACE))))
    assert (spoken.status, spoken.headers, spoken.voice, spoken.pace) == (200, HEADERS, dialect, PACE)
    assert (spoken.state.identity, spoken.state.started) == (state.identity, True)


def test_what_is_one_clients_own_is_not_kept() -> None:
    """A cookie above all: a store is no place for it."""
    own = [(b"Set-Cookie", b"a=b"), (b"x-request-id", b"1"), (b"x-stream-id", b"2"), (b"location", b"/3")]
    told, kept = (head_of(200, headers, GENERIC, StreamState(), PACE) for headers in ([*own, *HEADERS], HEADERS))
    assert told == kept


def test_a_reader_gets_the_heartbeat_of_a_stream_with_ids() -> None:
    """A comment with a blank line would kill SDKs that have seen an id (DESIGN fact 1)."""
    spoken = Spoken.of(head_of(200, HEADERS, GENERIC, StreamState(), PACE))
    beat = heartbeat(spoken.voice, spoken.state, "auto", prefers_data=False, data_due=False)
    assert beat is not None
    assert beat.data == COMMENT


def test_a_voice_of_another_version_is_generic() -> None:
    """Two versions share a store while replicas are rolled; a pace that they do not share is each route's own."""
    head = {**head_of(200, HEADERS, DIALECTS[0], StreamState(), PACE), "voice": "of the future"}
    assert Spoken.of(head).voice is GENERIC
    for pace in ({}, {"pace": {"of": "the future"}}, {"pace": None}):
        told = {name: value for name, value in head.items() if name != "pace"}
        assert Spoken.of({**told, **pace}).pace is None


def test_what_has_no_name_is_spoken_to_as_generic() -> None:
    """As a voice of a framing of its own would be, which no recorded stream has."""
    native = next(dialect.native for dialect in DIALECTS if dialect.native is not None)
    assert Spoken.of(head_of(200, HEADERS, native, StreamState(), PACE)).voice is GENERIC
