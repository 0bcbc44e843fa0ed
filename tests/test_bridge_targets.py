"""`bridge`: the guide's hook in front of every API, on the mock; and what ``/metrics`` then tells of them."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sse_proxy.core.admission import Refusal
from sse_proxy.core.dialects import DIALECTS, GENERIC
from sse_proxy.demo import create_mock, expected_text
from sse_proxy.errors import Outcome
from sse_proxy.metrics.base import Resumed

from .event_streams import reference_events
from .process import serving
from .streaming import Proxy, proxying, served
from .wire import Answer, ask

EVENT_SOURCE = {"Accept": "text/event-stream"}
TOKENS = 9
TEXT = expected_text("openai_chat", TOKENS)
#: Knobs of the mock.
KNOBS = f"tokens={TOKENS}&rate=0"
GEMINI = "/v1beta/models/mock:streamGenerateContent"

#: What the short form knows: the upstream's path and the dialect that is found there.
USUAL = {
    f"/v1/chat/completions?{KNOBS}": "openai_chat",
    f"/openai/deployments/mock/chat/completions?api-version=1&{KNOBS}": "openai_chat",
    f"/v1/completions?{KNOBS}": "openai_completions",
    f"/v1/responses?{KNOBS}": "openai_responses",
    f"/v1/messages?{KNOBS}": "anthropic",
    f"{GEMINI}?{KNOBS}": "gemini_array",
    f"{GEMINI}?alt=sse&{KNOBS}": "gemini",
    f"/v2/chat?{KNOBS}": "cohere",
    f"/api/chat?{KNOBS}": "ollama",
    f"/api/generate?{KNOBS}": "ollama",
    f"/generate_stream?{KNOBS}": "tgi",
    f"/v2/models/mock/generate_stream?{KNOBS}": "triton",
    f"/completion?{KNOBS}": "llamacpp",
}
PROMPT = {"prompt": "{prompt}", "stream": True}
MESSAGES = {"model": "mock", "messages": [{"role": "user", "content": "{prompt}"}], "stream": True}
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "{prompt}"}]}]}
#: What needs an entry in the file.
ROUTES: dict[str, tuple[dict[str, Any], str]] = {
    "/model/mock/converse-stream": (
        {"messages": [{"role": "user", "content": [{"text": "{prompt}"}]}]},
        "bedrock_converse",
    ),
    "/model/mock/invoke-with-response-stream": ({"prompt": "{prompt}"}, "bedrock_invoke"),
    "/client/v4/accounts/mock/ai/run/@cf/meta/mock": (PROMPT, "cloudflare"),
    "/generate": (PROMPT, "vllm_generate"),
    "/v1/chat/interactive": (PROMPT, "lmdeploy"),
    "/chain/stream": ({"input": "{prompt}"}, "langserve"),
    "/v1/chat-messages": ({"query": "{prompt}", "response_mode": "streaming", "inputs": {}, "user": "u"}, "dify"),
    "/api/ai-sdk": (MESSAGES, "ai_sdk_ui"),
    "/ag-ui": (MESSAGES, "ag_ui"),
    "/chat/stream": ({"prompt": "{prompt}"}, "tokens"),
    "/ndjson": (PROMPT, "generic"),
}


@asynccontextmanager
async def mocked(**settings: Any) -> AsyncIterator[Proxy]:
    """A proxy in front of the mock."""
    async with served(create_mock()) as port, proxying(f"http://127.0.0.1:{port}", **settings) as proxy:
        yield proxy


async def asked(proxy: Proxy) -> Answer:
    """What an EventSource gets."""
    return await ask(proxy.port, "GET", "/ask?prompt=Hello", headers=EVENT_SOURCE)


def heard(answer: Answer) -> str:
    """The text of a whole answer in tokens, each event with its id."""
    assert (answer.status, answer.complete) == (200, True)
    *tokens, done = reference_events(answer.body)
    assert (done.type, json.loads(done.data)) == ("done", {"done": True})
    ids = [told.last_event_id.partition(".")[2] for told in (*tokens, done)]
    assert ids == [str(number) for number in range(1, len(ids) + 1)]
    return "".join(json.loads(told.data)["token"] for told in tokens)


def entry(target: str, body: dict[str, Any], **more: object) -> dict[str, Any]:
    """A bridge to *target*."""
    return {"path": "/ask", "upstream_path": f"{target}?{KNOBS}", "body": body, **more}


@pytest.mark.parametrize(("target", "dialect"), USUAL.items(), ids=lambda value: value.partition("?")[0])
async def test_the_short_form_reaches_every_api(target: str, dialect: str) -> None:
    """Every token and ``done``, from an API that knows nothing of either."""
    async with mocked(bridge=f"/ask={target}", bridge_model="mock") as proxy:
        assert heard(await asked(proxy)) == TEXT
        await proxy.idle()
        assert proxy.outcomes() == {"completed": 1}
        assert proxy.value(f'streams_total{{dialect="{dialect}",outcome="completed"}}') == 1
        assert proxy.value(f'events_total{{dialect="{dialect}"}}') >= TOKENS
        assert proxy.value(f'requests_total{{code="200",route="{dialect}"}}') == 1


@pytest.mark.parametrize(
    ("target", "case"), ROUTES.items(), ids=lambda value: value if isinstance(value, str) else value[1]
)
async def test_a_route_reaches_the_others(target: str, case: tuple[dict[str, Any], str]) -> None:
    """With a body of its own; what no row knows is read as text, or as objects that hold some."""
    body, dialect = case
    async with mocked(routes=[entry(target, body)]) as proxy:
        assert heard(await asked(proxy)) == TEXT
        await proxy.idle()
        assert proxy.value(f'streams_total{{dialect="{dialect}",outcome="completed"}}') == 1


@pytest.mark.parametrize("target", ["/v1/messages", "/api/chat", "/v2/chat", GEMINI, "/model/mock/converse-stream"])
async def test_a_cut_answer_has_no_done(target: str) -> None:
    """Whatever the upstream speaks, and though the body ended in good order."""
    cut = {"upstream_path": f"{target}?{KNOBS}&truncate_after=5"}
    async with mocked(routes=[entry(target, MESSAGES, **cut)]) as proxy:
        answer = await asked(proxy)
        *tokens, last = reference_events(answer.body)
        assert TEXT.startswith("".join(json.loads(told.data)["token"] for told in tokens))
        assert (last.type, json.loads(last.data)["error"]["code"]) == ("error", "upstream_truncated")
        assert await proxy.outcome() == "upstream_truncated"


async def test_any_api_is_openais_to_a_client_of_that() -> None:
    """``output = "openai"``: the answer of each as chat chunks, with ids."""
    for target in ("/v1/messages", "/api/chat", GEMINI):
        async with mocked(routes=[entry(target, MESSAGES, output="openai")]) as proxy:
            *chunks, done = reference_events((await asked(proxy)).body)
            assert done.data == "[DONE]"
            choices = [choice for told in chunks for choice in json.loads(told.data)["choices"]]
            assert "".join(choice["delta"].get("content", "") for choice in choices) == TEXT
            assert [choice["finish_reason"] for choice in choices if choice["finish_reason"]] == ["stop"]


#: Every label of ours, and what it may be.
ROWS = {row.name for row in (*DIALECTS, GENERIC)}
CLOSED = {
    "dialect": ROWS,
    "route": ROWS | {"other", "gate", "resume"},
    "outcome": {outcome.value for outcome in Outcome},
    "mode": {"comment", "comment-block", "data", "space"},
    "direction": {"in", "out"},
    "reason": {reason.value for reason in Refusal},
    "result": {result.value for result in Resumed},
    "type": {"input", "output", "cached_input", "reasoning_output"},
}


async def test_the_metrics_tell_events_repairs_and_tokens_of_every_dialect(tmp_path: Path) -> None:
    """On a running proxy's ``/metrics``, with ``[[routes]]`` from its file; no label holds anything of a request."""
    (tmp_path / "sse-proxy.toml").write_text(
        f"""
[[routes]]
path = "/ask/*"
method = "GET"
upstream_path = "/v1/messages?{KNOBS}&defect=no_space"
heartbeat_seconds = 20
[routes.body]
model = "mock"
stream = true
max_tokens = 9
messages = [{{ role = "user", content = "{{prompt}}" }}]
[[routes]]
path = "/told"
upstream_path = "/api/chat?{KNOBS}"
output = "openai"
body = {{ model = "mock", messages = "{{messages}}" }}
"""
    )
    bridge = f"/gemini={GEMINI}?{KNOBS}"
    async with (
        served(create_mock()) as upstream,
        serving(upstream, "--config", str(tmp_path / "sse-proxy.toml"), "--bridge", bridge) as proxy,
    ):
        for path in ("/ask/alice-secret", "/gemini"):
            assert heard(await ask(proxy.port, "GET", f"{path}?prompt=bob-secret", headers=EVENT_SOURCE)) == TEXT
        content = json.dumps({"messages": [{"role": "user", "content": "carol-secret"}]}).encode()
        told = await ask(proxy.port, "POST", "/told", headers={"Content-Type": "application/json"}, body=content)
        assert told.body.endswith(b"data: [DONE]\n\n")
        assert (await ask(proxy.port, "GET", "/ask/x?prompt=y", headers={"Sec-Fetch-Site": "cross-site"})).status == 403
        _, metrics = await proxy.admin("/metrics")
        assert b"secret" not in metrics + bytes(proxy.log)
    samples = dict(re.findall(r"^sse_proxy_(\S+) (\S+)$", metrics.decode(), re.MULTILINE))
    for dialect in ("anthropic", "gemini_array", "ollama"):
        assert float(samples[f'events_total{{dialect="{dialect}"}}']) >= TOKENS
        assert samples[f'requests_total{{code="200",route="{dialect}"}}'] == "1.0"
    assert float(samples['repairs_total{kind="missing_space"}']) >= TOKENS
    assert float(samples['tokens_total{type="input"}']) > 0
    assert float(samples['tokens_total{type="output"}']) == 3 * TOKENS
    found: dict[str, set[str]] = {}
    for name, value in re.findall(r'(\w+)="([^"]*)"', "\n".join(samples)):
        found.setdefault(name, set()).add(value)
    assert {name for name in found if found[name] - CLOSED.get(name, found[name])} == set()
    assert set(found) <= CLOSED.keys() | {"code", "kind", "le", "version"}
