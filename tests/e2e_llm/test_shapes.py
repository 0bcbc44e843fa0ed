"""The five stream endpoints of a real llama-server, each told as OpenAI chat chunks and as tokens.

Which of them a client asks for makes no difference: it gets the text that this endpoint has to give.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from .figures import Figures, Watch
from .requests import EXACT, MAX_TOKENS, MODEL, PROMPT, REQUESTS, whole_answer
from .servers import DIRECT, Llama, Target, proxy_server

pytestmark = [
    pytest.mark.e2e_llm,
    pytest.mark.skipif(DIRECT, reason="llama-server alone tells every endpoint in its own words; that is the point"),
]

#: The bridge of the guide, and one shape for everything else.
CONFIG = """
[[routes]]
path = "/chat/stream"
upstream_path = "/v1/chat/completions"
[routes.body]
model = "gemma"
stream = true
max_tokens = 48
messages = [{{role = "user", content = "{{prompt}}"}}]

[[routes]]
path = "/*"
output = "{output}"
"""


@pytest.fixture(scope="module", params=["openai", "tokens"])
def shaped(request: pytest.FixtureRequest, llama: Llama, directory: Path) -> Iterator[tuple[str, Target]]:
    """The name of an output shape, and a proxy that tells everything in it."""
    with proxy_server(llama.url, directory, config=CONFIG.format(output=request.param)) as proxy:
        yield request.param, proxy


def events_of(response: httpx.Response) -> Iterator[tuple[str, Any]]:
    """Type and data of each event; the data parsed, unless it is ``[DONE]``."""
    kind = ""
    for line in response.iter_lines():
        name, _, value = line.partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, value if value == "[DONE]" else json.loads(value)
            kind = ""


@pytest.mark.parametrize("api", REQUESTS)
def test_an_endpoint_is_told_in_the_routes_shape(
    shaped: tuple[str, Target], api: str, llama: Llama, figures: Figures
) -> None:
    """Full text, the finish and the usage where the shape has them, and the shape's own end."""
    output, target = shaped
    path, body = REQUESTS[api]
    asked = {"model": MODEL, "temperature": 0, "stream": True, **EXACT, **body}
    watch, events = Watch(), []
    with httpx.stream("POST", target.url + path, json=asked, timeout=60, trust_env=False) as response:
        for kind, data in events_of(response):
            events.append((kind, data))
            watch.event(_text(data))
    figures.rows.append(watch.row(f"{path} as {output}"))
    assert (200, "text/event-stream; charset=utf-8") == (response.status_code, response.headers["content-type"])
    assert whole_answer(llama, api) == watch.text
    if output == "tokens":
        assert events[-1] == ("done", {"done": True})
        return
    assert events[-1] == ("", "[DONE]")
    chunks = [data for _, data in events[:-1]]
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]
    assert finishes[0] in {"stop", "length"}
    assert len(finishes) == 1
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}


def _text(data: Any) -> str | None:
    if not isinstance(data, dict):
        return None
    choices = data.get("choices")
    text: str | None = choices[0]["delta"].get("content") if choices else data.get("token")
    return text


def test_the_guides_event_source_request_gets_tokens(shaped: tuple[str, Target], figures: Figures) -> None:
    """``GET /chat/stream?prompt=…``: ids on every event, and 204 for who comes back with one."""
    _, target = shaped
    watch, ids = Watch(), []
    headers = {"Accept": "text/event-stream"}
    url = f"{target.url}/chat/stream"
    query = {"prompt": "Tell me a story about a fox."}
    with httpx.stream("GET", url, params=query, headers=headers, timeout=60, trust_env=False) as response:
        for line in response.iter_lines():
            name, _, value = line.partition(": ")
            if name == "id":
                ids.append(value)
            if name == "data":
                watch.event(json.loads(value).get("token"))
    figures.rows.append(watch.row("GET /chat/stream"))
    assert watch.text
    assert len(ids) == watch.events
    again = httpx.get(url, params=query, headers={**headers, "Last-Event-ID": ids[-1]}, trust_env=False)
    assert (again.status_code, again.content) == (204, b"")


def test_the_openai_sdk_reads_what_another_api_says(shaped: tuple[str, Target], llama: Llama) -> None:
    """Of llama.cpp's own endpoint, which no SDK of OpenAI's knows."""
    output, target = shaped
    if output != "openai":
        return
    text = ""
    with openai.OpenAI(base_url=target.url, api_key="test", max_retries=0, timeout=60) as client:
        stream: openai.Stream[Any] = client.post(
            "/completion",
            body={"prompt": PROMPT, "n_predict": MAX_TOKENS, "temperature": 0, "stream": True, **EXACT},
            cast_to=object,
            stream=True,
            stream_cls=openai.Stream[Any],
        )
        for chunk in stream:
            text += _text(chunk) or ""
    assert whole_answer(llama, "native") == text
