"""The official JavaScript SDKs against a real llama-server."""

from __future__ import annotations

import pytest

from ..js_sdk import run_js
from .requests import EXACT, MAX_TOKENS, MESSAGES, MODEL, PROMPT, TOO_LONG, whole_answer
from .servers import Llama, Target

pytestmark = pytest.mark.e2e_llm

APIS = [
    ("openai", "chat", "/v1", {"messages": MESSAGES, "max_tokens": MAX_TOKENS}),
    ("openai", "completions", "/v1", {"prompt": PROMPT, "max_tokens": MAX_TOKENS}),
    ("openai", "responses", "/v1", {"input": MESSAGES, "max_output_tokens": MAX_TOKENS}),
    ("anthropic", "messages", "", {"messages": MESSAGES, "max_tokens": MAX_TOKENS}),
]


@pytest.mark.parametrize("sdk, api, prefix, body", APIS, ids=[row[1] for row in APIS])
async def test_the_sdk_gives_the_whole_text(
    target: Target, llama: Llama, sdk: str, api: str, prefix: str, body: dict[str, object]
) -> None:
    """The streamed text is the answer in one piece."""
    result = await run_js(sdk, api, target.url + prefix, model=MODEL, body={"temperature": 0, **EXACT, **body})
    assert (result.error, result.text) == (None, whole_answer(llama, api))


async def test_a_prompt_over_the_context_is_a_bad_request(target: Target) -> None:
    """The upstream's own 400 reaches the SDK as its exception."""
    body = {"messages": [{"role": "user", "content": TOO_LONG}]}
    result = await run_js("openai", "chat", f"{target.url}/v1", model=MODEL, body=body)
    assert result.error is not None
    assert (result.error.name, result.error.status) == ("BadRequestError", 400)
