"""`core.framers.aws`: messages of ``application/vnd.amazon.eventstream``, believed only with both CRCs right."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sse_proxy.core.framers.aws import AwsFramer, encode_message
from sse_proxy.core.sse import Event
from sse_proxy.errors import UpstreamProtocolError

from .dialect_samples import aws
from .event_streams import chunked, cuts
from .record_framers import LIMIT, Life, agrees_in_any_split, held_bytes, is_linear, life

BROKEN = "UpstreamProtocolError"


def maker(limit: int = LIMIT) -> Callable[[], AwsFramer]:
    """Makes fresh framers."""
    return lambda: AwsFramer(max_event_bytes=limit, repairs={})


def message(headers: bytes, payload: bytes = b"{}", *, total: int | None = None, block: int | None = None) -> bytes:
    """One message of raw *headers*, with lengths that may lie and checksums that are right."""
    size = 16 + len(headers) + len(payload)
    prelude = struct.pack(">II", size if total is None else total, len(headers) if block is None else block)
    head = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return head + struct.pack(">I", zlib.crc32(head))


def header(name: str, value: str) -> bytes:
    """A string header."""
    return bytes([len(name)]) + name.encode() + b"\7" + struct.pack(">H", len(value.encode())) + value.encode()


def found(*events: tuple[bytes, bytes], ending: str = "whole", **repairs: int) -> Life:
    """What is expected of a body: type and data of each record."""
    return Life([Event(event=kind, data=data) for kind, data in events], repairs, ending)


ONE = aws("messageStart", {"role": "assistant"})
TOLD = (b"messageStart", b'{"role":"assistant"}')


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(b"", found(), id="nothing"),
        pytest.param(ONE * 2, found(TOLD, TOLD), id="two"),
        pytest.param(
            aws("throttlingException", {"message": "no"}, "exception"),
            found((b"exception:throttlingException", b'{"message":"no"}')),
            id="an exception",
        ),
        pytest.param(
            message(
                header(":message-type", "error")
                + header(":error-code", "InternalError")
                + header(":error-message", 'a "b"'),
                b"",
            ),
            found((b"exception:InternalError", b'{"message": "a \\"b\\""}')),
            id="an error, which has headers only",
        ),
        pytest.param(
            message(header(":message-type", "exception"), b""),
            found((b"exception:", b'{"message": ""}')),
            id="an exception without a word",
        ),
        pytest.param(message(b""), found((b"", b"{}")), id="no headers"),
        pytest.param(message(header(":event-type", "e"), b""), found((b"e", b"")), id="no payload"),
        pytest.param(
            message(header(":event-type", "a\r\nb\n"), b"1\r\n2\r3\n"), found((b"ab", b"1\n2\n3\n")), id="line ends"
        ),
        pytest.param(
            message(b"\x0b:event-type\7\0\1\xff", b"\xff"),
            found(("\ufffd".encode(), "\ufffd".encode()), invalid_utf8=1),
            id="no UTF-8",
        ),
        pytest.param(
            message(b"\x0d:message-type\7\0\5error\x0e:error-message\7\0\1\xff", b""),
            found((b"exception:", b'{"message": "\\ufffd"}')),
            id="an error in no UTF-8",
        ),
        pytest.param(ONE + ONE[:1], found(TOLD, ending="cut"), id="cut behind a byte"),
        pytest.param(ONE + ONE[:5], found(TOLD, ending="cut"), id="cut in a prelude"),
        pytest.param(ONE + ONE[:-1], found(TOLD, ending="cut"), id="cut before the last byte"),
        pytest.param(ONE + b"{}" * 6, found(TOLD, ending=BROKEN), id="something else behind it"),
        pytest.param(ONE + ONE[:-1] + b"\0", found(TOLD, ending=BROKEN), id="the CRC of the message is wrong"),
        pytest.param(ONE[:20] + b"\0" + ONE[21:], found(ending=BROKEN), id="a byte is wrong"),
        pytest.param(ONE[:11] + b"\0" + ONE[12:], found(ending=BROKEN), id="the CRC of the lengths is wrong"),
        pytest.param(message(b"", total=15), found(ending=BROKEN), id="too short for itself"),
        pytest.param(message(b"", total=20, block=5), found(ending=BROKEN), id="too short for its headers"),
    ],
)
def test_messages(body: bytes, expected: Life) -> None:
    """Every case in any split; what is damaged is an error, and what came before it is told."""
    agrees_in_any_split(maker(), body, expected)


VALUES = {0: b"", 1: b"", 2: b"1", 3: b"12", 4: b"1234", 5: b"12345678", 6: b"\0\3abc", 8: b"12345678", 9: b"1" * 16}


@pytest.mark.parametrize("kind", VALUES)
def test_headers_of_other_types_are_passed_over(kind: int) -> None:
    """Booleans, numbers, bytes, times and UUIDs, each with a size of its own."""
    other = b"\1x" + bytes([kind]) + VALUES[kind]
    type_of_event = header(":event-type", "e")
    agrees_in_any_split(maker(), message(other + type_of_event + other), found((b"e", b"{}")))


@pytest.mark.parametrize(
    "headers",
    [
        b"\5x",
        b"\1x",
        b"\1x\x0a",
        b"\1x\xff",
        b"\1x\7",
        b"\1x\7\0",
        b"\1x\7\0\5abcd",
        b"\1x\x04123",
        b"\1x\7\xff\xff",
    ],
)
def test_headers_that_do_not_add_up_are_damage(headers: bytes) -> None:
    """Though the checksums are right."""
    agrees_in_any_split(maker(), ONE + message(headers), found(TOLD, ending=BROKEN))


@pytest.mark.parametrize(
    "body",
    [ONE[:11] + b"\0" + ONE[12:], ONE[:-1] + b"\0", message(b"\1x\7\xff\xff")],
    ids=["lengths", "message", "headers"],
)
def test_damage_is_told_in_words(body: bytes) -> None:
    """They go into the log, and to the client."""
    with pytest.raises(UpstreamProtocolError, match=r"^the upstream's event stream is damaged$"):
        maker()().feed(body)


def test_names_and_values_are_as_long_as_their_lengths_can_say() -> None:
    """255 and 65,535 bytes: the lengths have no sign."""
    headers = {"n" * 255: "v" * 65_535, ":event-type": "e" * 40_000}
    body = encode_message(headers, b"{}")
    assert body == message(b"".join(header(name, value) for name, value in headers.items()))
    agrees_in_any_split(maker(), body, found((b"e" * 40_000, b"{}")))


def test_a_message_is_bounded_before_it_is_held() -> None:
    """Its length says how large it will be; those before it are not lost."""
    agrees_in_any_split(maker(len(ONE)), ONE * 2, found(TOLD, TOLD))
    small = aws("e", {})
    body = small + ONE
    agrees_in_any_split(maker(len(ONE) - 1), body, found((b"e", b"{}"), ending="EventTooLarge"))
    framer = maker(1000)()
    assert life(framer, [message(b"", total=1 << 31)[:12]]).ending == "EventTooLarge"
    assert held_bytes(framer) == 12


def test_between_events_is_behind_a_whole_message() -> None:
    """Within one nothing can be written."""
    framer = maker()()
    seen = []
    for byte in ONE:
        seen.append(framer.between_events)
        assert framer.at_boundary is framer.between_events
        framer.feed(bytes([byte]))
    assert seen == [True] + [False] * (len(ONE) - 1)
    assert framer.between_events


@settings(max_examples=200, deadline=None)
@given(
    headers=st.dictionaries(st.text("abc:-", min_size=1, max_size=20), st.text(max_size=20), max_size=4),
    payload=st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3),
    at=cuts(),
)
def test_encode_then_read_is_identity(headers: dict[str, str], payload: dict[str, str], at: list[int]) -> None:
    """What is written is read back, by the tests' own encoder as well."""
    data = json.dumps(payload).encode()
    body = encode_message(headers, data)
    assert body == message(b"".join(header(name, value) for name, value in headers.items()), data)
    told = life(maker()(), chunked(body, at))
    assert [event.data for event in told.records] == [data]
    assert told.ending == "whole"


@settings(max_examples=300, deadline=None)
@given(places=cuts(), flipped=st.integers(0, len(ONE) - 1), bit=st.integers(0, 7))
def test_no_flipped_bit_is_believed(places: list[int], flipped: int, bit: int) -> None:
    """Wherever it is; a length that now says more than there is leaves the body cut at worst."""
    broken = bytearray(ONE)
    broken[flipped] ^= 1 << bit
    told = life(maker()(), chunked(bytes(broken), places))
    assert told.records == []
    assert told.ending == BROKEN


@pytest.mark.parametrize("unit", [ONE, message(b"\1x\1" * 100), message(b"", b"x" * 5000)])
def test_work_is_linear_in_the_bytes(unit: bytes) -> None:
    """Small messages, many headers, large payloads."""
    assert is_linear(maker(), lambda size: unit * (size // len(unit) + 1))


def test_one_large_message_is_copied_a_bounded_number_of_times() -> None:
    """Its pieces are joined once."""
    assert is_linear(maker(1 << 30), lambda size: message(b"", b"x" * size))
