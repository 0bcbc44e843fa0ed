"""The official Python SDKs straight against the mock: its wire is that of the real APIs, streaming and not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anthropic
import openai
import pytest

from sse_proxy.demo import create_mock, expected_text

from .conftest import LIMIT_SECONDS
from .test_demo_mock import serving

KNOBS = {"X-Mock-Tokens": "17", "X-Mock-Rate": "0"}
TEXT = expected_text("openai_chat", 17)
HELLO = "Hello"


@pytest.fixture
async def base_url() -> AsyncIterator[str]:
    """The URL of a fresh mock."""
    async with serving(create_mock()) as base_url:
        yield base_url


@pytest.fixture
async def gpt(base_url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """The openai SDK, its knobs in its headers."""
    async with openai.AsyncOpenAI(
        base_url=f"{base_url}/v1", api_key="x", max_retries=0, timeout=LIMIT_SECONDS, default_headers=KNOBS
    ) as client:
        yield client


@pytest.fixture
async def claude(base_url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The anthropic SDK, its knobs in its headers."""
    async with anthropic.AsyncAnthropic(
        base_url=base_url, api_key="x", max_retries=0, timeout=LIMIT_SECONDS, default_headers=KNOBS
    ) as client:
        yield client


async def test_openai_chat_whole(gpt: openai.AsyncOpenAI) -> None:
    """Text, finish and usage of every choice."""
    completion = await gpt.chat.completions.create(model="m", messages=[{"role": "user", "content": HELLO}], n=2)
    assert [choice.message.content for choice in completion.choices] == [TEXT, TEXT]
    assert (completion.choices[1].finish_reason, completion.model) == ("stop", "m")
    assert completion.usage is not None
    assert completion.usage.total_tokens == 7 + 34


async def test_openai_chat_stream(gpt: openai.AsyncOpenAI) -> None:
    """Interleaved choices, then one chunk of usage."""
    stream = await gpt.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": HELLO}],
        n=2,
        stream=True,
        stream_options={"include_usage": True},
    )
    texts, finishes, usages = ["", ""], ["", ""], []
    async for chunk in stream:
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            finishes[choice.index] += choice.finish_reason or ""
        if chunk.usage is not None:
            usages.append(chunk.usage.completion_tokens)
    assert (texts, finishes, usages) == ([TEXT, TEXT], ["stop", "stop"], [34])


async def test_openai_chat_stream_helper(gpt: openai.AsyncOpenAI) -> None:
    """The accumulating helper ends with the same completion."""
    async with gpt.chat.completions.stream(model="m", messages=[{"role": "user", "content": HELLO}]) as stream:
        completion = await stream.get_final_completion()
    assert completion.choices[0].message.content == TEXT


async def test_openai_completions_whole_and_stream(gpt: openai.AsyncOpenAI) -> None:
    """Legacy completions, both ways."""
    whole = await gpt.completions.create(model="m", prompt=HELLO)
    assert whole.choices[0].text == TEXT
    stream = await gpt.completions.create(model="m", prompt=HELLO, stream=True)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks) == TEXT
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_openai_responses_whole(gpt: openai.AsyncOpenAI) -> None:
    """Output text and usage."""
    response = await gpt.responses.create(model="m", input=HELLO)
    assert (response.output_text, response.status) == (TEXT, "completed")
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (7, 17)


async def test_openai_responses_stream(gpt: openai.AsyncOpenAI) -> None:
    """Numbered without a gap from ``response.created`` to ``response.completed``."""
    stream = await gpt.responses.create(model="m", input=HELLO, stream=True)
    events = [event async for event in stream]
    assert list(range(len(events))) == [event.sequence_number for event in events]
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == TEXT
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")


async def test_openai_responses_stream_helper(gpt: openai.AsyncOpenAI) -> None:
    """The accumulating helper accepts every event."""
    async with gpt.responses.stream(model="m", input=HELLO) as stream:
        response = await stream.get_final_response()
    assert response.output_text == TEXT


async def test_anthropic_whole(claude: anthropic.AsyncAnthropic) -> None:
    """One text block, stop reason, usage."""
    message = await claude.messages.create(model="m", max_tokens=99, messages=[{"role": "user", "content": HELLO}])
    assert [block.text for block in message.content if block.type == "text"] == [TEXT]
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 17)


@pytest.mark.parametrize("ping", ["none", "event"])
async def test_anthropic_stream(claude: anthropic.AsyncAnthropic, ping: str) -> None:
    """Every event from ``message_start`` to ``message_stop``, its pings skipped by the SDK."""
    stream = await claude.messages.create(
        model="m",
        max_tokens=99,
        messages=[{"role": "user", "content": HELLO}],
        stream=True,
        extra_headers={"X-Mock-Ping": ping},
    )
    events = [event async for event in stream]
    assert (events[0].type, events[-1].type) == ("message_start", "message_stop")
    assert len(events) == 17 + 5


async def test_anthropic_stream_helper(claude: anthropic.AsyncAnthropic) -> None:
    """The accumulating helper ends with text and cumulative usage."""
    async with claude.messages.stream(
        model="m", max_tokens=99, messages=[{"role": "user", "content": HELLO}]
    ) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        message = await stream.get_final_message()
    assert text == TEXT
    assert (message.usage.input_tokens, message.usage.output_tokens) == (7, 17)


async def test_models_are_listed_for_both(gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
    """One document that both SDKs read."""
    assert [model.id async for model in gpt.models.list()] == ["mock"]
    assert [model.display_name async for model in claude.models.list()] == ["Mock"]


async def test_refusals_and_in_stream_errors_raise(gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic) -> None:
    """An HTTP error and an error in the stream are exceptions in the SDK that they are meant for."""
    with pytest.raises(openai.RateLimitError, match="told this status"):
        await gpt.responses.create(model="m", input=HELLO, extra_query={"status": "429"})
    with pytest.raises(anthropic.OverloadedError, match="told this status"):
        await claude.models.list(extra_query={"status": "529"})
    for path in ("chat", "responses"):
        with pytest.raises(openai.APIError, match="told to fail"):
            await _drain_openai(gpt, path)
    stream = await claude.messages.create(
        model="m",
        max_tokens=99,
        messages=[{"role": "user", "content": HELLO}],
        stream=True,
        extra_query={"error_after": "3"},
    )
    with pytest.raises(anthropic.APIStatusError, match="told to fail"):
        async for _ in stream:
            pass


async def _drain_openai(gpt: openai.AsyncOpenAI, api: str) -> None:
    query = {"error_after": "3"}
    if api == "chat":
        async for _ in await gpt.chat.completions.create(
            model="m", messages=[{"role": "user", "content": HELLO}], stream=True, extra_query=query
        ):
            pass
    else:
        async for _ in await gpt.responses.create(model="m", input=HELLO, stream=True, extra_query=query):
            pass
