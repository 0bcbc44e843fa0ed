"""`core.dialects`: how a request finds its row, and what all rows share."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sse_proxy.core import dialects
from sse_proxy.core.dialects import (
    DIALECTS,
    GENERIC,
    Sign,
    dialect_by_name,
    dialect_for,
    dialect_of_first_event,
    dialect_of_head,
    may_read_body,
)
from sse_proxy.core.dialects.base import Dialect, JSONObject
from sse_proxy.core.documents import json_object
from sse_proxy.core.heartbeat import COMMENT, COMMENT_BLOCK
from sse_proxy.core.sse import Event
from sse_proxy.errors import Drained, Truncated
from sse_proxy.settings.routes import DIALECTS as ROUTE_DIALECTS

from .dialect_streams import ALL, COMPLETE, drained
from .event_streams import check_canonical


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/v1/chat/completions", "openai_chat"),
        ("POST", "/v1/chat/completions/", "openai_chat"),
        ("POST", "/openai/deployments/gpt/chat/completions", "openai_chat"),
        ("POST", "/v1/completions", "openai_completions"),
        ("POST", "/v1/responses", "openai_responses"),
        ("POST", "/v1/messages", "anthropic"),
        ("POST", "/anthropic/v1/messages", "anthropic"),
        ("GET", "/v1/chat/completions", "generic"),
        ("GET", "/v1/responses/resp_1", "generic"),
        ("POST", "/v1/messages/count_tokens", "generic"),
        ("POST", "/v1/responses/resp_1/cancel", "generic"),
        ("POST", "/completion", "llamacpp"),
        ("POST", "/completions", "llamacpp"),
        ("POST", "/openai/deployments/gpt/completions", "openai_completions"),
        ("POST", "/v1/fim/completions", "openai_completions"),
        ("POST", "/v1beta/models/gemini-2.5-flash:streamGenerateContent", "gemini_array"),
        ("POST", "/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent", "gemini_array"),
        ("POST", "/v1beta/models/g:generateContent", "generic"),
        ("POST", "/v2/chat", "cohere"),
        ("POST", "/model/m/converse-stream", "bedrock_converse"),
        ("POST", "/model/m/invoke-with-response-stream", "bedrock_invoke"),
        ("POST", "/api/chat", "ollama"),
        ("POST", "/api/generate", "ollama"),
        ("POST", "/generate_stream", "tgi"),
        ("POST", "/v2/models/m/generate_stream", "triton"),
        ("POST", "/generate", "sglang_generate"),
        ("POST", "/worker_generate_stream", "fastchat"),
        ("POST", "/v1/chat/interactive", "lmdeploy"),
        ("POST", "/api/v1/chat", "lm_studio"),
        ("POST", "/v1/chat-messages", "dify"),
        ("POST", "/client/v4/accounts/a/ai/run/@cf/meta/llama", "cloudflare"),
        ("GET", "/v1/streams/abc", "replicate"),
        ("POST", "/threads/t/runs/stream", "langgraph"),
        ("GET", "/threads/t/runs/r/stream", "langgraph"),
        ("POST", "/", "generic"),
        ("POST", "", "generic"),
        ("POST", "/v1/chat/completions/X", "generic"),
    ],
)
def test_dialect_is_known_by_method_and_path(method: str, path: str, name: str) -> None:
    """A POST to the end of a known path has its row, all else is generic."""
    assert dialect_for(method, path).name == name


def test_names_are_those_of_the_metrics() -> None:
    """The label values of `sse_proxy_streams_total` are closed."""
    names = [dialect.name for dialect in (*DIALECTS, GENERIC)]
    assert sorted(names) == sorted(ROUTE_DIALECTS)
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ALL)
def test_what_a_row_writes_is_canonical(name: str) -> None:
    """Error frames, no-op events and terminators are canonical; a comment is one of the two forms."""
    row, state = ALL[name], drained(name, COMPLETE[name])[1].state
    check_canonical(row.error_frame(Truncated(), state), of_json=True)
    check_canonical((row.noop(state) or b"") + row.terminator, of_json=True)
    assert row.comment in {COMMENT, COMMENT_BLOCK}


@pytest.mark.parametrize("name", ALL)
def test_error_body_is_one_json_document_with_message_type_and_code(name: str) -> None:
    """Whatever the dialect's shape, the three are under ``error`` (INTERFACE "Errors to the client")."""
    error = json.loads(ALL[name].error_body(Drained()))["error"]
    assert error["message"] == "the proxy is shutting down"
    if name == "gemini":  # its SDKs want a number
        assert (error["code"], error["status"]) == (503, "UNAVAILABLE")
        error["code"] = error["details"][0]["reason"]
    elif name in {"a2a", "mcp"}:  # as JSON-RPC 2.0 § 5.1 does
        assert error["code"] == -32000
        error = {**error, **error["data"]}
    assert (error["type"], error["code"]) == ("overloaded_error", "drained")


def sign(document: JSONObject | None, *headers: tuple[bytes, bytes], path: str = "/x", query: bytes = b"") -> str:
    """The dialect's name for a POST with these."""
    return dialect_for("POST", path, query, headers, document).name


