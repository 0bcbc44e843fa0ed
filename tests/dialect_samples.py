"""One answer in every dialect: its records as the servers write them, what it says, and what an error looks like.

Written from the catalogue of wire formats, without the code under test.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from dataclasses import dataclass, field

from sse_proxy.core.framers import Framing

__all__ = ["SAMPLES", "Sample", "aws", "named", "unnamed"]

TEXT = "Hé\n{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One stream of a dialect."""

    #: Whole records; before the last of those that `needed` counts the answer is not complete.
    records: tuple[bytes, ...]
    framing: Framing = Framing.SSE
    text: str = TEXT
    reasoning: str = ""
    #: Name and arguments of the one tool that is called, if any.
    tool: tuple[str, str] | None = None
    finish: str = "stop"
    usage: dict[str, int] = field(default_factory=dict)
    #: So many records make the answer complete; 0: the end of the body does.
    needed: int = 0
    #: An error of the upstream's as a record, its message, its status.
    error: tuple[bytes, str, int] | None = None

    @property
    def body(self) -> bytes:
        return b"".join(self.records)


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def unnamed(*documents: object) -> tuple[bytes, ...]:
    """Events of the default type."""
    return tuple(b"data: " + _json(document) + b"\n\n" for document in documents)


def named(*events: tuple[str, object]) -> tuple[bytes, ...]:
    """Events of a type; data that is a string goes as it is."""
    return tuple(
        b"event: %b\ndata: %b\n\n" % (kind.encode(), data.encode() if isinstance(data, str) else _json(data))
        for kind, data in events
    )


def _typed(*documents: dict[str, object]) -> tuple[bytes, ...]:
    return named(*((str(document["type"]), document) for document in documents))


def _lines(*documents: object) -> tuple[bytes, ...]:
    return tuple(_json(document) + b"\n" for document in documents)


def aws(kind: str, document: object, message_type: str = "event") -> bytes:
    """One message of an AWS event stream."""
    names = {":message-type": message_type, f":{message_type}-type": kind}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\7" + struct.pack(">H", len(value)) + value.encode()
        for name, value in names.items()
    )
    payload = _json(document)
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", binascii.crc32(prelude)) + headers + payload
    return message + struct.pack(">I", binascii.crc32(message))


def _chunk(document: object) -> bytes:
    return aws("chunk", {"bytes": base64.b64encode(_json(document)).decode(), "p": "abc"})


DONE = b"data: [DONE]\n\n"
ONE, TWO = TEXT[:2], TEXT[2:]
IN_OUT = {"input": 7, "output": 2}


def _chat(delta: object, finish: str | None = None, **fields: object) -> dict[str, object]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **fields}


def _gemini(text: str, **candidate: object) -> dict[str, object]:
    return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **candidate}]}


