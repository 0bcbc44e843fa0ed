"""`core.siblings`: events that differ in nothing but their text, and what only looks like one of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_proxy.core.dialects.base import free_keys
from sse_proxy.core.siblings import Siblings

from .dialect_streams import facts, pipeline

FREE = free_keys("content", "count")
EXAMPLE = b'data: {"id":"c","delta":{"content":"Hi"},"finish":null,"count":7}'


def event(text: bytes, *, finish: bytes = b"null", count: bytes = b"8") -> bytes:
    """One event of the example's kind."""
    return b'data: {"id":"c","delta":{"content":"%b"},"finish":%b,"count":%b}\n\n' % (text, finish, count)


COUNT = b',"count":8'
ALONE = EXAMPLE.replace(b',"count":7', b"")


def alone(text: bytes) -> bytes:
    """One event with nothing but a text that changes."""
    return event(text).replace(COUNT, b"")


def taught(example: bytes = EXAMPLE) -> Siblings:
    """One that has learnt from *example*."""
    siblings = Siblings(FREE)
    siblings.learn(example)
    return siblings


@pytest.mark.parametrize(
    "text",
    [b"", b"Hi", b" token", b"caf\xc3\xa9", b"}{ data: {", rb"\"error\":\\", rb"\n\u2028\/", b"[DONE]", b"a" * 10_000],
)
def test_any_text_makes_a_sibling(text: bytes) -> None:
    """The inside of a JSON string, whatever it says."""
    for siblings, one in ((taught(), event(text)), (taught(ALONE), alone(text))):
        assert siblings.count(one) == 1
        assert siblings.count(one * 3) == 3


@pytest.mark.parametrize(
    "chunk",
    [
        event(b"Hi", finish=b'"stop"'),
        event(b"Hi", finish=b"true"),
        event(b"Hi", count=b"null"),
        event(b"Hi", count=b"-1"),
        event(b'Hi","error":"no'),
        event(b"Hi\\"),
        event(rb"\x"),
        event(rb"\u20"),
        event(b"a\nb"),
        event(b"a\rb"),
        event(b"a\x00b"),
        event(b"\xff"),
        event("\u2028".encode()),
        event(b"Hi")[:-1],
        event(b"Hi")[:-20],
        event(b"Hi") + b"\n",
        event(b"Hi") + b": ping\n\n",
        event(b"Hi") + event(b"Hi", finish=b'"stop"'),
        b"event: e\n" + event(b"Hi"),
        EXAMPLE.replace(b'"content":"Hi"', b'"content":null') + b"\n\n",
    ],
)
def test_what_differs_elsewhere_is_none(chunk: bytes) -> None:
    """It has to go the longer way, which knows what it means."""
    assert taught().count(chunk) == 0
    assert taught(ALONE).count(chunk.replace(COUNT, b"")) == 0
    assert taught(ALONE).count(alone(b"Hi") + chunk.replace(COUNT, b"")) == 0


@pytest.mark.parametrize("texts", [(b"a\\", b"n"), (b"\xc3", b"\xa9"), (rb"\u00", b"41"), (b"a", b'","c":"')])
def test_no_two_halves_make_a_whole(texts: tuple[bytes, bytes]) -> None:
    """Events are looked into together, and yet each for itself."""
    assert taught().count(b"".join(map(event, texts))) == 0
    assert taught(ALONE).count(b"".join(map(alone, texts))) == 0


def test_the_ends_of_an_event_may_not_overlap() -> None:
    """What stands before the text and what stands behind it can have bytes in common."""
    assert taught(b'data: {"content":"x"}').count(b'data: {"content":"}\n\n') == 0


def test_events_with_a_type_are_siblings_too() -> None:
    """Alone or several in one chunk, whatever lines they have before their data."""
    named = taught(b"event: delta\nid: 7\n" + ALONE)
    one = b"event: delta\nid: 7\n" + alone(b"Hello")
    assert [named.count(one * times) for times in (1, 2, 3)] == [1, 2, 3]
    assert named.count(one + one.replace(b"delta\n", b"other\n")) == 0


