"""``[[routes]]``: settings for some paths, and bridges, which put an EventSource in front of a POST API.

Read from the file only; ``bridge`` and ``bridge_model`` are the short form of the usual bridge. Dialects are named here
again, since settings know nothing of the core; a test compares.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from .values import (
    Accepts,
    HeartbeatMode,
    HeartbeatSeconds,
    PositiveSeconds,
    Reframe,
    Seconds,
)

__all__ = ["DIALECTS", "Route", "usual_bridge"]

DialectName = Literal[
    "a2a", "ag_ui", "ai_sdk_data", "ai_sdk_ui", "anthropic", "bedrock_converse", "bedrock_invoke", "cloudflare",
    "cohere", "dify", "fastchat", "gemini", "gemini_array", "generic", "langgraph", "langserve", "llamacpp",
    "lm_studio", "lmdeploy", "mcp", "ollama", "openai_chat", "openai_completions", "openai_responses", "replicate",
    "sglang_generate", "tgi", "tokens", "triton", "vllm_generate",
]  # fmt: skip
DIALECTS: tuple[str, ...] = get_args(DialectName)


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _json(value: dict[str, Any]) -> dict[str, Any]:
    # TOML has dates, and numbers that are none.
    try:
        json.dumps(value, allow_nan=False)
    except TypeError as error:
        raise ValueError("no JSON") from error
    return value


_Path = Annotated[
    str, Field(pattern=r"^(?:/[^\s?#*]*\*?|\*)$"), Accepts("a path that starts with /, or a prefix that ends in *")
]
# Of visible ASCII, since it goes into the request line as it is (RFC 9112 § 3.2).
_Target = Annotated[str, Field(pattern=r"^/[!-\"$-~]*$"), Accepts("a path of the upstream that starts with /")]
_Method = Annotated[str, Field(pattern=r"^[A-Z]+$"), BeforeValidator(_upper), Accepts("a method such as GET or POST")]
_Dialect = Annotated[DialectName, Accepts(f"one of {', '.join(DIALECTS)}")]
_Output = Annotated[Literal["native", "openai", "tokens"], Accepts("one of native, openai, tokens")]
_Body = Annotated[
    dict[str, Any],
    AfterValidator(_json),
    Accepts("a table, the JSON body for the upstream without dates"),
]


class Route(BaseModel):
    """One entry of ``[[routes]]``; what is not set is as for all other paths."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, hide_input_in_errors=True)

    path: _Path = Field(description="Exact, or a prefix that ends in *; the first route that matches wins.")
    method: _Method | None = Field(None, description="Only requests of this method.")
    dialect: _Dialect | None = Field(None, description="What the upstream speaks here, whatever it looks like.")
    reframe: Reframe | None = None
    output: _Output | None = Field(
        None, description="native (the default), openai (chat chunks) or tokens (the default of a bridge)."
    )
    heartbeat_seconds: HeartbeatSeconds | None = None
    heartbeat_mode: HeartbeatMode | None = None
    commit_after_seconds: Seconds | None = None
    connect_timeout_seconds: PositiveSeconds | None = None
    first_event_timeout_seconds: PositiveSeconds | None = None
    idle_timeout_seconds: PositiveSeconds | None = None
    total_timeout_seconds: Seconds | None = None
    completion_grace_seconds: Seconds | None = None
    client_stall_timeout_seconds: PositiveSeconds | None = None
    json_keepalive_seconds: Seconds | None = None
    upstream_path: _Target | None = Field(None, description="A bridge: where the upstream is asked.")
    upstream_method: _Method = Field("POST", description="A bridge: how the upstream is asked.")
    body: _Body | None = Field(
        None, description="A bridge: the upstream's JSON body; {name} in a string is filled from the request."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.upstream_path is None) != (self.body is None):
            name, partner = ("upstream_path", "body") if self.body is None else ("body", "upstream_path")
            raise PydanticCustomError("needs_partner", "{name} needs {partner}", {"name": name, "partner": partner})
        return self

    @property
    def is_bridge(self) -> bool:
        """Whether requests are turned into others."""
        return self.upstream_path is not None

    @property
    def effective_output(self) -> Literal["native", "openai", "tokens"]:
        """The output shape, the default included."""
        return self.output or ("tokens" if self.is_bridge else "native")

    def overrides(self) -> dict[str, object]:
        """The settings that are others here, by name."""
        own = {"path", "method", "dialect", "output", "upstream_path", "upstream_method", "body"}
        return {name: value for name, value in self if name not in own and value is not None}


_PROMPT = "{prompt}"
_MESSAGES = {"messages": [{"role": "user", "content": _PROMPT}], "stream": True}
#: Ending of a path → the body of a request with one prompt, the model left out.
_BODIES: tuple[tuple[str, dict[str, Any]], ...] = (
    (r"/chat/completions", _MESSAGES),
    (r"/completions", {"prompt": _PROMPT, "stream": True}),
    (r"/responses", {"input": _PROMPT, "stream": True}),
    (r"/v1/messages", {**_MESSAGES, "max_tokens": 4096}),
    (r"/v2/chat", _MESSAGES),
    (r"/api/chat", _MESSAGES),
    (r"/api/generate", {"prompt": _PROMPT, "stream": True}),
)
#: Where the model is in the path, or there is but one.
_BODIES_WITHOUT_MODEL: tuple[tuple[str, dict[str, Any]], ...] = (
    (r":streamGenerateContent", {"contents": [{"role": "user", "parts": [{"text": _PROMPT}]}]}),
    (r"/models/.+/generate_stream", {"text_input": _PROMPT, "parameters": {"stream": True}}),
    (r"/generate_stream", {"inputs": _PROMPT}),
    (r"/completion", {"prompt": _PROMPT, "stream": True}),
)


def usual_bridge(path: str, target: str, model: str | None) -> Route:
    """The bridge from *path* to *target*, for one prompt and the events of ``output = "tokens"``.

    Raises:
        ValueError: nobody knows what *target* takes, or it takes a *model* and there is none; with the reason.
    """
    bare = target.partition("?")[0].rstrip("/")
    if (body := _matching(_BODIES_WITHOUT_MODEL, bare)) is not None:
        return Route(path=path, upstream_path=target, body=body)
    if (body := _matching(_BODIES, bare)) is None:
        raise ValueError(f"{target} is no known API, expected a [[routes]] entry with a body of its own")
    if not model:
        raise ValueError(f"{target} needs a model, expected bridge_model to be set too")
    return Route(path=path, upstream_path=target, body={"model": model, **body})


def _matching(bodies: tuple[tuple[str, dict[str, Any]], ...], path: str) -> dict[str, Any] | None:
    return next((body for ending, body in bodies if re.search(ending + r"\Z", path)), None)
