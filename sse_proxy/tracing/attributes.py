"""What a span says: by OpenTelemetry's conventions for HTTP and GenAI, else in words of our own (``sse_proxy.…``).

Pure, and without OpenTelemetry. Values come from closed sets, but for the models, which are the caller's and the
upstream's own text and are cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.requests import RequestFacts
from ..errors import Outcome, SSEProxyError
from ..metrics.base import StreamReport

__all__ = ["NOBODYS_FAULT", "Attributes", "at_start", "error_type", "of_model", "of_stream", "route_of", "span_name"]

Attributes = dict[str, str | int | float | bool | Sequence[str]]

#: Outcomes that make no failed span, as they make no warning in the log.
NOBODYS_FAULT = frozenset({Outcome.COMPLETED, Outcome.CLIENT_DISCONNECTED, Outcome.STOPPED})

#: Of RFC 9110 § 9 and RFC 5789; the conventions have one word for all others.
_METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_MAX_MODEL_CHARACTERS = 256

#: Dialect, ending of the path, ``gen_ai.operation.name``, and ``gen_ai.provider.name`` where the API is one provider's:
#: the first that fits. OpenAI's is spoken by many servers; to the conventions the provider is whose format it is.
_OPERATIONS = (
    ("openai_chat", "", "chat", "openai"),
    ("openai_completions", "", "text_completion", "openai"),
    ("openai_responses", "", "chat", "openai"),
    ("anthropic", "", "chat", "anthropic"),
    ("bedrock_converse", "", "chat", "aws.bedrock"),
    ("bedrock_invoke", "", "", "aws.bedrock"),
    ("cohere", "", "chat", "cohere"),
    ("gemini", "", "generate_content", "gcp.gen_ai"),
    ("gemini_array", "", "generate_content", "gcp.gen_ai"),
    ("ollama", "/generate", "text_completion", "ollama"),
    ("ollama", "/chat", "chat", "ollama"),
    ("ollama", "", "", "ollama"),  # behind a bridge, whose path tells nothing
    ("llamacpp", "", "text_completion", ""),
    ("lm_studio", "", "chat", ""),
    ("tgi", "", "text_completion", ""),
    ("triton", "", "text_completion", ""),
    ("vllm_generate", "", "text_completion", ""),
    ("sglang_generate", "", "text_completion", ""),
)
#: Types of tokens in a `StreamReport`, and what the conventions call them.
_USAGE = {
    "input": "gen_ai.usage.input_tokens",
    "output": "gen_ai.usage.output_tokens",
    "cached_input": "gen_ai.usage.cache_read.input_tokens",
    "reasoning_output": "gen_ai.usage.reasoning.output_tokens",
}


def at_start(scope: Mapping[str, Any]) -> Attributes:
    """What is known when a request begins, so that a sampler may go by it."""
    method = scope["method"]
    return {
        "http.request.method": method if method in _METHODS else "_OTHER",
        "url.scheme": scope.get("scheme", "http"),
        "network.protocol.version": scope["http_version"],
    }


def route_of(scope: Mapping[str, Any], path: str, facts: RequestFacts | None) -> str | None:
    """``http.route`` of a request for *path*: never the path itself; None where no route is known.

    That of the settings' own route, else of the application's framework (Starlette's and FastAPI's way to tell), else
    the ending of the path by which the API was recognised.
    """
    for known in (scope.get("sse_proxy.rule"), scope.get("route")):
        if isinstance(route := getattr(known, "path", None), str):
            return route
    if facts is None:
        return None
    path = path.rstrip("/")
    return next((ending for ending in facts.dialect.paths if ending and path.endswith(ending)), None)


def span_name(scope: Mapping[str, Any], route: str | None) -> str:
    """Method and route, as the conventions for HTTP have it."""
    method = scope["method"] if scope["method"] in _METHODS else "HTTP"
    return method if route is None else f"{method} {route}"


def of_model(dialect: str, path: str, facts: RequestFacts, model: str) -> Attributes:
    """What is known of the generation; nothing where the API is not known to be one of a model."""
    row = next((row for row in _OPERATIONS if row[0] == dialect and path.rstrip("/").endswith(row[1])), None)
    if row is None:
        return {}
    found: Attributes = {
        "gen_ai.operation.name": row[2],
        "gen_ai.provider.name": row[3],
        "gen_ai.request.model": facts.model[:_MAX_MODEL_CHARACTERS],
        "gen_ai.response.model": model[:_MAX_MODEL_CHARACTERS],
    }
    if facts.choices > 1:
        found["gen_ai.request.choice.count"] = facts.choices
    return {name: value for name, value in found.items() if value}


def of_stream(numbers: StreamReport, *, is_model: bool) -> Attributes:
    """The numbers of a stream; of tokens and times in GenAI's words only where it *is_model*'s."""
    found: Attributes = {
        "sse_proxy.dialect": numbers.dialect,
        "sse_proxy.events": numbers.events,
        "sse_proxy.heartbeats": sum(numbers.heartbeats.values()),
        "sse_proxy.repairs": sum(numbers.repairs.values()),
        "sse_proxy.bytes_in": numbers.bytes_in,
        "sse_proxy.bytes_out": numbers.bytes_out,
    }
    if numbers.first_event_seconds is not None:
        found["sse_proxy.time_to_first_event_seconds"] = numbers.first_event_seconds
    if not is_model:
        return found
    found["gen_ai.request.stream"] = True
    if numbers.first_event_seconds is not None:
        found["gen_ai.response.time_to_first_chunk"] = numbers.first_event_seconds
    return found | {_USAGE[kind]: count for kind, count in numbers.tokens.items() if kind in _USAGE}


def error_type(outcome: Outcome | None, error: Exception | None, code: int) -> str | None:
    """``error.type``: what went wrong on our side or the upstream's; None where nothing did, or the caller erred.

    *outcome*: of the response; *error*: what the request ended with, where there was no response to have an outcome.
    """
    if outcome is None and isinstance(error, SSEProxyError):
        outcome = error.outcome
    if outcome is not None:
        harmless = outcome in NOBODYS_FAULT or (outcome is Outcome.REJECTED and code < 500)
        return None if harmless else outcome.value
    if error is not None:
        return type(error).__qualname__
    return str(code) if code >= 500 else None