def test_a_number_alone_stays_a_number() -> None:
    """Text in its place is another event."""
    counting = taught(b'data: {"count":7}')
    assert [counting.count(b'data: {"count":%b}\n\n' % value) for value in (b"80", b"a", b"1a")] == [1, 0, 0]


def test_nothing_is_learnt_of_what_has_no_text() -> None:
    """What was learnt before stays."""
    siblings = taught()
    siblings.learn(b'data: {"type":"ping"}')
    assert siblings.count(event(b"Hi")) == 1
    assert taught(b'data: {"type":"ping"}').count(b'data: {"type":"ping"}\n\n') == 0


def test_a_key_within_a_text_is_text() -> None:
    """Quotes within it are escaped, and a gap that has begun is not begun again."""
    assert taught(event(rb"say \"content\":\"x\" twice")[:-2]).count(event(b"Hi")) == 1


def test_what_looks_like_a_key_at_the_end_of_a_text_is_text() -> None:
    """No JSON, but nothing here parses: the quote that is escaped begins no key."""
    odd = rb'data: {"content":"say \"content":"x"}'
    assert taught(odd).count(odd + b"\n\n") == 1
    assert taught(odd).count(odd.replace(b"say", b"tell") + b"\n\n") == 1
    counted = odd.replace(b"}", COUNT + b"}")
    assert taught(counted).count(counted.replace(COUNT, b',"count":9') + b"\n\n") == 1


@pytest.mark.parametrize(("example", "one"), [(EXAMPLE, event(b"Hi")), (ALONE, alone(b"Hi"))])
def test_examples_without_siblings_are_given_up(example: bytes, one: bytes) -> None:
    """A stream whose events have nothing in common costs no more than sixteen lessons; one that has some goes on."""
    siblings = Siblings(FREE)
    for number in range(40):
        siblings.learn(example.replace(b'"c"', b'"%d"' % number))
    assert siblings.count(one.replace(b'"c"', b'"15"')) == 1
    siblings = Siblings(FREE)
    for number in range(40):
        siblings.learn(example.replace(b'"c"', b'"%d"' % number))
        assert siblings.count(one.replace(b'"c"', b'"%d"' % number)) == 1


_FRAMES = {
    "openai_chat": '{"id":"c","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}',
    "openai_completions": '{"id":"c","choices":[{"index":0,"text":%s,"finish_reason":null}]}',
    "anthropic": '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%s}}',
    "openai_responses": '{"type":"response.output_text.delta","delta":%s,"sequence_number":4}',
    "tokens": '{"token":%s}',
}
_STRINGS = st.one_of(
    st.text(max_size=8).map(json.dumps),
    st.text(max_size=8).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.sampled_from(
        ['"[DONE]"', '"message_stop"', '"event: ping"', '"}{"', '"', '"\\"', "null", '"a","error":{"message":"b"}']
    ),
)


@pytest.mark.parametrize("dialect", _FRAMES)
@given(strings=st.lists(_STRINGS, min_size=1, max_size=6))
def test_the_shortest_way_means_what_the_longest_does(dialect: str, strings: list[str]) -> None:
    """Whole events, and the same cut in the middle, which is never looked at in one piece."""
    named = {"anthropic": "event: content_block_delta\n", "openai_responses": "event: response.output_text.delta\n"}
    frame = f"{named.get(dialect, '')}data: {_FRAMES[dialect]}\n\n"
    events = [(frame % string).encode(errors="replace") for string in ['"a"', '"b"', *strings]]
    short, long = pipeline(dialect), pipeline(dialect)
    told = b"".join(map(short.feed, events)), b"".join(long.feed(half) for one in events for half in (one[:9], one[9:]))
    assert told[0] == told[1]
    assert facts(short, dialect) == facts(long, dialect)