BOTH = (b"accept", b"application/json, text/event-stream")


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (sign(None, path="/g:streamGenerateContent", query=b"alt=sse&key=k"), "gemini"),
        (sign(None, path="/g:streamGenerateContent", query=b"alt=json"), "gemini_array"),
        (sign({"model": "m"}, path="/beta/completions"), "openai_completions"),
        (sign({"prompt": "p"}, path="/completions"), "llamacpp"),
        (sign({"model": "m"}, path="/api/chat"), "ollama"),
        (sign({"model": "m", "id": "chat"}, path="/api/chat"), "generic"),
        (sign({"model": "m", "input": "p"}, path="/api/v1/chat"), "lm_studio"),
        (sign({"messages": []}, path="/api/v1/chat"), "generic"),
        (sign({"messages": []}, path="/api/chat"), "generic"),
        (sign({"prompt": "p"}, path="/generate"), "generic"),
        (sign({"text": "p"}, path="/generate"), "sglang_generate"),
        (sign({"input_ids": [1]}, path="/generate"), "sglang_generate"),
        (sign({"messages": []}, path="/generate"), "generic"),
        (sign({"text_input": "p"}, path="/generate_stream"), "triton"),
        (sign({"inputs": "p"}, path="/generate_stream"), "tgi"),
        (sign({"prompt": "p"}, path="/generate_stream"), "generic"),
        (sign({"input": "p"}, path="/chain/stream"), "langserve"),
        (sign({"prompt": "p"}, path="/chain/stream"), "generic"),
        (sign({"jsonrpc": "2.0", "method": "message/stream"}), "a2a"),
        (sign({"jsonrpc": "2.0", "method": "tools/call"}, BOTH), "mcp"),
        (sign({"jsonrpc": "2.0", "method": "tools/call"}), "generic"),
        (sign({}, BOTH), "generic"),
        (sign({}, (b"mcp-session-id", b"1")), "mcp"),
        (sign({}, (b"mcp-protocol-version", b"2025-11-25")), "mcp"),
    ],
)
def test_dialect_is_known_by_query_header_and_body(found: str, name: str) -> None:
    """Where a path is not enough, or there is none."""
    assert name == found


def test_a_row_is_asked_with_all_that_the_request_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it claims by is up to the row; what was not looked into is told as that."""
    asked: list[Sign] = []

    def claims(sign: Sign) -> bool:
        asked.append(sign)
        return True

    row = replace(GENERIC, name="row", paths=("/x",), methods=("PUT",), claims=claims)
    monkeypatch.setattr(dialects, "DIALECTS", (row,))
    found = dialect_for("PUT", "/x/", b"q=1", [BOTH], {"a": 1}), dialect_for("PUT", "/x")
    assert found == (row, row)
    assert asked == [
        Sign(method="PUT", path="/x", query=b"q=1", headers=[BOTH], document={"a": 1}),
        Sign(method="PUT", path="/x", query=b"", headers=(), document=None),
    ]


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ([(b"X-Vercel-AI-UI-Message-Stream", b"v1")], "ai_sdk_ui"),
        ([(b"x-vercel-ai-data-stream", b"v1")], "ai_sdk_data"),
        ([(b"content-type", b"text/event-stream")], None),
    ],
)
def test_dialect_is_known_by_the_responses_head(headers: list[tuple[bytes, bytes]], name: str | None) -> None:
    """Where the request says nothing."""
    found = dialect_of_head(headers)
    assert (found and found.name) == name


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (Event(data=b'{"object":"chat.completion.chunk"}'), "openai_chat"),
        (Event(data=b'{"object":"text_completion"}'), "openai_completions"),
        (Event(data=b'{"type":"response.created"}'), "openai_responses"),
        (Event(data=b'{"type":"response.output_text.delta","sequence_number":7}'), "openai_responses"),
        (Event(data=b'{"type":"response.output_text.delta"}'), None),
        (Event(event=b"message_start", data=b'{"type":"message_start"}'), "anthropic"),
        (Event(data=b'{"candidates":[]}'), "gemini"),
        (Event(event=b"message-start", data=b'{"type":"message-start"}'), "cohere"),
        (Event(event=b"output", id=b"1", data=b"x"), "replicate"),
        (Event(event=b"output", data=b"x"), None),
        (Event(data=b'{"text":"a","meta_info":{}}'), "sglang_generate"),
        (Event(event=b"chat.start", data=b"{}"), "lm_studio"),
        (Event(data=b'{"event":"message","task_id":"t"}'), "dify"),
        (Event(data=b'{"type":"RUN_STARTED"}'), "ag_ui"),
        (Event(data=b'{"token":"a"}'), "tokens"),
        (Event(event=b"message", data=b'{"token":"a","done":false}'), "tokens"),
        (Event(event=b"other", data=b'{"token":"a"}'), None),
        (Event(data=b'{"token":{"id":1}}'), None),
        (Event(data=b"Hello"), None),
        (Event(data=b"{}"), None),
    ],
)
def test_dialect_is_known_by_the_first_event(event: Event, name: str | None) -> None:
    """Where neither request nor head says anything; the test takes only what no one else would say."""
    found = dialect_of_first_event(event, json_object(event.data) or {})
    assert (found and found.name) == name


def test_rows_are_found_by_name() -> None:
    """As a route gives it."""
    for name in ROUTE_DIALECTS:
        assert dialect_by_name(name).name == name
    with pytest.raises(KeyError):
        dialect_by_name("nobody")


@pytest.mark.parametrize(
    ("method", "path", "reads"),
    [
        ("POST", "/api/chat", True),
        ("POST", "/api/chat/", True),
        ("POST", "/api/chat/X", False),
        ("GET", "/api/chat", False),
        ("POST", "/x", False),
    ],
)
def test_bodies_that_have_to_be_read(method: str, path: str, reads: bool) -> None:
    """Only where a row may be told by them alone."""
    assert may_read_body(method, path) is reads


@pytest.mark.parametrize("row", DIALECTS, ids=lambda row: row.name)
def test_text_that_may_have_to_be_changed_is_never_forwarded_unseen(row: Dialect) -> None:
    """`core.siblings` knows nothing of what a text says."""
    assert row.free is None or not (row.hides_done or row.only_data)
