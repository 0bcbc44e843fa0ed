"""`core.mending`: documents that were cut over several events, and what can no longer be put together."""

from __future__ import annotations

import pytest

from sse_proxy.core.mending import Mender
from sse_proxy.core.sse import Event
from sse_proxy.errors import EventTooLarge, UpstreamProtocolError

from .dialect_streams import DONE, FINISH, TOKEN, drained, pipeline
from .work import calls_made


def mended(*payloads: bytes, limit: int = 1000) -> tuple[list[bytes], dict[str, int], bool]:
    """What the *payloads* of as many events become, the repairs, and whether a part is still held."""
    repairs: dict[str, int] = {}
    mender = Mender(max_event_bytes=limit, repairs=repairs)
    events = [event for payload in payloads for event in mender.feed(Event(data=payload))]
    return [event.data for event in events], repairs, mender.holding


@pytest.mark.parametrize(
    ("payloads", "documents", "repairs", "holding"),
    [
        ([b'{"a":1}'], [b'{"a":1}'], {}, False),
        ([b"[DONE]"], [b"[DONE]"], {}, False),
        ([b"text"], [b"text"], {}, False),
        ([b'{"a":', b"1}"], [b'{"a":1}'], {"split_json": 1}, False),
        ([b'{"a":"x', b"y", b'z"}', b'{"b":2}'], [b'{"a":"xyz"}', b'{"b":2}'], {"split_json": 1}, False),
        ([b'{"a":', b'{"b":1}', b"}"], [b'{"a":{"b":1}}'], {"split_json": 1}, False),
        ([b'{"a":1}{"b":', b"2}"], [b'{"a":1}', b'{"b":2}'], {"concatenated_json": 1, "split_json": 1}, False),
        ([b'{"a":', b'1,\n"b":\n2}\n'], [b'{"a":1,"b":2}'], {"split_json": 1}, False),
        (
            [b'{"object":"error",', b'"message":"no"}'],
            [b'{"error":{"object":"error","message":"no"}}'],
            {"split_json": 1, "bare_error": 1},
            False,
        ),
        ([b'{"a":'], [], {}, True),
        ([b'{"a":nope}'], [b'{"a":nope}'], {}, False),
        ([b'{"}'], [b'{"}'], {}, False),
        ([rb'{"a":1}\n\n'], [b'{"a":1}'], {"literal_newlines": 1}, False),
        ([rb'{"a":1}\n\ndata: {"b":2}\n\n'], [b'{"a":1}', b'{"b":2}'], {"literal_newlines": 1}, False),
        ([rb'{"a":"}\n"}'], [rb'{"a":"}\n"}'], {}, False),
        ([b'{"a":1}data: {"b":2}'], [b'{"a":1}', b'{"b":2}'], {"concatenated_json": 1}, False),
    ],
)
def test_documents_are_put_together(
    payloads: list[bytes], documents: list[bytes], repairs: dict[str, int], holding: bool
) -> None:
    """Over as many events as it takes."""
    assert (documents, repairs, holding) == mended(*payloads)


@pytest.mark.parametrize(
    "payloads",
    [
        [b'{"object":"chat.cdata: {"id":"x"}'],
        [b'{"id":"x","obj', b'{"id":"y"}'],
        [b'{"id":"x","obj', b"[DONE]"],
        [b'{"a":', b"nope}"],
    ],
)
def test_a_lost_part_is_an_error(payloads: list[bytes]) -> None:
    """It is gone for good, and so is the text in it."""
    with pytest.raises(UpstreamProtocolError, match="cut an event"):
        mended(*payloads)


def test_what_is_held_is_bounded() -> None:
    """As one event is."""
    with pytest.raises(EventTooLarge):
        mended(b'{"a":"', *[b"x" * 10] * 10, limit=50)


def test_types_and_ids_survive() -> None:
    """The type of the first part, the id of the last."""
    mender = Mender(max_event_bytes=100, repairs={})
    assert mender.feed(Event(data=b'{"a":', event=b"e")) == []
    assert mender.feed(Event(data=b"1}", id=b"2")) == [Event(data=b'{"a":1}', event=b"e", id=b"2")]


def test_pieces_cost_linear_work() -> None:
    """Twice as many pieces are twice the calls."""

    def work(count: int) -> int:
        pieces = [b'{"a":"', *[b"x"] * count, b'"}']
        return calls_made(lambda: mended(*pieces, limit=1 << 20))

    assert work(4000) <= 2.1 * work(2000)


def test_events_before_a_lost_part_are_told() -> None:
    """And then the error."""
    of = pipeline("openai_chat")
    with pytest.raises(UpstreamProtocolError):
        of.feed(TOKEN * 2 + b'data: {"object":"chat.cdata: {"id":"x"}\n\n')
    out = of.fail(UpstreamProtocolError("lost"))
    assert out.startswith(TOKEN * 2 + b'data: {"error":{"message":"lost"')


def test_the_fast_path_sees_a_lost_part() -> None:
    """Though the chunk looks canonical."""
    of = pipeline("openai_chat")
    of.feed(TOKEN)
    with pytest.raises(UpstreamProtocolError):
        of.feed(b'data: {"object":"chat.cdata: {"id":"x"}\n\n')


def test_a_part_at_the_end_is_a_cut() -> None:
    """Even behind the finish signal, something was lost."""
    _, of = drained("openai_chat", TOKEN + FINISH + b'data: {"usage":\n\n')
    assert not of.state.terminated
    with pytest.raises(Exception, match="before the answer was complete"):
        of.conclude()


def test_the_rest_may_come_without_its_blank_line() -> None:
    """At the end of the body."""
    output, of = drained("openai_chat", TOKEN + FINISH + b'data: {"usage":\n\ndata: {}}\n')
    assert output == TOKEN + FINISH + b'data: {"usage":{}}\n\n'
    assert of.conclude() == DONE


def test_the_first_of_several_payloads_keep_the_events_type() -> None:
    """Only the last bears the id, and whatever else came with it."""
    mender = Mender(max_event_bytes=1000, repairs={})
    events = mender.feed(Event(data=b'{"a":1}{"b":2}', event=b"chunk", id=b"7"))
    assert events == [
        Event(data=b'{"a":1}', event=b"chunk"),
        Event(data=b'{"b":2}', event=b"chunk", id=b"7"),
    ]


@pytest.mark.parametrize("payloads", [[b'{"a":', b"[DONE]"], [b'{"a":1', b'{"a":2}'], [b'{"a":', b"x}"]])
def test_what_was_cut_is_said_to_be(payloads: list[bytes]) -> None:
    """In words that the client gets."""
    with pytest.raises(UpstreamProtocolError, match=r"^the upstream cut an event in the middle$"):
        mended(*payloads)


def test_a_document_may_be_as_long_as_the_limit() -> None:
    """Not longer; and the next one is counted anew."""
    whole = [b'{"a":"', b"x" * 12, b'"}']
    assert mended(*whole, *whole, limit=20) == ([b'{"a":"xxxxxxxxxxxx"}'] * 2, {"split_json": 2}, False)
    with pytest.raises(EventTooLarge):
        mended(*whole, limit=19)


def test_only_a_whole_event_with_the_same_first_key_is_a_sibling() -> None:
    """The first, however many follow it."""
    with pytest.raises(UpstreamProtocolError):
        mended(b'{"a":{"b":', b'{"a":{"c":1}}')
    assert mended(b'{"x":[', b'{"a":{"x":1}}', b"]}")[0] == [b'{"x":[{"a":{"x":1}}]}']
