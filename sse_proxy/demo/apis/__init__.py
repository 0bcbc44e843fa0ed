"""The APIs that the mock speaks, by path."""

from __future__ import annotations

import re

from ..blocks import JSONObject
from .anthropic import ANTHROPIC
from .base import ERROR_MESSAGE, INPUT_TOKENS, Api, Ask
from .frameworks import FRAMEWORKS
from .generic import EVENTS
from .google import GEMINI, GEMINI_ARRAY
from .hosted import BEDROCK_CONVERSE, BEDROCK_INVOKE, CLOUDFLARE, COHERE, REPLICATE
from .openai_chat import CHAT, COMPLETIONS
from .openai_responses import RESPONSES
from .selfhosted import SELF_HOSTED

__all__ = ["APIS", "ERROR_MESSAGE", "EVENTS", "INPUT_TOKENS", "PATHS", "Api", "Ask", "api_for", "api_path"]

#: Several may share a path: `api_for` tells them apart.
APIS: tuple[Api, ...] = (
    *(CHAT, COMPLETIONS, RESPONSES, ANTHROPIC, EVENTS, GEMINI, GEMINI_ARRAY, COHERE, BEDROCK_CONVERSE, BEDROCK_INVOKE),
    *(CLOUDFLARE, REPLICATE, *SELF_HOSTED, *FRAMEWORKS),
)
PATHS = frozenset(api.path for api in APIS)

#: What of a path names a model or an account, which may be any; and where the same API is under a prefix.
_NAMES = (
    # Groq's, and Azure's.
    (re.compile(r"/openai/(?:v1|deployments/[^/]+)/chat/completions"), CHAT.path),
    (re.compile(r".*/(?:publishers/google/)?models/[^/:]+:streamGenerateContent"), GEMINI.path),
    (re.compile(r"/model/[^/]+/converse-stream"), BEDROCK_CONVERSE.path),
    (re.compile(r"/model/[^/]+/invoke-with-response-stream"), BEDROCK_INVOKE.path),
    (re.compile(r".*/ai/run/.+"), CLOUDFLARE.path),
    (re.compile(r"/v2/models/[^/]+/generate_stream"), "/v2/models/mock/generate_stream"),
    (re.compile(r"/v1/streams/[^/]+"), REPLICATE.path),
    (re.compile(r"(?:/threads/[^/]+)?/runs/stream"), "/threads/mock/runs/stream"),
)


def api_path(path: str) -> str:
    """*path* with every name in it replaced by the one that the table has."""
    return next((known for pattern, known in _NAMES if pattern.fullmatch(path)), path)


def api_for(path: str, query: bytes = b"", body: JSONObject | None = None) -> Api:
    """The API at *path*, one of `PATHS`; Gemini's form is told by the query, ``/generate`` by the body."""
    if path == GEMINI.path:
        return GEMINI if b"alt=sse" in query else GEMINI_ARRAY
    found = [api for api in APIS if api.path == path]
    return found[0] if "prompt" in (body or {}) else found[-1]
