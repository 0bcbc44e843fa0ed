"""One whole answer of every API that has one, as it comes where a stream was asked for and the server makes none.

Written from the APIs' references, without the code under test.
"""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["DOCUMENTS", "Answer"]

TEXT = "Hé\n{}"
IN_OUT = {"input": 7, "output": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One document."""

    document: dict[str, object]
    #: Types of the events that a stream of it has, repetitions left out; empty: it is an event as it stands.
    types: tuple[str, ...] = ()
    text: str = TEXT
    reasoning: str = ""
    #: Name and arguments of the one tool that is called, if any.
    tool: tuple[str, str] | None = None
    finish: str = "stop"
    usage: dict[str, int] = field(default_factory=lambda: IN_OUT)


_MESSAGE = {
    "role": "assistant",
    "content": TEXT,
    "reasoning_content": "hm",
    "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
}

DOCUMENTS: dict[str, Answer] = {
    "openai_chat": Answer(
        document={
            "id": "c",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 2},
        },
        types=("message",),
        reasoning="hm",
        tool=("f", '{"a":1}'),
        finish="tool_calls",
    ),
    "openai_completions": Answer(
        document={
            "id": "c",
            "object": "text_completion",
            "choices": [{"index": 0, "text": TEXT, "finish_reason": "length", "logprobs": None}],
            "usage": {"prompt_tokens": 7, "completion_tokens": 2},
        },
        types=("message",),
        finish="length",
    ),
    "openai_responses": Answer(
        document={
            "id": "r",
            "object": "response",
            "status": "completed",
            "output": [
                {"id": "1", "type": "message", "role": "assistant", "content": [{"type": "output_text", "text": TEXT}]},
                {"id": "2", "type": "function_call", "call_id": "t", "name": "f", "arguments": '{"a":1}'},
            ],
            "usage": {"input_tokens": 7, "output_tokens": 2},
        },
        types=(
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.completed",
        ),
        tool=("f", '{"a":1}'),
        finish="tool_calls",
    ),
    "anthropic": Answer(
        document={
            "id": "m",
            "type": "message",
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": TEXT},
                {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
            ],
            "stop_reason": "tool_use",
            "usage": {"input_tokens": 7, "output_tokens": 2},
        },
        types=(
            "message_start",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ),
        reasoning="hm",
        tool=("f", '{"a":1}'),
        finish="tool_calls",
    ),
    "cohere": Answer(
        document={
            "id": "x",
            "finish_reason": "TOOL_CALL",
            "message": {
                "role": "assistant",
                "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": TEXT}],
                "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
            },
            "usage": {"tokens": {"input_tokens": 7, "output_tokens": 2}},
        },
        types=(
            "message-start",
            "content-start",
            "content-delta",
            "content-end",
            "tool-call-start",
            "tool-call-end",
            "message-end",
        ),
        reasoning="hm",
        tool=("f", '{"a":1}'),
        finish="tool_calls",
    ),
    "cloudflare": Answer(
        document={
            "result": {"response": TEXT, "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
            "success": True,
            "errors": [],
            "messages": [],
        },
        types=("message",),
    ),
    "dify": Answer(
        document={
            "event": "message",
            "task_id": "t",
            "mode": "chat",
            "answer": TEXT,
            "metadata": {"usage": {"prompt_tokens": 7, "completion_tokens": 2}},
        },
        types=("message",),
    ),
    "lm_studio": Answer(
        document={
            "model_instance_id": "m",
            "output": [
                {"type": "reasoning", "content": "hm"},
                {"type": "tool_call", "tool": "f", "arguments": {}, "output": "x"},
                {"type": "message", "content": TEXT},
            ],
            "stats": {"input_tokens": 7, "total_output_tokens": 2},
        },
        types=("chat.start", "reasoning.delta", "message.delta", "chat.end"),
        reasoning="hm",
    ),
    "gemini": Answer(
        document={
            "candidates": [{"content": {"parts": [{"text": TEXT}], "role": "model"}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 2},
        }
    ),
    "ollama": Answer(
        document={
            "model": "m",
            "message": {"role": "assistant", "content": TEXT},
            "done": True,
            "done_reason": "length",
            "prompt_eval_count": 7,
            "eval_count": 2,
        },
        finish="length",
    ),
    "llamacpp": Answer(
        document={"content": TEXT, "stop": True, "tokens_evaluated": 7, "tokens_predicted": 2},
    ),
    "sglang_generate": Answer(
        document={
            "text": TEXT,
            "meta_info": {"finish_reason": {"type": "stop"}, "prompt_tokens": 7, "completion_tokens": 2},
        }
    ),
    "fastchat": Answer(
        document={"text": TEXT, "error_code": 0, "usage": {"prompt_tokens": 7, "completion_tokens": 2}},
    ),
    "lmdeploy": Answer(document={"text": TEXT, "tokens": 2, "input_tokens": 7, "finish_reason": "stop"}),
    "tgi": Answer(
        document={
            "generated_text": TEXT,
            "details": {"finish_reason": "eos_token", "generated_tokens": 2, "input_length": 7},
        },
        types=("message",),
    ),
    "triton": Answer(document={"text_output": TEXT}, usage={}),
    "vllm_generate": Answer(document={"text": [TEXT]}, usage={}),
    "generic": Answer(document={"answer": TEXT}, usage={}),
}
