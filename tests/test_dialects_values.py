"""Rows of the table on values of any type: whatever an upstream writes where a text or an object was meant."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from sse_proxy.core.dialects import StreamState, dialect_by_name, dialect_for
from sse_proxy.core.dialects.state import MAX_ANSWERS
from sse_proxy.core.framers import Framing
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.shapes import Output, shape_for
from sse_proxy.errors import Truncated

from .dialect_samples import SAMPLES, aws
from .event_streams import check_canonical

VALUES: tuple[object, ...] = (None, True, 10**30, 1.5, "", "x", "\ud800", "\u2028", [], [[]], [None], {}, {"a": {}})


#: Of a message of AWS, what it is and its type.
AWS_TYPE = re.compile(rb":(event|exception)-type\x07..([A-Za-z]+)", re.DOTALL)


def places(document: object, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in *document*."""
    if path:
        yield path
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            yield from places(document[key], (*path, key))


def changed(document: object) -> Iterator[object]:
    """*document* with each of its values replaced by each of `VALUES`."""
    for path in places(document):
        for value in VALUES:
            whole: Any = copy.deepcopy(document)
            inner = whole
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
            yield whole


def strange(record: bytes) -> Iterator[bytes]:
    """*record* with each value of its JSON object replaced by each of `VALUES`; none where it has no object."""
    start, end = record.find(b"{"), record.rfind(b"}") + 1
    try:
        document = json.loads(record[start:end])
    except ValueError:
        return
    message = AWS_TYPE.search(record)
    if message is None:
        yield from (record[:start] + json.dumps(found).encode() + record[end:] for found in changed(document))
        return
    family, kind = message[1].decode(), message[2].decode()
    for found in changed(json.loads(base64.b64decode(document.get("bytes", "e30=")))):
        yield aws(kind, {"bytes": base64.b64encode(json.dumps(found).encode()).decode()}, family)
    for found in changed(document):
        if "\\ud800" not in json.dumps(found):  # which is in no bytes
            yield aws(kind, found, family)


def told(name: str, output: Output, body: bytes) -> bytes:
    """What the client gets for *body*; a cut stream's error is told too."""
    shape = None if output == "native" else shape_for(output, identity={"id": "x"})
    of = Pipeline(
        dialect_by_name(name),
        state=StreamState(choices=0),
        max_event_bytes=1 << 20,
        framing=SAMPLES[name].framing,
        shape=shape,
    )
    out = of.feed(body) + of.flush()
    of.dialect.noop(of.state)
    try:
        return out + of.conclude()
    except Truncated as error:
        return out + of.fail(error)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("output", ["native", "openai"])
def test_a_value_of_any_type_is_survived(name: str, output: Output) -> None:
    """It may mean nothing, but it neither raises nor makes the output less than canonical."""
    sample = SAMPLES[name]
    records = (*sample.records, *((sample.error[0],) if sample.error else ()))
    for record in records:
        for body in strange(record):
            check_canonical(told(name, output, body), of_json=False)


@pytest.mark.parametrize("document", [{"method": []}, {"stream": {}}, {"jsonrpc": []}])
def test_a_request_of_any_kind_has_a_dialect(document: dict[str, object]) -> None:
    """Nothing in a client's document raises."""
    assert dialect_for("POST", "/rpc", document=document).name == "generic"


@pytest.mark.parametrize("output", ["native", "openai"])
def test_what_is_kept_of_answers_is_bounded(output: Output) -> None:
    """However many an upstream says that there are."""
    shape = None if output == "native" else shape_for(output, identity={"id": "x"})
    state = StreamState(choices=0)
    of = Pipeline(dialect_by_name("openai_chat"), state=state, max_event_bytes=1 << 20, shape=shape)
    for index in range(-10, 3000):
        choice = {"index": index, "delta": {"content": "a"}, "finish_reason": "stop"}
        of.feed(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")
    assert state.seen_choices == state.finished_choices == set(range(MAX_ANSWERS))
    end = of.flush() + of.conclude()
    assert end == b"data: [DONE]\n\n"


def learnt(name: str, chunks: list[bytes]) -> tuple[object, ...]:
    """What the client gets for *chunks*, and what was learnt from them."""
    state = StreamState()
    of = Pipeline(dialect_by_name(name), state=state, max_event_bytes=1 << 20)
    out = b"".join(map(of.feed, chunks))
    return out, of.events, of.repairs, state.finished, state.terminated, state.usage, str(state.error)


@pytest.mark.parametrize("name", [name for name, sample in SAMPLES.items() if sample.framing is Framing.SSE])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " : ")])
def test_an_event_that_says_something_is_looked_into(name: str, separators: tuple[str, str]) -> None:
    """Whatever its values are and however its JSON is spaced: the fast path passes only what says nothing."""
    sample = SAMPLES[name]
    records = (*sample.records, *((sample.error[0],) if sample.error else ()))
    first = records[0].replace(b"\r", b"")
    for record in records:
        start, end = record.find(b"{"), record.rfind(b"}") + 1
        for document in changed(json.loads(record[start:end] or b"0")):
            body = record[:start] + json.dumps(document, separators=separators).encode() + record[end:]
            assert learnt(name, [first, body]) == learnt(name, [first, *(bytes((byte,)) for byte in body)])


@pytest.mark.parametrize("name", ["openai_chat", "openai_completions", "cloudflare"])
def test_every_answer_is_looked_for_where_their_number_is_not_known(name: str) -> None:
    """Also in events that say nothing else."""
    state = StreamState(choices=0)
    of = Pipeline(dialect_by_name(name), state=state, max_event_bytes=1 << 20)
    for index in range(3):
        of.feed(b'data: {"choices":[{"index":%d,"delta":{},"finish_reason":null}]}\n\n' % index)
    assert state.seen_choices == {0, 1, 2}
