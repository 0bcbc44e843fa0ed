"""Changes an input as the upstreams of this world would: records moved, cut, glued and spoiled, values of any kind.

A fuzzer that flips bytes breaks JSON and checksums, and then only ever tests how broken ones are refused. So most
changes keep the rest of a body sound, and messages of AWS are sealed again.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable
from random import Random

from sse_proxy.core.framers import Framing
from sse_proxy.demo.codings import coder_for
from tests.dialect_samples import SAMPLES
from tests.dialect_streams import SPOILED

from .case import CODINGS, FIRST_CODING, HEAD_BYTES, Case

__all__ = ["mutated"]

_AWS_HEAD = struct.Struct(">III")
_MAX_RECORDS = 40

_DEEP: object = []
for _ in range(300):
    _DEEP = [_DEEP]
#: What no one expects as a value.
_VALUES: tuple[object, ...] = (
    *(None, True, False, 0, -1, 1, 10**30, 1.5, float("nan"), float("-inf"), 2**53, 429, "429", 599, "stop", "error"),
    *("", "x", " ", "\n", "\r\n", "\n\ndata: x", "\0", "\ud800", "\udc00", "\u2028", "é", "[DONE]", "}{", 'data: {"'),
    *({}, [], [None], [[]], {"": None}, {"error": "no"}, {"message": 1}, [{}], {"a": {"b": {}}}, _DEEP, "y" * 300),
)
#: What stands in front of what follows, or behind what came before.
_GLUE = (
    *(b"", b" ", b"\n", b"\n\n", b"\r\n", b"\0", b",", b"\x1e", b"\\n"),
    *(b"data: ", b"data:", b"\n\ndata: ", b"\ndata: "),
)

#: What may stand in a JSON string, or ends it, as it is on the wire.
_INSIDES = (
    *(b"", b"x", b"\xc3\xa9", b"\xff", b"\xe2\x80\xa8", b"\x01", b"\t", b"[DONE]", b"}{", b"}\n\n"),
    *(b"\\u2028", b"\\ud800", b"\\n", b"\\", b"\\x", b"\\u12"),
    *(b'"', b'\\"', b'","finish_reason":"stop', b'\\"finish_reason\\":\\"stop\\"', b'data: {\\"'),
)
_STRING = re.compile(rb'"[^"]*"|[0-9]+')

_RECORD_ENDS = {
    Framing.SSE: re.compile(rb"(?<=\n\n)|(?<=\r\n\r\n)|(?<=\r\r)"),
    Framing.JSON: re.compile(rb"(?<=[\n\0])"),
    Framing.JSON_ARRAY: re.compile(rb"(?<=[,\]])(?=\s*[{\]])"),
}
_LINE_END = re.compile(rb"(?<=\n)")


def mutated(data: bytes, random: Random, flip: Callable[[bytes], bytes]) -> bytes:
    """*data*, changed somewhere; *flip* is the fuzzer's own way with bytes."""
    head, body = data[:HEAD_BYTES].ljust(HEAD_BYTES, b"\0"), data[HEAD_BYTES:]
    case = Case.of(data)
    if random.random() < 0.25:
        at = random.choice((0, 1, 2, 2, 3, 3, 4, 5, 6, 6))
        head = head[:at] + bytes((random.randrange(256),)) + head[at + 1 :]
        if random.random() < 0.5:
            return head + body
    if case.coding is None and random.random() < 0.03:
        number, body = _code(body, random, flip)
        return head[:-1] + bytes((FIRST_CODING + number,)) + body
    if case.coding is not None or random.random() < 0.15:
        return head + flip(body)
    records = _records(body, case.framing)[:_MAX_RECORDS]
    for _ in range(random.choice((1, 1, 1, 2, 3, 5))):
        random.choice(_CHANGES)(records, random, case)
    return head + b"".join(records)


def _records(body: bytes, framing: Framing) -> list[bytes]:
    if framing is Framing.AWS:
        return _messages(body)
    return [piece for piece in _RECORD_ENDS.get(framing, _LINE_END).split(body) if piece]


def _messages(body: bytes) -> list[bytes]:
    found: list[bytes] = []
    at = 0
    while len(body) - at >= _AWS_HEAD.size:
        length = max(_AWS_HEAD.size, _AWS_HEAD.unpack_from(body, at)[0])
        found.append(body[at : at + length])
        at += length
    return [*found, body[at:]]


def _sealed(message: bytes) -> bytes:
    """A message of AWS with lengths and checksums that are right, whatever else was done to it."""
    if len(message) < _AWS_HEAD.size + 4:
        return message
    headers = min(_AWS_HEAD.unpack_from(message)[1], len(message) - _AWS_HEAD.size - 4)
    lengths = struct.pack(">II", len(message), headers)
    sealed = lengths + struct.pack(">I", zlib.crc32(lengths)) + message[_AWS_HEAD.size : -4]
    return sealed + struct.pack(">I", zlib.crc32(sealed))


def _place(records: list[bytes], random: Random) -> int:
    return random.randrange(len(records) + 1)


def _drop(records: list[bytes], random: Random, _case: Case) -> None:
    if records:
        del records[random.randrange(len(records))]


def _repeat(records: list[bytes], random: Random, _case: Case) -> None:
    if records:
        records.insert(_place(records, random), random.choice(records))


def _swap(records: list[bytes], random: Random, _case: Case) -> None:
    if records:
        records.insert(_place(records, random), records.pop(random.randrange(len(records))))


