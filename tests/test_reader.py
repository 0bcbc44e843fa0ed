"""`core.reader`: records repaired, understood and counted."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import StreamState, dialect_by_name
from sse_proxy.core.mending import Mender
from sse_proxy.core.reader import Reader
from sse_proxy.core.sse import Event, Repairs
from sse_proxy.errors import UpstreamProtocolError

from .event_streams import splits

BIG = b'{"error":1,"x":"' + b"x" * (8 << 20) + b'"}'


def reader(
    name: str = "openai_chat", *, mends: bool = True, recognises: bool = False, only_objects: bool = False
) -> tuple[Reader, StreamState, Repairs]:
    """A fresh one, its state, and where it counts."""
    state, repairs = StreamState(), Repairs()
    mender = Mender(max_event_bytes=1 << 30, repairs=repairs) if mends else None
    dialect = dialect_by_name(name)
    return Reader(dialect, state, mender, recognises=recognises, only_objects=only_objects), state, repairs


def read(of: Reader, *payloads: bytes | Event) -> list[bytes]:
    """The payloads that those of the records come to."""
    records = [Event(data=payload) if isinstance(payload, bytes) else payload for payload in payloads]
    return [event.data for record in records for event, _, _ in of.read(record)]


@pytest.mark.parametrize(
    ("payload", "found", "repairs"),
    [
        (b'{"a":1}', [b'{"a":1}'], {}),
        (b'{"a":1}{"b":2}', [b'{"a":1}', b'{"b":2}'], {"concatenated_json": 1}),
        (b"", [], {"empty_data": 1}),
        (b"text", [b"text"], {}),
        (BIG, [BIG], {}),
    ],
)
def test_payloads_are_repaired(payload: bytes, found: list[bytes], repairs: Repairs) -> None:
    """And counted, as events and as repairs."""
    of, state, counted = reader()
    assert read(of, payload) == found
    assert of.events == len(found)
    assert state.started is bool(found)
    assert counted == repairs


@pytest.mark.parametrize(
    ("payloads", "found"),
    [
        ([b'{"object":"error","message":"no"}'], b'{"error":{"object":"error","message":"no"}}'),
        ([b'{"a":', b'{"b":1}', b"}"], b'{"a":{"b":1}}'),
    ],
)
def test_an_object_may_need_a_repair_in_the_middle_of_a_stream(payloads: list[bytes], found: bytes) -> None:
    """An error without its envelope, and one that is a part of another."""
    assert read(reader()[0], b"{}", *payloads) == [b"{}", found]


def test_what_is_only_watched_is_understood_all_the_same() -> None:
    """But neither held nor counted as repaired, nor told as a stream."""
    of, state, counted = reader(mends=False)
    assert read(of, b'{"a":') == [b'{"a":']
    assert read(of, b'data: {"choices":[{"finish_reason":"stop"}]}') == [b'{"choices":[{"finish_reason":"stop"}]}']
    assert state.finished
    assert (counted, of.holding) == ({}, False)
    of, _, _ = reader(mends=False)
    assert len(read(of, b'{"choices":[{"message":{"content":"a"}}]}')) == 1
    of, _, _ = reader("anthropic", mends=False)
    assert [event.event for event, _, _ in of.read(Event(data=b'{"type":"message_start"}'))] == [b""]


def test_a_whole_answer_is_read_as_the_events_of_a_stream() -> None:
    """Only as the first event; what follows is an event whatever it is."""
    document = b'{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}'
    of, state, counted = reader()
    assert len(read(of, document)) == 2
    assert state.finished
    assert read(of, document, b" " + document) == [document, document]
    assert (of.events, counted) == (4, {"single_json": 1, "white_space": 1})


def test_payloads_of_a_dialect_that_is_not_json_are_left_alone() -> None:
    """Whatever they look like."""
    of, _, counted = reader("mcp")
    assert read(of, b"", b"{}{}", b"data: x", b'{"a":') == [b"", b"{}{}", b"data: x", b'{"a":']
    assert counted == {}
    assert of.is_whole(Event(data=b'{"a":'))


def test_pings_are_no_events() -> None:
    """The dialect knows its own."""
    of, state, _ = reader("anthropic")
    assert read(of, Event(event=b"ping", data=b"{}")) == []
    assert (of.events, state.started) == (0, False)


@pytest.mark.parametrize(
    ("payload", "raises"),
    [(b"[1]", True), (b"text", True), (b'{"a":nope}', True), (b"[DONE]", False), (b"{}", False), (BIG, False)],
)
def test_records_of_other_framings_are_objects(payload: bytes, raises: bool) -> None:
    """Where the dialect has only those; the terminator is none, and what is too large to be parsed may be one."""
    of, _, _ = reader(only_objects=True)
    if raises:
        with pytest.raises(UpstreamProtocolError, match="something else than the API's events"):
            read(of, payload)
    else:
        assert read(of, payload) == [payload]
    assert read(reader("mcp", only_objects=True)[0], payload) == [payload]


def test_what_is_too_large_is_not_parsed() -> None:
    """It passes, and means nothing."""
    of, state, _ = reader()
    assert read(of, BIG) == [BIG]
    assert state.error is None


def test_errors_are_known_from_their_place() -> None:
    """The very first event can still become a status; those behind an error are told that there was one."""
    of, _, _ = reader()
    failed = [
        failed for payload in (b'{"error":{"message":"no"}}', b"{}") for _, _, failed in of.read(Event(data=payload))
    ]
    assert (of.began_with_error, failed) == (True, [False, True])
    of, _, _ = reader()
    read(of, b"{}", b'{"error":{"message":"no"}}')
    assert not of.began_with_error


@pytest.mark.parametrize(
    ("first", "name"),
    [
        (b'{"object":"chat.completion.chunk"}', "openai_chat"),
        (b'data: {"object":"chat.completion.chunk"}', "openai_chat"),
        (b'{"type":"RUN_STARTED"}', "ag_ui"),
        (b"Hello", "generic"),
        (b"{}", "generic"),
    ],
)
def test_the_first_payload_tells_the_dialect(first: bytes, name: str) -> None:
    """However malformed it is; comments and empty data before it tell nothing, events behind it neither."""
    of, _, _ = reader("generic", recognises=True)
    read(of, b": comment", b"")
    assert of.recognises
    read(of, first, b'{"type":"RUN_STARTED"}')
    assert of.dialect.name == name
    assert not of.recognises


@pytest.mark.parametrize(
    ("pending", "expected"),
    [
        (Event(data=b'{"token":"a"}', event=b"message"), "tokens"),
        (Event(data=b'{"token":'), "generic"),
        (Event(data=b'{"a":1}'), "generic"),
        (Event(data=b"a", event=b"output", id=b"1"), "generic"),
        (Event(data=b"{}", event=b"output", id=b"1"), "generic"),
        (None, "generic"),
    ],
)
def test_an_event_may_tell_the_dialect_before_it_is_complete(pending: Event | None, expected: str) -> None:
    """Once, where its payload is JSON; what does not tell it may do so when it is complete."""
    of, _, _ = reader("generic", recognises=True)
    assert of.foresees(pending) is (expected != "generic")
    assert of.foresees(pending) is False
    assert (of.dialect.name, of.recognises) == (expected, expected == "generic")


@pytest.mark.parametrize(("name", "recognises"), [("generic", False), ("openai_chat", True)])
def test_what_is_known_or_not_asked_for_is_not_guessed(name: str, recognises: bool) -> None:
    """A route may have named it."""
    of, _, _ = reader(name, recognises=recognises)
    read(of, b'{"type":"RUN_STARTED"}')
    assert of.dialect.name == name


def test_an_event_may_be_the_rest_of_what_is_held() -> None:
    """Though it is no document by itself; else it has to be one."""
    of, _, _ = reader()
    assert not of.is_whole(Event(data=b'"b"}'))
    assert of.is_whole(Event(data=b"[DONE]"))
    assert of.is_whole(Event(data=b"data: {}{}"))
    assert read(of, b'{"a":') == []
    assert of.holding
    assert of.is_whole(Event(data=b'"b"}'))
    assert read(of, b'"b"}') == [b'{"a":"b"}']
    assert not of.holding


def test_only_data_is_kept_for_clients_that_take_nothing_else() -> None:
    """Gemini's."""
    of, state, _ = reader("gemini")
    found = [event for event, _, _ in of.read(Event(data=b"{}", event=b"e", id=b"1", retry=5))]
    assert found == [Event(data=b"{}")]
    assert not state.has_ids
    assert not of.may_look_away


