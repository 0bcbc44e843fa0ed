"""`core.clients`: which client needs what, by its own headers."""

from __future__ import annotations

import pytest

from sse_proxy.core.clients import COMMON, Variant, is_event_source, variant_of
from sse_proxy.core.headers import HeaderList

DATA = Variant(prefers_data=True)
SCRIPT = Variant(prefers_data=True, splits_blocks=True)
NAMED = Variant(wants_named_errors=True)
ABORT = Variant(needs_abort=True)


def agent(value: bytes) -> HeaderList:
    """A ``User-Agent``."""
    return [(b"user-agent", value)]


def google(value: bytes) -> HeaderList:
    """An ``X-Goog-Api-Client``."""
    return [(b"x-goog-api-client", value)]


@pytest.mark.parametrize(
    ("headers", "variant"),
    [
        ([], COMMON),
        (agent(b"curl/8.5.0"), COMMON),
        (agent(b"OpenAI/Python 3.54.0"), COMMON),
        ([(b"sec-fetch-mode", b"cors")], SCRIPT),
        ([(b"sec-fetch-mode", b"cors"), *agent(b"Mozilla/5.0")], SCRIPT),
        (agent(b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"), SCRIPT),
        ([(b"x-stainless-lang", b"js"), *agent(b"Mozilla/5.0")], COMMON),
        ([(b"x-stainless-lang", b"js"), (b"sec-fetch-mode", b"cors"), *agent(b"OpenAI/JS 6.49.0")], COMMON),
        (agent(b"langchain4j-openai/1.0"), NAMED),
        (agent(b"LangChain4j"), NAMED),
        (agent(b"Go-http-client/1.1"), DATA),
        (agent(b"Go-http-client/2.0"), DATA),
        ([(b"x-stainless-lang", b"go"), *agent(b"OpenAI/Go 3.43.0")], COMMON),
        (google(b"google-genai-sdk/1.20.0 gl-python/3.11.2"), ABORT),
        (google(b"agent/1 google-genai-sdk/0.9 gl-python/3.11.2"), ABORT),
        (google(b"google-genai-sdk/3.4.0 gl-python/3.11.2"), COMMON),
        (google(b"google-genai-sdk/2.32.0 gl-node/v20.19.2"), COMMON),
        (google(b"genai-js/0.24.1"), ABORT),
    ],
)
def test_variant(headers: HeaderList, variant: Variant) -> None:
    """A client is told by the header that names it; all others get the common form."""
    assert variant_of(headers) == variant


EVENT_SOURCE = [(b"accept", b"text/event-stream"), (b"cache-control", b"no-cache")]


@pytest.mark.parametrize(
    ("headers", "is_one"),
    [
        ([*EVENT_SOURCE, (b"sec-fetch-mode", b"cors")], True),
        ([*EVENT_SOURCE, *agent(b"Mozilla/5.0 (Macintosh)")], True),
        ([*EVENT_SOURCE, *agent(b"python-requests/2.32")], False),
        ([EVENT_SOURCE[0], (b"sec-fetch-mode", b"cors")], False),
        ([(b"accept", b"*/*"), EVENT_SOURCE[1], (b"sec-fetch-mode", b"cors")], False),
        ([(b"accept", b"text/event-stream, */*"), EVENT_SOURCE[1], (b"sec-fetch-mode", b"cors")], False),
        ([], False),
    ],
)
def test_a_browsers_eventsource_is_known_by_what_it_sends(headers: HeaderList, is_one: bool) -> None:
    """Nothing but event streams, from no cache; other clients may say the same, but are no browsers."""
    assert is_event_source(headers) is is_one
