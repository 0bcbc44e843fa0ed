"""The table of dialects: one row per API, looked up by what a request shows, or by the response.

Adding an API means adding its row to `DIALECTS`, and its tests.
"""

from __future__ import annotations

from ..headers import RawHeaders, first
from ..sse import Event
from .ag_ui import AG_UI
from .ai_sdk import AI_SDK_DATA, AI_SDK_UI
from .anthropic import ANTHROPIC
from .base import ANY_PATH, Dialect, JSONObject, Sign, StreamState, compact
from .bedrock import BEDROCK_CONVERSE, BEDROCK_INVOKE
from .cloudflare import CLOUDFLARE
from .cohere import COHERE
from .deltas import Delta, ToolCall
from .dify import DIFY
from .gemini import GEMINI, GEMINI_ARRAY
from .generic import GENERIC, generic_with_terminal
from .json_rpc import A2A, MCP
from .langchain import LANGGRAPH, LANGSERVE
from .llamacpp import LLAMACPP, LM_STUDIO
from .native_generate import FASTCHAT, LMDEPLOY, SGLANG_GENERATE, VLLM_GENERATE
from .ollama import OLLAMA
from .openai_chat import CHAT, COMPLETIONS
from .openai_responses import RESPONSES
from .replicate import REPLICATE
from .tgi import TGI, TRITON
from .tokens import TOKENS
from .voice import Voice, document_voice

__all__ = [
    "DIALECTS",
    "GENERIC",
    "Delta",
    "Dialect",
    "Sign",
    "StreamState",
    "ToolCall",
    "Voice",
    "compact",
    "dialect_by_name",
    "dialect_for",
    "dialect_of_first_event",
    "dialect_of_head",
    "document_voice",
    "generic_with_terminal",
    "may_read_body",
]  # fmt: skip

#: In order of lookup; the first row that fits wins.
DIALECTS: tuple[Dialect, ...] = (
    # Those that a path tells.
    *(CHAT, COMPLETIONS, RESPONSES, ANTHROPIC, GEMINI, GEMINI_ARRAY, COHERE, BEDROCK_CONVERSE, BEDROCK_INVOKE),
    *(OLLAMA, TRITON, TGI, VLLM_GENERATE, SGLANG_GENERATE, FASTCHAT, LMDEPLOY, LLAMACPP, LM_STUDIO, DIFY),
    # Those that a part of the path, a header or the body tells.
    *(CLOUDFLARE, REPLICATE, LANGGRAPH, LANGSERVE, A2A, MCP),
    # Those that only the response tells.
    *(AI_SDK_UI, AI_SDK_DATA, AG_UI, TOKENS),
)

_BY_NAME = {dialect.name: dialect for dialect in (*DIALECTS, GENERIC)}
_BY_HEAD = tuple((*dialect.response_header, dialect) for dialect in DIALECTS if dialect.response_header is not None)
_SPEAKERS = tuple((dialect.speaks, dialect) for dialect in DIALECTS if dialect.speaks is not None)


def dialect_for(
    method: str, path: str, query: bytes = b"", headers: RawHeaders = (), document: JSONObject | None = None
) -> Dialect:
    """The dialect of a request; `GENERIC` when no row knows it.

    Args:
        method: As on the wire.
        path: Decoded, without query.
        query: As on the wire.
        headers: Names in lower case.
        document: The body's JSON object; {} when it is none, None when it was not looked into.
    """
    sign = Sign(method=method, path=path.rstrip("/"), query=query, headers=headers, document=document)
    for dialect in DIALECTS:
        if method in dialect.methods and sign.path.endswith(dialect.paths) and dialect.claims(sign):
            return dialect
    return GENERIC


def may_read_body(method: str, path: str) -> bool:
    """Whether a row that this *path* fits can only be told, or told to stream, by the whole body."""
    bare = path.rstrip("/")
    return any(
        dialect.reads_body and method in dialect.methods and dialect.paths != ANY_PATH and bare.endswith(dialect.paths)
        for dialect in DIALECTS
    )


def dialect_by_name(name: str) -> Dialect:
    """The row of that *name*.

    Raises:
        KeyError: there is none.
    """
    return _BY_NAME[name]


def dialect_of_head(headers: RawHeaders) -> Dialect | None:
    """The dialect that the headers of a response tell of, if any."""
    for name, value, dialect in _BY_HEAD:
        told = first(headers, name)
        if told is not None and told.lower().startswith(value):
            return dialect
    return None


def dialect_of_first_event(event: Event, payload: JSONObject) -> Dialect | None:
    """The dialect that the first event of a stream tells of, if any; *payload* is {} where it is no JSON object."""
    for speaks, dialect in _SPEAKERS:
        if speaks(event, payload):
            return dialect
    return None