def _insert_own(records: list[bytes], random: Random, case: Case) -> None:
    sample = SAMPLES.get(case.name, SAMPLES["generic"])
    known = (*sample.records, *(sample.error or ())[:1])
    records.insert(_place(records, random), random.choice([piece for piece in known if isinstance(piece, bytes)]))


def _insert_foreign(records: list[bytes], random: Random, _case: Case) -> None:
    records.insert(_place(records, random), random.choice(random.choice(list(SAMPLES.values())).records))


def _insert_spoiled(records: list[bytes], random: Random, _case: Case) -> None:
    records.insert(_place(records, random), random.choice(SPOILED))


def _spoil_within(records: list[bytes], random: Random, _case: Case) -> None:
    if records:
        at = random.randrange(len(records))
        cut = random.randrange(len(records[at]) + 1)
        records[at] = records[at][:cut] + random.choice((*SPOILED, *_GLUE)) + records[at][cut:]


def _cut_off(records: list[bytes], random: Random, _case: Case) -> None:
    if records:
        at = random.randrange(len(records))
        records[at] = records[at][: random.randrange(len(records[at]) + 1)]
        del records[at + 1 :]


def _glue(records: list[bytes], random: Random, _case: Case) -> None:
    if len(records) > 1:
        at = random.randrange(len(records) - 1)
        first, second = records[at].rstrip(b"\r\n"), records[at + 1]
        if random.random() < 0.5:
            second = second.removeprefix(b"data: ")
        records[at : at + 2] = [first + random.choice(_GLUE) + second]


def _drop_line(records: list[bytes], random: Random, _case: Case) -> None:
    at = random.randrange(len(records) or 1)
    if records and records[at]:
        lines = records[at].splitlines(keepends=True)
        del lines[random.randrange(len(lines))]
        records[at] = b"".join(lines)


def _line_ends(records: list[bytes], random: Random, _case: Case) -> None:
    end = random.choice((b"\r\n", b"\r", b"\n\n", b"\n\r", b"\0", b""))
    for at in range(len(records)):
        if random.random() < 0.7:
            records[at] = records[at].replace(b"\n", end)


def _change_value(records: list[bytes], random: Random, case: Case) -> None:
    """Another value, or another key, somewhere in the JSON of a record."""
    if not records:
        return
    at = random.randrange(len(records))
    record = records[at]
    start, end = record.find(b"{"), record.rfind(b"}") + 1
    try:
        document = json.loads(record[start:end])
    except ValueError:
        return
    _spoil_document(document, random)
    told = json.dumps(document, ensure_ascii=random.random() < 0.5, indent=random.choice((None, None, None, 1)))
    records[at] = record[:start] + told.encode(errors="surrogatepass") + record[end:]
    if case.framing is Framing.AWS:
        records[at] = _sealed(records[at])


def _spoil_document(document: object, random: Random) -> None:
    """Walk down to some value and replace it."""
    while True:
        if not isinstance(document, dict | list) or not document:
            return
        key = random.choice(list(document) if isinstance(document, dict) else list(range(len(document))))
        inner = document[key]
        if not isinstance(inner, dict | list) or not inner or random.random() < 0.25:
            break
        document = inner
    if random.random() < 0.1:
        del document[key]
    else:
        document[key] = random.choice(_VALUES)


def _siblings(records: list[bytes], random: Random, _case: Case) -> None:
    """Some more of a record behind it, that differ from it in one text or number."""
    if not records:
        return
    at = random.randrange(len(records))
    record = records[at]
    values = list(_STRING.finditer(record))
    if not values:
        return
    found = random.choice(values)
    for _ in range(random.randrange(1, 5)):
        told = random.choice(_INSIDES)
        value = b'"' + told + b'"' if found[0].startswith(b'"') else str(random.randrange(10**6)).encode()
        records.insert(at + 1, record[: found.start()] + value + record[found.end() :])


def _code(body: bytes, random: Random, flip: Callable[[bytes], bytes]) -> tuple[int, bytes]:
    """A content coding, by its number, and *body* in it: sound, cut, or spoiled."""
    number = random.randrange(len(CODINGS))
    coder = coder_for(CODINGS[number])
    assert coder is not None
    half = len(body) // 2
    coded = coder.write(body[:half]) + coder.write(body[half:]) + coder.finish()
    match random.randrange(4):
        case 0:
            return number, coded
        case 1:
            return number, coded[: random.randrange(len(coded) + 1)] + coded[random.randrange(len(coded)) :]
    return number, flip(coded)


def _seal(records: list[bytes], random: Random, case: Case) -> None:
    """Flip something in a message that nobody can tell by its checksums."""
    if not records or case.framing is not Framing.AWS:
        _spoil_within(records, random, case)
        return
    at = random.randrange(len(records))
    message = bytearray(records[at])
    if message:
        message[random.randrange(len(message))] = random.choice((0, 1, 7, 10, 13, 255, random.randrange(256)))
    records[at] = _sealed(bytes(message))


_CHANGES: tuple[Callable[[list[bytes], Random, Case], None], ...] = (
    *(_drop, _repeat, _swap, _insert_own, _insert_own, _insert_foreign, _insert_spoiled, _insert_spoiled),
    *(_spoil_within, _spoil_within, _cut_off, _glue, _glue, _line_ends, _drop_line, _seal),
    *(_siblings, _siblings),
    *(_change_value, _change_value, _change_value),
)