def test_ids_are_remembered() -> None:
    """Heartbeats depend on it (DESIGN fact 1)."""
    of, state, _ = reader()
    read(of, Event(data=b"{}", id=b""))
    assert state.has_ids


@pytest.mark.parametrize(
    ("payload", "kind", "repairs"),
    [
        (b'{"type":"message_start"}', b"message_start", {"missing_event_type": 1}),
        (b'{"type":"a\\nb"}', b"", {}),
        (b'{"type":"\\u00e9"}', b"", {}),
        (b'{"type":1}', b"", {}),
        (b"{}", b"", {}),
    ],
)
def test_a_type_that_only_the_payload_has(payload: bytes, kind: bytes, repairs: Repairs) -> None:
    """Clients of such APIs go by the event's, which is left alone where there is one."""
    of, _, counted = reader("anthropic")
    told = [event.event for sent in (b"", b"e") for event, _, _ in of.read(Event(data=payload, event=sent))]
    assert told == [kind, b"e"]
    assert counted == repairs


@pytest.mark.parametrize(
    ("dialect", "ping"), [("openai_responses", b'{"type":"keepalive"}'), ("cohere", b'{"type": "ping"}')]
)
@pytest.mark.parametrize("first", [True, False])
def test_a_ping_that_only_the_payload_names_is_one(dialect: str, ping: bytes, first: bool) -> None:
    """It is no event of the answer."""
    of, state, _ = reader(dialect)
    if not first:
        read(of, Event(data=b"{}"))
    assert list(of.read(Event(data=ping))) == []
    assert state.started is not first


