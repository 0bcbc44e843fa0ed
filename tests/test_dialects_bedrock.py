"""`core.dialects.bedrock`: Converse, and Invoke with the models' own JSON in it."""

from __future__ import annotations

import base64
import json

import pytest

from sse_proxy.core.dialects import Delta, Dialect, StreamState, ToolCall
from sse_proxy.core.dialects.bedrock import BEDROCK_CONVERSE, BEDROCK_INVOKE
from sse_proxy.core.framers import Framing
from sse_proxy.core.framers.aws import AwsFramer, encode_message
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.sse import Event
from sse_proxy.errors import ConnectTimeout, Drained, SSEProxyError, Truncated, UpstreamReported

from .dialect_deltas import event, learnt, told
from .dialect_samples import aws

METRICS = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 2}}


def packed(document: object) -> Event:
    """A chunk of Invoke."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    return event({"bytes": base64.b64encode(text).decode(), "p": "abc"}, "chunk")


@pytest.mark.parametrize(
    ("kind", "payload", "deltas"),
    [
        ("messageStart", {"role": "assistant"}, []),
        ("contentBlockDelta", {"delta": {"text": "a"}, "contentBlockIndex": 0}, [Delta(text="a")]),
        ("contentBlockDelta", {"delta": {"reasoningContent": {"text": "hm"}}}, [Delta(reasoning="hm")]),
        (
            "contentBlockDelta",
            {"delta": {"toolUse": {"input": "{"}}, "contentBlockIndex": 1},
            [Delta(tool_calls=(ToolCall(index=1, arguments="{"),))],
        ),
        ("contentBlockDelta", {"delta": None, "contentBlockIndex": "1"}, [Delta()]),
        (
            "contentBlockStart",
            {"start": {"toolUse": {"toolUseId": "t", "name": "f"}}, "contentBlockIndex": 1},
            [Delta(tool_calls=(ToolCall(index=1, id="t", name="f"),))],
        ),
        ("contentBlockStart", {"start": {}}, []),
        ("contentBlockStop", {}, []),
        ("messageStop", {"stopReason": "end_turn"}, [Delta(finish="stop")]),
        ("messageStop", {"stopReason": "max_tokens"}, [Delta(finish="length")]),
        ("messageStop", {"stopReason": "tool_use"}, [Delta(finish="tool_calls")]),
        ("messageStop", {"stopReason": "guardrail_intervened"}, [Delta(finish="content_filter")]),
        ("metadata", {"usage": {}}, []),
    ],
)
def test_an_event_of_converse(kind: str, payload: dict[str, object], deltas: list[Delta]) -> None:
    """Its type is that of the message."""
    assert told(BEDROCK_CONVERSE, event(payload, kind)) == deltas


def test_converse_ends_with_its_metadata() -> None:
    """The answer is whole before, but for its usage."""
    stop, metadata = event({"stopReason": "end_turn"}, "messageStop"), event({"usage": {"inputTokens": 7}}, "metadata")
    state = learnt(BEDROCK_CONVERSE, stop)
    assert (state.finished, state.terminated) == (True, False)
    state = learnt(BEDROCK_CONVERSE, stop, metadata)
    assert (state.finished, state.terminated, state.usage) == (True, True, {"input": 7})
    assert not learnt(BEDROCK_CONVERSE, metadata).terminated


@pytest.mark.parametrize("row", [BEDROCK_CONVERSE, BEDROCK_INVOKE], ids=lambda row: row.name)
@pytest.mark.parametrize(
    ("kind", "payload", "message", "status"),
    [
        ("throttlingException", {"message": "slow down"}, "slow down", 429),
        ("modelStreamErrorException", {"message": "no"}, "no", 424),
        ("internalServerException", {}, "internalServerException", 500),
        ("serviceUnavailableException", {"message": "no"}, "no", 503),
        ("validationException", {"message": "no"}, "no", 400),
        ("modelTimeoutException", {"message": "no"}, "no", 408),
        ("someNewException", {"message": "no"}, "no", 502),
    ],
)
def test_an_exception_has_its_status(
    row: Dialect, kind: str, payload: dict[str, object], message: str, status: int
) -> None:
    """Known by its name; nothing is whole after it."""
    state = learnt(row, event(payload, f"exception:{kind}"))
    assert state.error is not None
    assert (str(state.error), state.error.http_status) == (message, status)
    assert not state.complete


@pytest.mark.parametrize(
    ("chunks", "deltas", "finished"),
    [
        pytest.param(
            [
                {"generation": "a", "stop_reason": None},
                {"generation": "", "stop_reason": "length"},
            ],
            [Delta(text="a"), Delta(finish="length")],
            True,
            id="Llama",
        ),
        pytest.param(
            [{"outputText": "a", "completionReason": None}, {"outputText": "b", "completionReason": "FINISH"}],
            [Delta(text="a"), Delta(text="b", finish="stop")],
            True,
            id="Titan",
        ),
        pytest.param(
            [{"outputs": [{"text": "a", "stop_reason": None}]}, {"outputs": [{"text": "", "stop_reason": "length"}]}],
            [Delta(text="a"), Delta(finish="length")],
            True,
            id="Mistral",
        ),
        pytest.param(
            [
                {"messageStart": {"role": "assistant"}},
                {"contentBlockDelta": {"delta": {"text": "a"}, "contentBlockIndex": 0}},
                {"messageStop": {"stopReason": "max_tokens"}},
            ],
            [Delta(), Delta(text="a"), Delta(finish="length")],
            True,
            id="Nova",
        ),
        pytest.param(
            [
                {"event_type": "text-generation", "text": "a", "is_finished": False},
                {"event_type": "stream-end", "is_finished": True, **METRICS},
            ],
            [Delta(text="a"), Delta()],
            True,
            id="Cohere, of whom only the metrics tell the end",
        ),
        pytest.param(
            [{"choices": [{"index": 0, "delta": {"content": "a"}}]}, {"choices": [], **METRICS}],
            [Delta(text="a"), Delta()],
            True,
            id="OpenAI and AI21",
        ),
        pytest.param(
            [{"choices": [{"index": 0, "text": "a", "stop_reason": None}]}], [Delta(text="a")], False, id="DeepSeek"
        ),
        pytest.param(
            [
                {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            ],
            [Delta(text="a"), Delta(finish="stop")],
            True,
            id="Anthropic",
        ),
        pytest.param([{"outputs": []}, {"outputs": ["odd"]}, {"text": None}], [Delta()] * 3, False, id="odd ones"),
    ],
)
def test_chunks_of_invoke_are_the_models_own(
    chunks: list[dict[str, object]], deltas: list[Delta], finished: bool
) -> None:
    """Each family has its words."""
    records = [packed(chunk) for chunk in chunks]
    assert told(BEDROCK_INVOKE, *records) == deltas
    assert learnt(BEDROCK_INVOKE, *records).finished is finished


def test_the_metrics_are_the_usage() -> None:
    """Beside what the model itself tells."""
    start = {"type": "message_start", "message": {"usage": {"input_tokens": 7, "cache_read_input_tokens": 3}}}
    state = learnt(BEDROCK_INVOKE, packed(start), packed({"type": "message_stop", **METRICS}))
    assert state.usage == {"input": 7, "cached_input": 3, "output": 2}
    assert state.terminated


@pytest.mark.parametrize(
    ("record", "unpacked"),
    [
        (packed({"type": "ping"}), Event(event=b"ping", data=b'{"type": "ping"}')),
        (packed({"a": 1}), Event(data=b'{"a": 1}')),
        (packed({"type": "not a name"}), Event(data=b'{"type": "not a name"}')),
        (packed({"type": 1}), Event(data=b'{"type": 1}')),
        (packed(b'{\r\n"a":\n1}'), Event(data=b'{"a":1}')),
        (packed(b'{"a":"\xff"}'), Event(data='{"a":"\ufffd"}'.encode())),
        (event({"bytes": "no base64"}, "chunk"), None),
        (event({"bytes": "\u00e9"}, "chunk"), None),
        (event({"bytes": 1}, "chunk"), None),
        (event("odd", "chunk"), None),
        (event({"bytes": "e30="}, "other"), None),
    ],
)
def test_unpacking(record: Event, unpacked: Event | None) -> None:
    """The model's JSON on one line, of the type that it names; what is no chunk stays as it is."""
    assert BEDROCK_INVOKE.unpack(record) == (unpacked or record)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UpstreamReported("no", status=429), b"throttlingException"),
        (Drained(), b"serviceUnavailableException"),
        (ConnectTimeout(), b"modelTimeoutException"),
        (Truncated(), b"internalServerException"),
    ],
)
def test_errors_in_its_own_framing_are_exceptions(error: SSEProxyError, kind: bytes) -> None:
    """Messages with both checksums, behind whole ones only."""
    assert BEDROCK_CONVERSE.native is not None
    frame = BEDROCK_CONVERSE.native.error_frame(error, StreamState())
    framer = AwsFramer(max_event_bytes=1000, repairs={})
    assert framer.feed(frame) == [
        Event(event=b"exception:" + kind, data=json.dumps({"message": str(error)}, separators=(",", ":")).encode())
    ]


