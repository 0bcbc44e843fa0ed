"""The official anthropic SDK against a real llama-server's Messages API: whole, cancelled and refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import anthropic
import pytest

from .figures import Figures, Watch
from .requests import ENDLESS, EXACT, MAX_TOKENS, MESSAGES, MODEL, TOO_LONG, whole_answer
from .servers import Llama, Target

pytestmark = pytest.mark.e2e_llm


@pytest.fixture
def client(target: Target) -> Iterator[anthropic.Anthropic]:
    """Return the SDK as users make it, without retries, so that a failure is seen."""
    with anthropic.Anthropic(base_url=target.url, api_key="test", max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
async def async_client(target: Target) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Return the asynchronous SDK."""
    async with anthropic.AsyncAnthropic(base_url=target.url, api_key="test", max_retries=0, timeout=60) as client:
        yield client


def test_messages_give_the_whole_text_and_the_usage(
    client: anthropic.Anthropic, llama: Llama, figures: Figures
) -> None:
    """The SDK's stream helper gives the same text as the answer in one piece, with stop reason and usage."""
    watch = Watch()
    with client.messages.stream(
        model=MODEL, messages=MESSAGES, max_tokens=MAX_TOKENS, extra_body={"temperature": 0, **EXACT}
    ) as stream:
        for event in stream:
            watch.event(event.text if event.type == "text" else None)
        final = stream.get_final_message()
    figures.rows.append(watch.row("anthropic messages", tokens=final.usage.output_tokens))
    assert (watch.text, final.stop_reason in {"end_turn", "max_tokens"}) == (whole_answer(llama, "messages"), True)


async def test_async_messages_give_the_whole_text(
    async_client: anthropic.AsyncAnthropic, llama: Llama, figures: Figures
) -> None:
    """The asynchronous SDK reads the same stream."""
    watch = Watch()
    async with async_client.messages.stream(
        model=MODEL, messages=MESSAGES, max_tokens=MAX_TOKENS, extra_body={"temperature": 0, **EXACT}
    ) as stream:
        async for text in stream.text_stream:
            watch.event(text)
    figures.rows.append(watch.row("anthropic messages, async"))
    assert watch.text == whole_answer(llama, "messages")


def test_the_model_stops_when_the_client_leaves(client: anthropic.Anthropic, llama: Llama, figures: Figures) -> None:
    """Closing the stream in the middle frees the model's slot at once."""
    watch = Watch()
    with client.messages.stream(model=MODEL, messages=MESSAGES, max_tokens=2048, extra_body=ENDLESS) as stream:
        for text in stream.text_stream:
            watch.event(text)
            if watch.events == 5:
                break
        assert llama.busy()
    seconds = llama.seconds_until(busy=False, limit_seconds=2)
    figures.rows.append(watch.row("anthropic messages, closed", note=f"slot idle after {seconds:.2f} s"))


def test_a_prompt_over_the_context_is_a_bad_request(client: anthropic.Anthropic) -> None:
    """The upstream's own 400 reaches the SDK as its exception, with the upstream's reason."""
    with pytest.raises(anthropic.BadRequestError, match="context size") as caught:
        client.messages.create(model=MODEL, messages=[{"role": "user", "content": TOO_LONG}], max_tokens=8, stream=True)
    assert caught.value.status_code == 400