_GEMINI_USAGE = {"usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2}, "modelVersion": "g"}
_GEMINI_ERROR = {"error": {"code": 503, "message": "no", "status": "UNAVAILABLE"}}


def _cohere(kind: str, **fields: object) -> dict[str, object]:
    return {"type": kind, **fields}


def _content(text: str) -> dict[str, object]:
    return {"message": {"content": {"text": text}}}


def _rpc(result: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "result": result}


SAMPLES: dict[str, Sample] = {
    "openai_chat": Sample(
        records=(
            *unnamed(
                _chat({"role": "assistant", "content": ""}),
                _chat({"reasoning_content": "hm"}),
                _chat({"content": ONE}),
                _chat({"content": TWO}),
                _chat({}, "stop"),
                {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
            ),
            DONE,
        ),
        reasoning="hm",
        usage=IN_OUT,
        needed=5,
        error=(unnamed({"error": {"message": "no", "code": 429}})[0], "no", 429),
    ),
    "openai_completions": Sample(
        records=(
            *unnamed(
                {"object": "text_completion", "choices": [{"index": 0, "text": ONE, "finish_reason": None}]},
                {"object": "text_completion", "choices": [{"index": 0, "text": TWO, "finish_reason": "length"}]},
            ),
            DONE,
        ),
        finish="length",
        needed=2,
        error=(unnamed({"error": {"message": "no"}})[0], "no", 502),
    ),
    "openai_responses": Sample(
        records=_typed(
            {"type": "response.created", "response": {"id": "r", "model": "m"}, "sequence_number": 0},
            {"type": "response.output_text.delta", "delta": ONE, "sequence_number": 1},
            {"type": "response.output_text.delta", "delta": TWO, "sequence_number": 2},
            {"type": "response.completed", "response": {"usage": {"input_tokens": 7, "output_tokens": 2}}},
        ),
        usage=IN_OUT,
        needed=4,
        error=(_typed({"type": "error", "code": "429", "message": "no"})[0], "no", 429),
    ),
    "anthropic": Sample(
        records=_typed(
            {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 7, "output_tokens": 1}}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": TEXT}},
            {"type": "content_block_start", "index": 2, "content_block": {"type": "tool_use", "id": "t", "name": "f"}},
            {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
            {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": ":1}"}},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 2}},
            {"type": "message_stop"},
        ),
        reasoning="hm",
        tool=("f", '{"a":1}'),
        finish="tool_calls",
        usage=IN_OUT,
        needed=9,
        error=(_typed({"type": "error", "error": {"type": "overloaded_error", "message": "no"}})[0], "no", 502),
    ),
    "gemini": Sample(
        records=tuple(
            record.replace(b"\n", b"\r\n")
            for record in unnamed(
                {**_gemini(ONE), **_GEMINI_USAGE},
                {"candidates": [{"content": {"parts": [{"text": "hm", "thought": True}]}}]},
                {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]}}]},
                {**_gemini(TWO, finishReason="STOP"), **_GEMINI_USAGE},
            )
        ),
        reasoning="hm",
        tool=("f", '{"a":1}'),
        finish="tool_calls",
        usage=IN_OUT,
        needed=4,
        error=(unnamed(_GEMINI_ERROR)[0], "no", 503),
    ),
    "gemini_array": Sample(
        framing=Framing.JSON_ARRAY,
        records=(
            b"[" + json.dumps(_gemini(ONE), indent=1).encode(),
            b"\n,\n" + json.dumps({**_gemini(TWO, finishReason="MAX_TOKENS"), **_GEMINI_USAGE}, indent=1).encode(),
            b"\n]\n",
        ),
        finish="length",
        usage=IN_OUT,
        needed=3,
        error=(b"[" + _json(_GEMINI_ERROR) + b"]", "no", 503),
    ),
    "cohere": Sample(
        records=_typed(
            _cohere("message-start", id="x", delta={"message": {"role": "assistant"}}),
            _cohere("content-delta", index=0, delta=_content(ONE)),
            _cohere("content-delta", index=0, delta=_content(TWO)),
            _cohere(
                "tool-call-start",
                index=0,
                delta={"message": {"tool_calls": {"id": "t", "type": "function", "function": {"name": "f"}}}},
            ),
            _cohere(
                "tool-call-delta", index=0, delta={"message": {"tool_calls": {"function": {"arguments": '{"a":1}'}}}}
            ),
            _cohere("tool-call-end", index=0),
            _cohere(
                "message-end",
                delta={"finish_reason": "TOOL_CALL", "usage": {"tokens": {"input_tokens": 7, "output_tokens": 2}}},
            ),
        ),
        tool=("f", '{"a":1}'),
        finish="tool_calls",
        usage=IN_OUT,
        needed=7,
        error=(_typed(_cohere("message-end", delta={"finish_reason": "ERROR", "error": "no"}))[0], "no", 502),
    ),
    "bedrock_converse": Sample(
        framing=Framing.AWS,
        records=(
            aws("messageStart", {"role": "assistant"}),
            aws("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": TEXT}, "p": "abc"}),
            aws("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "t", "name": "f"}}}),
            aws("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": '{"a":1}'}}}),
            aws("messageStop", {"stopReason": "tool_use"}),
            aws("metadata", {"usage": {"inputTokens": 7, "outputTokens": 2}}),
        ),
        tool=("f", '{"a":1}'),
        finish="tool_calls",
        usage=IN_OUT,
        needed=5,
        error=(aws("throttlingException", {"message": "no"}, "exception"), "no", 429),
    ),
    "bedrock_invoke": Sample(
        framing=Framing.AWS,
        records=(
            _chunk({"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}}),
            _chunk({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}}),
            _chunk({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}),
            _chunk(
                {
                    "type": "message_stop",
                    "amazon-bedrock-invocationMetrics": {"inputTokenCount": 7, "outputTokenCount": 2},
                }
            ),
        ),
        usage=IN_OUT,
        needed=3,
        error=(aws("modelStreamErrorException", {"message": "no"}, "exception"), "no", 424),
    ),
    "cloudflare": Sample(
        records=(
            *unnamed(
                {"response": ONE, "p": "ab"},
                {"response": TWO, "p": "abc"},
                {"response": "", "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
            ),
            DONE,
        ),
        usage=IN_OUT,
        needed=4,
        error=(unnamed({"errors": [{"message": "no", "code": 500}]})[0], "no", 500),
    ),
    "replicate": Sample(
        records=(
            "event: output\nid: 1:0\ndata: Hé\ndata: {}\n\n".encode(),
            b"event: done\nid: 2:0\ndata: {}\n\n",
        ),
        needed=2,
        error=(b'event: error\nid: 1:0\ndata: {"detail":"no"}\n\n', "no", 502),
    ),
    "ollama": Sample(
        framing=Framing.NDJSON,
        records=_lines(
            {"model": "m", "message": {"role": "assistant", "content": "", "thinking": "hm"}, "done": False},
            {"model": "m", "message": {"role": "assistant", "content": ONE}, "done": False},
            {
                "message": {
                    "content": TWO,
                    "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}],
                },
                "done": False,
            },
            {"message": {"content": ""}, "done": True, "done_reason": "stop", "prompt_eval_count": 7, "eval_count": 2},
        ),
        reasoning="hm",
        tool=("f", '{"a":1}'),
        finish="tool_calls",
        usage=IN_OUT,
        needed=4,
        error=(_lines({"error": "no"})[0], "no", 502),
    ),
    "tgi": Sample(
        records=unnamed(
            {"index": 1, "token": {"id": 1, "text": ONE, "special": False}, "generated_text": None, "details": None},
            {"index": 2, "token": {"id": 2, "text": TWO, "special": False}, "generated_text": None, "details": None},
            {
                "index": 3,
                "token": {"id": 3, "text": "</s>", "special": True},
                "generated_text": TEXT,
                "details": {"finish_reason": "length", "generated_tokens": 2, "input_length": 7},
            },
        ),
        finish="length",
        usage=IN_OUT,
        needed=3,
        error=(unnamed({"error": "no", "error_type": "generation"})[0], "no", 502),
    ),
    "triton": Sample(
        records=unnamed({"text_output": ONE}, {"text_output": TWO}),
        error=(unnamed({"error": "no"})[0], "no", 502),
    ),
    "vllm_generate": Sample(
        framing=Framing.JSON,
        records=_lines({"text": [ONE]}, {"text": [TEXT]}),
        error=(_lines({"error": {"message": "no", "code": 500}})[0], "no", 500),
    ),
    "sglang_generate": Sample(
        records=(
            *unnamed(
                {"text": ONE, "meta_info": {"finish_reason": None}},
                {
                    "text": TEXT,
                    "meta_info": {"finish_reason": {"type": "length"}, "prompt_tokens": 7, "completion_tokens": 2},
                },
            ),
            DONE,
        ),
        finish="length",
        usage=IN_OUT,
        needed=2,
        error=(unnamed({"error": {"message": "no", "code": 400}})[0], "no", 400),
    ),
    "fastchat": Sample(
        framing=Framing.JSON,
        records=tuple(
            line.replace(b"\n", b"\0")
            for line in _lines(
                {"text": ONE, "error_code": 0},
                {
                    "text": TEXT,
                    "error_code": 0,
                    "usage": {"prompt_tokens": 7, "completion_tokens": 2},
                    "finish_reason": "stop",
                },
            )
        ),
        usage=IN_OUT,
        error=(b'{"text":"no","error_code":50001}\0', "no", 502),
    ),
    "lmdeploy": Sample(
        records=unnamed(
            {"text": ONE, "tokens": 1, "input_tokens": 7, "finish_reason": None},
            {"text": TWO, "tokens": 2, "input_tokens": 7, "finish_reason": "stop"},
        ),
        usage=IN_OUT,
        needed=2,
        error=(unnamed({"error": "no"})[0], "no", 502),
    ),
    "llamacpp": Sample(
        records=unnamed(
            {"content": ONE, "stop": False},
            {"content": TWO, "stop": False},
            {"content": "", "stop": True, "stop_type": "limit", "tokens_evaluated": 7, "tokens_predicted": 2},
        ),
        finish="length",
        usage=IN_OUT,
        needed=3,
        error=(unnamed({"error": {"code": 400, "message": "no"}})[0], "no", 400),
    ),
    "lm_studio": Sample(
        records=_typed(
            {"type": "chat.start"},
            {"type": "reasoning.delta", "content": "hm"},
            {"type": "message.delta", "content": TEXT},
            {"type": "chat.end", "result": {"stats": {"input_tokens": 7, "total_output_tokens": 2}}},
        ),
        reasoning="hm",
        usage=IN_OUT,
        needed=4,
        error=(_typed({"type": "error", "error": {"message": "no"}})[0], "no", 502),
    ),
    "langserve": Sample(
        records=(
            *named(("metadata", {"run_id": "r"}), ("data", json.dumps(ONE)), ("data", {"content": TWO})),
            b"event: end\n\n",
        ),
        error=(named(("error", {"status_code": 500, "message": "no"}))[0], "no", 500),
    ),
    "langgraph": Sample(
        records=named(
            ("metadata", {"run_id": "r"}),
            ("messages/partial", [{"content": ONE, "type": "ai"}]),
            ("messages/partial", [{"content": [{"type": "text", "text": TEXT}], "type": "ai"}]),
            ("values", {"messages": []}),
        ),
        error=(named(("error", {"error": "ValueError", "message": "no"}))[0], "no", 502),
    ),
    "dify": Sample(
        records=unnamed(
            {"event": "message", "task_id": "t", "answer": ONE},
            {"event": "agent_message", "task_id": "t", "answer": TWO},
            {"event": "message_end", "metadata": {"usage": {"prompt_tokens": 7, "completion_tokens": 2}}},
        ),
        usage=IN_OUT,
        needed=3,
        error=(unnamed({"event": "error", "status": 400, "code": "bad", "message": "no"})[0], "no", 400),
    ),
    "ai_sdk_ui": Sample(
        records=(
            *unnamed(
                {"type": "start"},
                {"type": "reasoning-delta", "id": "0", "delta": "hm"},
                {"type": "text-delta", "id": "1", "delta": ONE},
                {"type": "text-delta", "id": "1", "delta": TWO},
                {"type": "tool-input-start", "toolCallId": "t", "toolName": "f"},
                {"type": "tool-input-delta", "toolCallId": "t", "inputTextDelta": '{"a":1}'},
                {"type": "finish"},
            ),
            DONE,
        ),
        reasoning="hm",
        tool=("f", '{"a":1}'),
        finish="tool_calls",
        needed=7,
        error=(unnamed({"type": "error", "errorText": "no"})[0], "no", 502),
    ),
    "ai_sdk_data": Sample(
        framing=Framing.DATA_STREAM,
        records=(
            b'g:"hm"\n',
            b"0:" + _json(ONE) + b"\n",
            b"0:" + _json(TWO) + b"\n",
            b'b:{"toolCallId":"t","toolName":"f"}\n',
            b'c:{"toolCallId":"t","argsTextDelta":"{\\"a\\":1}"}\n',
            b'e:{"finishReason":"tool-calls"}\n',
            b'd:{"finishReason":"tool-calls","usage":{"promptTokens":7,"completionTokens":2}}\n',
        ),
        reasoning="hm",
        tool=("f", '{"a":1}'),
        finish="tool_calls",
        usage=IN_OUT,
        needed=7,
        error=(b'3:"no"\n', "no", 502),
    ),
    "mcp": Sample(
        records=(
            b"id: 1\nretry: 500\ndata: \n\n",
            *named(("message", {"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})),
            *named(("message", _rpc({"content": [{"type": "text", "text": TEXT}]}))),
        ),
    ),
    "a2a": Sample(
        records=unnamed(
            _rpc({"kind": "task", "id": "t", "status": {"state": "submitted"}}),
            _rpc({"kind": "artifact-update", "artifact": {"parts": [{"kind": "text", "text": ONE}]}}),
            _rpc({"kind": "artifact-update", "artifact": {"parts": [{"kind": "text", "text": TWO}]}}),
            _rpc({"kind": "status-update", "status": {"state": "completed"}, "final": True}),
        ),
        needed=4,
        error=(named(("error", {"jsonrpc": "2.0", "id": 1, "error": {"code": -32603, "message": "no"}}))[0], "no", 502),
    ),
    "ag_ui": Sample(
        records=unnamed(
            {"type": "RUN_STARTED", "threadId": "t", "runId": "r"},
            {"type": "REASONING_MESSAGE_CONTENT", "messageId": "0", "delta": "hm"},
            {"type": "TEXT_MESSAGE_CONTENT", "messageId": "1", "delta": ONE},
            {"type": "TEXT_MESSAGE_CONTENT", "messageId": "1", "delta": TWO},
            {"type": "TOOL_CALL_START", "toolCallId": "t", "toolCallName": "f"},
            {"type": "TOOL_CALL_ARGS", "toolCallId": "t", "delta": '{"a":1}'},
            {"type": "RUN_FINISHED", "threadId": "t", "runId": "r"},
        ),
        reasoning="hm",
        tool=("f", '{"a":1}'),
        finish="tool_calls",
        needed=7,
        error=(unnamed({"type": "RUN_ERROR", "message": "no"})[0], "no", 502),
    ),
    "tokens": Sample(
        records=(*unnamed({"token": ONE}, {"token": TWO}), *named(("done", {"done": True}))),
        needed=3,
        error=(named(("error", {"error": "no"}))[0], "no", 502),
    ),
    "generic": Sample(
        records=(
            b"event: message\ndata: H\xc3\xa9\ndata: \n\n",
            b'data: {"text":"{}"}\n\n',
            b"event: done\ndata: [DONE]\n\n",
        ),
    ),
}
