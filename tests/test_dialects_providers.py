"""Who speaks a dialect that others have made, and what each does in its own way (formats.md § A1 and § A2)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from sse_proxy.core.dialects import StreamState, dialect_by_name
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.shapes import shape_for
from sse_proxy.errors import Truncated

from .dialect_samples import named, unnamed
from .event_streams import reference_events, splits

DONE = b"data: [DONE]\n\n"
IN_OUT = {"input": 7, "output": 2}
USAGE: dict[str, object] = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One stream as the provider writes it."""

    body: bytes
    dialect: str = "openai_chat"
    text: str = "Hi!"
    usage: dict[str, int] = field(default_factory=dict)
    repairs: dict[str, int] = field(default_factory=dict)
    #: Message and status of the upstream's own error.
    error: tuple[str, int] | None = None
    truncated: bool = False


def chunk(text: str = "", finish: str | None = None, **more: object) -> dict[str, object]:
    """A chat chunk."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def sse(*documents: object) -> bytes:
    """Events, one each."""
    return b"".join(unnamed(*documents))


HI = sse(chunk("Hi"), chunk("!"))
STOP = sse(chunk(finish="stop"))
ERROR = {"message": "no", "type": "server_error", "param": None, "code": 503}

CASES: dict[str, Case] = {
    "OpenAI, with padding and a usage chunk": Case(
        body=sse(chunk("Hi", obfuscation="ab"), chunk("!", usage=None), chunk(finish="stop"))
        + sse({"choices": [], "usage": USAGE | {"prompt_tokens_details": {"cached_tokens": 3}}})
        + DONE,
        usage={**IN_OUT, "cached_input": 3},
    ),
    "OpenAI, an error in the middle": Case(body=HI + sse({"error": ERROR}), error=("no", 503)),
    "Azure: first the results of the filter, then its offsets": Case(
        body=sse(
            {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [{}]},
            chunk("Hi"),
            {"choices": [{"index": 0, "content_filter_offsets": {}, "content_filter_results": {}}]},
            chunk("!"),
            chunk(finish="content_filter"),
        )
        + DONE,
    ),
    "Mistral: the usage in the last chunk": Case(body=HI + sse(chunk(finish="stop", usage=USAGE)) + DONE, usage=IN_OUT),
    "DeepSeek: comments while it queues, thoughts apart": Case(
        body=b": keep-alive\n\n" * 3
        + sse({"choices": [{"index": 0, "delta": {"content": None, "reasoning_content": "hm"}}]})
        + HI
        + b": keep-alive\n\n"
        + sse(chunk(finish="stop", usage=USAGE))
        + DONE,
        usage=IN_OUT,
    ),
    "DeepSeek: comments and never an answer": Case(body=b": keep-alive\n\n" * 9, text="", truncated=True),
    "OpenRouter: comments, and an error with a finish reason": Case(
        body=b": OPENROUTER PROCESSING\n\n" * 2
        + HI
        + sse(chunk(finish="error", error={"code": 502, "message": "Provider disconnected"}, provider="p")),
        error=("Provider disconnected", 502),
    ),
    "Groq: the usage in x_groq": Case(
        body=sse(chunk(x_groq={"id": "r"})) + HI + sse(chunk(finish="stop", x_groq={"id": "r", "usage": USAGE})) + DONE,
        usage=IN_OUT,
    ),
    "Groq: a named error": Case(body=HI + b"".join(named(("error", {"error": ERROR}))), error=("no", 503)),
    "xAI: the usage before the last chunk": Case(
        body=sse(chunk("Hi", usage=USAGE), chunk("!"), chunk(finish="stop", usage=None)) + DONE, usage=IN_OUT
    ),
    "xAI by Vertex: comments as data": Case(
        body=b"data: : keepalive\n\n" + HI + b"data: : keepalive\n\n" + STOP + DONE, repairs={"comment_in_data": 2}
    ),
    "Perplexity: the message so far in every chunk, no terminator": Case(
        body=b"".join(
            sse(
                {
                    "id": "p",
                    "object": "chat.completion",
                    "usage": USAGE | {"completion_tokens": number},
                    "choices": [
                        {"index": 0, "finish_reason": end, "message": {"content": whole}, "delta": {"content": text}}
                    ],
                }
            )
            for number, (text, whole, end) in enumerate([("Hi", "Hi", None), ("!", "Hi!", None), ("", "Hi!", "stop")])
        ),
        usage=IN_OUT,
        repairs={"missing_terminator": 1},
    ),
    "Perplexity, cut": Case(
        body=sse(
            {"object": "chat.completion", "choices": [{"message": {"content": "Hi"}, "delta": {"content": "Hi"}}]}
        ),
        text="Hi",
        truncated=True,
    ),
    "vLLM: the usage in every chunk": Case(
        body=sse(chunk("Hi", usage={**USAGE, "completion_tokens": 1}), chunk("!", usage=USAGE), chunk(finish="stop"))
        + DONE,
        usage=IN_OUT,
    ),
    "vLLM: comments and an error": Case(
        body=b": keep-alive\n\n" + HI + sse({"error": {"object": "error", **ERROR}}) + DONE, error=("no", 503)
    ),
    "vLLM, older: the error without its envelope": Case(
        body=HI + sse({"object": "error", "message": "no", "type": "BadRequestError", "code": 400}) + DONE,
        error=("no", 400),
        repairs={"bare_error": 1},
    ),
    "SGLang: an error": Case(
        body=HI + sse({"error": {"object": "error", **ERROR}}) + DONE,
        error=("no", 503),
    ),
    "llama.cpp: empty comments, an error and no terminator": Case(
        body=b":\n\n" + HI + b":\n\n" + sse({"error": {"code": 500, "message": "no", "type": "server_error"}}),
        error=("no", 500),
    ),
    "llama.cpp, until 2025: the error in a field": Case(
        body=HI + b'error: {"code":500,"message":"no","type":"server_error"}\n\n' + DONE,
        error=("no", 500),
        repairs={"error_field": 1},
    ),
    "llama.cpp's Anthropic endpoint: an error": Case(
        dialect="anthropic",
        body=b"".join(
            named(
                ("message_start", {"type": "message_start", "message": {}}),
                ("error", {"type": "error", "error": {"type": "api_error", "message": "no"}}),
            )
        ),
        text="",
        error=("no", 502),
    ),
    "Ollama's shim: an error becomes an empty chunk, and then nothing": Case(
        body=HI + sse(chunk()), text="Hi!", truncated=True
    ),
    "TGI's chat: no space": Case(
        body=(HI + STOP + DONE).replace(b"data: ", b"data:"),
        repairs={"missing_space": 4},
    ),
    "TGI's chat: an error": Case(
        body=HI + sse({"error": {"message": "no", "http_status_code": 422}}),
        error=("no", 422),
    ),
    "LMDeploy: an error and the terminator": Case(body=HI + sse({"error": ERROR}) + DONE, error=("no", 503)),
    "sse-starlette: CRLF, and pings with the time": Case(
        body=(b": ping - 2026-01-01 00:00:00\n\n" + HI + b": ping - 2026-01-01 00:00:15\n\n" + STOP + DONE).replace(
            b"\n", b"\r\n"
        ),
        repairs={"line_endings": 12},
    ),
    "text-generation-webui: LF, and its task dies": Case(body=b": ping - x\n\n" + HI, truncated=True),
    "TensorRT-LLM: the whole text in one chunk, without its type": Case(
        body=sse({"id": "c", "choices": [{"index": 0, "delta": {"content": "Hi!"}, "finish_reason": "stop"}]}) + DONE,
    ),
    "Fireworks and Together: text and finish reason in one chunk": Case(
        body=sse(chunk("Hi"), chunk("!", finish="length", usage=USAGE)) + DONE, usage=IN_OUT
    ),
    "Cloudflare's OpenAI endpoint: its own field beside": Case(
        body=sse(chunk("Hi", response="Hi", p="ab"), chunk("!")) + STOP + DONE
    ),
    "OpenAI Responses: its own keep-alive, and an end without [DONE]": Case(
        dialect="openai_responses",
        body=b"".join(
            named(
                ("response.created", {"type": "response.created", "response": {"id": "r"}, "sequence_number": 0}),
                ("keepalive", {"type": "keepalive", "sequence_number": 1}),
                ("response.output_text.delta", {"type": "response.output_text.delta", "delta": "Hi!"}),
                (
                    "response.incomplete",
                    {"type": "response.incomplete", "response": {"usage": {"input_tokens": 7, "output_tokens": 2}}},
                ),
            )
        ),
        usage=IN_OUT,
    ),
    "OpenAI Responses: a nested error": Case(
        dialect="openai_responses",
        body=b"".join(
            named(
                ("response.created", {"type": "response.created", "response": {"id": "r"}}),
                ("error", {"type": "error", "error": {"code": "429", "message": "no"}, "sequence_number": 1}),
            )
        ),
        text="",
        error=("no", 429),
    ),
    "OpenAI Responses: failed": Case(
        dialect="openai_responses",
        body=b"".join(
            named(("response.failed", {"type": "response.failed", "response": {"error": {"message": "no"}}}))
        ),
        text="",
        error=("no", 502),
    ),
    "Gemini: CRLF, and an error that is no event": Case(
        dialect="gemini",
        body=sse({"candidates": [{"content": {"parts": [{"text": "Hi!"}]}}]}).replace(b"\n", b"\r\n")
        + b'{\r\n  "error": {\r\n    "code": 503,\r\n    "message": "no"\r\n  }\r\n}\r\n',
        error=("no", 503),
        repairs={"line_endings": 8, "bare_json": 1},
    ),
    "Dify: pings without data": Case(
        dialect="dify",
        body=b"event: ping\n\n"
        + sse({"event": "message", "task_id": "t", "answer": "Hi!"})
        + b"event: ping\n\n"
        + sse({"event": "message_end", "metadata": {"usage": {"prompt_tokens": 7, "completion_tokens": 2}}}),
        usage=IN_OUT,
    ),
    "Dify: a workflow": Case(
        dialect="dify",
        body=sse(
            {"event": "workflow_started", "task_id": "t"},
            {"event": "text_chunk", "data": {"text": "Hi!"}},
            {"event": "workflow_finished", "data": {"status": "succeeded"}},
        ),
    ),
    "LangGraph: heartbeats": Case(
        dialect="langgraph",
        body=b": heartbeat\n\nid: 1\nevent: messages\ndata: "
        + json.dumps([{"content": "Hi!", "type": "AIMessageChunk"}, {"langgraph_node": "a"}]).encode()
        + b"\n\n: heartbeat\n\nid: 2\nevent: end\ndata: null\n\n",
    ),
}  # fmt: skip


def pipeline(case: Case, *, retold: bool) -> Pipeline:
    """A fresh one."""
    shape = shape_for("tokens", identity={}) if retold else None
    return Pipeline(dialect_by_name(case.dialect), state=StreamState(), max_event_bytes=1 << 20, shape=shape)


def ended(of: Pipeline, pieces: list[bytes]) -> tuple[bytes, bool]:
    """What the client gets, and whether the end was a cut."""
    out = b"".join([*map(of.feed, pieces), of.flush()])
    try:
        return out + of.conclude(), False
    except Truncated:
        return out, True


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_its_streams_are_understood(case: Case) -> None:
    """In any split: complete, cut or failed, with the usage, and with no more repairs than that."""
    row = dialect_by_name(case.dialect)
    first = ended(pipeline(case, retold=False), [case.body])
    for pieces in splits(case.body, seed=1):
        of = pipeline(case, retold=False)
        assert first == ended(of, pieces)
        assert case.truncated is first[1]
        error = of.state.error
        assert case.error == (None if error is None else (str(error), error.http_status))
        assert case.usage == of.state.usage
        missing = {"missing_terminator": 1} if case.error and row.ends_errors and DONE not in case.body else {}
        assert {**missing, **case.repairs} == of.repairs
        assert b"ping" not in first[0]
        assert b"alive" not in first[0]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_its_text_is_understood(case: Case) -> None:
    """All of it, and nothing else."""
    of = pipeline(case, retold=True)
    events = [json.loads(event.data) for event in reference_events(ended(of, [case.body])[0])]
    assert case.text == "".join(event.get("token", "") for event in events)
    assert ("error" in events[-1] if events else False) is (case.error is not None)