def test_what_passed_unseen_is_counted_and_searched() -> None:
    """For the number that the next no-op event repeats."""
    of, state, _ = reader("openai_responses")
    of.passed(b'data: {"sequence_number":7}\n\n', 1)
    of.passed(b"data: {}\n\n", 2)
    assert of.events == 3
    assert b'"sequence_number":7' in state.last
    of, state, _ = reader()
    of.passed(b'data: {"sequence_number":7}\n\n', 1)
    assert state.last == b""


@pytest.mark.parametrize(("choices", "may"), [(1, True), (2, False), (0, False)])
def test_several_answers_are_all_looked_into(choices: int, may: bool) -> None:
    """Each has to be finished; and nothing passes unseen before the first event, nor within one."""
    of, state, _ = reader()
    state.choices = choices
    assert not of.may_look_away
    read(of, b"{}")
    assert of.may_look_away is may
    read(of, b'{"a":')
    assert not of.may_look_away


def test_any_split_of_the_payloads_reads_the_same() -> None:
    """A document over several events is the document."""
    document = b'{"choices":[{"delta":{"content":"a b"}}]}'
    for pieces in splits(document, seed=1):
        assert read(reader()[0], *pieces) == [document]


@pytest.mark.parametrize("name", ["ollama", "fastchat", "bedrock_converse", "gemini_array"])
def test_rows_without_markers_are_looked_into_also_as_events(name: str) -> None:
    """A gateway may have made an event stream of what its server writes: there nothing tells an end unseen."""
    of, state, _ = reader(name)
    read(of, b"{}")
    assert state.started
    assert not of.may_look_away


def test_a_terminator_within_a_text_is_escaped_where_clients_look_for_it_anywhere() -> None:
    """Cohere's take it for the end; as JSON it is the same text. The terminator itself stays."""
    of, _, _ = reader("cohere")
    text = b'{"type":"content-delta","delta":{"message":{"content":{"text":"a [DONE] b"}}}}'
    assert read(of, text) == [text.replace(b"[DONE]", rb"\u005bDONE]")]
    assert read(of, b'{"type":"content-end","a":1}') == [b'{"type":"content-end","a":1}']
    assert read(of, b"[DONE]") == [b"[DONE]"]
    others, _, _ = reader("openai_chat")
    assert read(others, b'{"a":"[DONE]"}') == [b'{"a":"[DONE]"}']


def test_nothing_has_begun_with_an_error_before_it_has_begun() -> None:
    """And whoever was told the dialect looks for none any more."""
    of, _, _ = reader()
    assert of.began_with_error is False
    of, _, _ = reader("generic", recognises=True)
    assert of.recognises is True
    read(of, b'{"object":"chat.completion.chunk","choices":[]}')
    assert (of.recognises, of.dialect.name) == (False, "openai_chat")
    assert read(of, b'{"a":1}{"b":2}') == [b'{"a":1}', b'{"b":2}']


def test_what_is_no_object_is_said_to_be_something_else() -> None:
    """In words that the client gets."""
    of, _, _ = reader(only_objects=True)
    with pytest.raises(
        UpstreamProtocolError, match=r"^the upstream answered with something else than the API's events$"
    ):
        read(of, b"text")


def test_after_the_first_line_of_data_has_told_the_dialect_the_rest_is_read_as_that() -> None:
    """Repairs of JSON included; the same line is not looked at twice."""
    of, _, counted = reader("generic", recognises=True)
    pending = Event(data=b'{"object":"chat.completion.chunk","choices":[]}')
    assert of.foresees(Event(data=b"text")) is False
    assert of.foresees(pending) is True
    assert of.dialect.name == "openai_chat"
    assert read(of, b'{"a":1}{"b":2}') == [b'{"a":1}', b'{"b":2}']
    assert counted == {"concatenated_json": 1}
