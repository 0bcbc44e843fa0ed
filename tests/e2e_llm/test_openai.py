"""The official openai SDK against a real llama-server: chat, completions, responses; whole, cancelled, refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import openai
import pytest

from .figures import Figures, Watch
from .requests import ENDLESS, EXACT, MAX_TOKENS, MESSAGES, MODEL, PROMPT, TOO_LONG, whole_answer
from .servers import Llama, Target

pytestmark = pytest.mark.e2e_llm


@pytest.fixture
def client(target: Target) -> Iterator[openai.OpenAI]:
    """Return the SDK as users make it, without retries, so that a failure is seen."""
    with openai.OpenAI(base_url=f"{target.url}/v1", api_key="test", max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
async def async_client(target: Target) -> AsyncIterator[openai.AsyncOpenAI]:
    """Return the asynchronous SDK."""
    async with openai.AsyncOpenAI(base_url=f"{target.url}/v1", api_key="test", max_retries=0, timeout=60) as client:
        yield client


def test_chat_gives_the_whole_text_and_the_usage(client: openai.OpenAI, llama: Llama, figures: Figures) -> None:
    """Streamed chat is the same text as the answer in one piece, with finish reason and usage."""
    watch, finish, usage = Watch(), None, None
    for chunk in client.chat.completions.create(
        model=MODEL,
        messages=MESSAGES,
        max_tokens=MAX_TOKENS,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
        extra_body=EXACT,
    ):
        watch.event(chunk.choices[0].delta.content if chunk.choices else None)
        finish = chunk.choices[0].finish_reason if chunk.choices else finish
        usage = chunk.usage or usage
    assert usage is not None
    figures.rows.append(watch.row("openai chat", tokens=usage.completion_tokens))
    assert (watch.text, finish in {"stop", "length"}) == (whole_answer(llama, "chat"), True)


async def test_async_chat_gives_the_whole_text(
    async_client: openai.AsyncOpenAI, llama: Llama, figures: Figures
) -> None:
    """The asynchronous SDK reads the same stream."""
    watch = Watch()
    async for chunk in await async_client.chat.completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=MAX_TOKENS, temperature=0, stream=True, extra_body=EXACT
    ):
        watch.event(chunk.choices[0].delta.content if chunk.choices else None)
    figures.rows.append(watch.row("openai chat, async"))
    assert watch.text == whole_answer(llama, "chat")


def test_completions_give_the_whole_text(client: openai.OpenAI, llama: Llama, figures: Figures) -> None:
    """The older completions API streams the same text as its answer in one piece."""
    watch = Watch()
    for chunk in client.completions.create(
        model=MODEL, prompt=PROMPT, max_tokens=MAX_TOKENS, temperature=0, stream=True, extra_body=EXACT
    ):
        watch.event(chunk.choices[0].text if chunk.choices else None)
    figures.rows.append(watch.row("openai completions"))
    assert watch.text == whole_answer(llama, "completions")


def test_responses_give_the_whole_text_and_the_usage(client: openai.OpenAI, llama: Llama, figures: Figures) -> None:
    """The Responses API ends with `response.completed`, which holds the text and the usage."""
    watch, final = Watch(), None
    for event in client.responses.create(
        model=MODEL, input=MESSAGES, max_output_tokens=MAX_TOKENS, temperature=0, stream=True, extra_body=EXACT
    ):
        watch.event(event.delta if event.type == "response.output_text.delta" else None)
        if event.type in {"response.completed", "response.incomplete"}:
            final = event.response
    assert final is not None
    assert final.usage is not None
    figures.rows.append(watch.row("openai responses", tokens=final.usage.output_tokens))
    assert (watch.text, final.output_text) == (whole_answer(llama, "responses"),) * 2


async def test_async_responses_give_the_whole_text(
    async_client: openai.AsyncOpenAI, llama: Llama, figures: Figures
) -> None:
    """The asynchronous SDK reads the same Responses stream."""
    watch = Watch()
    async for event in await async_client.responses.create(
        model=MODEL, input=MESSAGES, max_output_tokens=MAX_TOKENS, temperature=0, stream=True, extra_body=EXACT
    ):
        watch.event(event.delta if event.type == "response.output_text.delta" else None)
    figures.rows.append(watch.row("openai responses, async"))
    assert watch.text == whole_answer(llama, "responses")


def test_a_plain_answer_passes(client: openai.OpenAI, llama: Llama) -> None:
    """An answer that is no stream passes through as it is."""
    answer = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, max_tokens=MAX_TOKENS, temperature=0, extra_body=EXACT
    )
    assert answer.choices[0].message.content == whole_answer(llama, "chat")


def test_the_model_stops_when_the_client_leaves(
    client: openai.OpenAI, llama: Llama, target: Target, figures: Figures
) -> None:
    """Closing a stream of the SDK in the middle frees the model's slot at once, and is counted as what it was."""
    before = target.streams_total("client_disconnected")
    watch = Watch()
    with client.chat.completions.create(model=MODEL, messages=MESSAGES, stream=True, extra_body=ENDLESS) as stream:
        for chunk in stream:
            watch.event(chunk.choices[0].delta.content)
            if watch.events == 5:
                break
        assert llama.busy()
    seconds = llama.seconds_until(busy=False, limit_seconds=2)
    figures.rows.append(watch.row("openai chat, closed", note=f"slot idle after {seconds:.2f} s"))
    target.wait_for_streams("client_disconnected", before + 1)


async def test_the_model_stops_when_the_async_client_leaves(
    async_client: openai.AsyncOpenAI, llama: Llama, figures: Figures
) -> None:
    """The asynchronous SDK's close reaches the model as well, in the Responses API too."""
    watch = Watch()
    async with await async_client.responses.create(
        model=MODEL, input=MESSAGES, stream=True, extra_body=ENDLESS
    ) as stream:
        async for event in stream:
            watch.event(event.delta if event.type == "response.output_text.delta" else None)
            if watch.events == 12:  # some of them come before the first text
                break
        assert llama.busy()
    seconds = llama.seconds_until(busy=False, limit_seconds=2)
    figures.rows.append(watch.row("openai responses, async, closed", note=f"slot idle after {seconds:.2f} s"))


@pytest.mark.parametrize(
    "path, body",
    [
        ("/chat/completions", {"messages": [{"role": "user", "content": TOO_LONG}]}),
        ("/completions", {"prompt": TOO_LONG}),
        ("/responses", {"input": TOO_LONG}),
    ],
    ids=["chat", "completions", "responses"],
)
def test_a_prompt_over_the_context_is_a_bad_request(client: openai.OpenAI, path: str, body: dict[str, object]) -> None:
    """The upstream's own 400 reaches the SDK as its exception, with the upstream's reason."""
    with pytest.raises(openai.BadRequestError, match="context size") as caught:
        client.post(path, cast_to=object, body={"model": MODEL, "stream": True, **body})
    assert caught.value.status_code == 400