@pytest.mark.parametrize("row", [BEDROCK_CONVERSE, BEDROCK_INVOKE], ids=lambda row: row.name)
def test_to_sse_clients_an_exception_is_an_error(row: Dialect) -> None:
    """In the words that are everybody's; before the answer has begun it is the document that AWS's SDKs read."""
    of = Pipeline(row, state=StreamState(), max_event_bytes=1000, framing=Framing.AWS)
    error = b'{"message":"no","error":{"message":"no","type":"throttlingException","code":429}}'
    assert of.feed(aws("throttlingException", {"message": "no"}, "exception")) == b"event: error\ndata: %b\n\n" % error
    assert of.state.error is not None
    assert of.state.error.body == error
    body = json.loads(row.error_body(Truncated()))
    assert body["message"] == body["error"]["message"]


def test_sse_clients_get_the_models_own_events() -> None:
    """As that API would have sent them, but for its padding."""
    of = Pipeline(BEDROCK_INVOKE, state=StreamState(), max_event_bytes=1000, framing=Framing.AWS)
    document = base64.b64encode(b'{"type":"message_stop"}').decode()
    assert (
        of.feed(aws("chunk", {"bytes": document, "p": "ab"}))
        == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )
    assert of.flush() + of.conclude() == b""


def test_an_exception_of_ours_has_all_headers_that_sdks_read() -> None:
    """The kind of message, the kind of exception, and what its payload is."""
    voice = BEDROCK_CONVERSE.native
    assert voice is not None
    headers = {
        ":message-type": "exception",
        ":exception-type": "throttlingException",
        ":content-type": "application/json",
    }
    error = UpstreamReported("no", status=429)
    assert voice.error_frame(error, StreamState()) == encode_message(headers, b'{"message":"no"}')


def test_a_piece_of_a_call_without_input_adds_none() -> None:
    """And one without a number is of the first block."""
    record = event({"delta": {"toolUse": {"toolUseId": "t"}}}, "contentBlockDelta")
    assert told(BEDROCK_CONVERSE, record) == [Delta(tool_calls=(ToolCall(index=0, arguments=""),))]


def test_an_exception_that_nobody_knows_is_a_bad_gateway() -> None:
    """By its name."""
    error = learnt(BEDROCK_CONVERSE, event({}, "exception:newException")).error
    assert error is not None
    assert (str(error), error.http_status) == ("newException", 502)
