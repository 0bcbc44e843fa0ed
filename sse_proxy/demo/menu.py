"""What the playground's page offers at the mock: the APIs, the switches that each takes, and what the defects are.

The page knows nothing of the mock's knobs but what stands here. Switches are told in the query, but for a bridge, whose
query is the prompt's: there they are headers (``X-Mock-…``), which a bridge hands on.
"""

from __future__ import annotations

import json

from .apis import api_for
from .blocks import JSONObject
from .defects import DEFECTS, check_defects

__all__ = ["BRIDGE", "BRIDGE_MODEL", "BRIDGE_TARGET", "DEFECT_TEXTS", "menu"]

#: The bridge that the demo has unless it is told others.
BRIDGE, BRIDGE_TARGET, BRIDGE_MODEL = "/chat/stream", "/v1/chat/completions", "mock"

DEFECT_TEXTS = {
    "bare_json": "JSON documents with nothing between them",
    "bare_lines": "JSON lines, under the type of an event stream",
    "bom": "a byte order mark in front",
    "coalesced": "three events in one write",
    "comment_in_data": "keep-alives written as data",
    "concatenated_json": "two JSON documents in one event",
    "cr": "lines end in CR alone",
    "crlf": "lines end in CR LF",
    "crlf_split": "CR LF, cut between the two",
    "double_data": "data: data: {…}",
    "empty_data": "events without data in between",
    "extra_blank_lines": "more blank lines than needed",
    "id_lines": "an id on each event",
    "invalid_utf8": "a byte that is no UTF-8",
    "literal_newlines": "line ends written as \\n\\n, in letters",
    "multi_line_data": "JSON over several data lines",
    "no_final_blank_line": "no blank line after the last event",
    "no_space": "data:{…} without the space",
    "nul_delimited": "JSON documents that end in NUL",
    "retry_field": "a retry field in front",
    "single_newline": "one line end between events, not two",
    "split_bytes": "every byte a write of its own",
    "split_json": "each JSON document over two events",
    "split_utf8": "writes that cut characters in two",
}

_HELLO: JSONObject = {"model": "mock", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
_GEMINI = "/v1beta/models/mock:streamGenerateContent"

#: Name, label, path, query, body; None: it is a GET.
_DIALECTS: tuple[tuple[str, str, str, str, JSONObject | None], ...] = (
    ("openai_chat", "OpenAI chat", "/v1/chat/completions", "", _HELLO),
    ("openai_completions", "OpenAI completions", "/v1/completions", "",
     {"model": "mock", "stream": True, "prompt": "Hello"}),
    ("openai_responses", "OpenAI Responses", "/v1/responses", "", {"model": "mock", "stream": True, "input": "Hello"}),
    ("anthropic", "Anthropic Messages", "/v1/messages", "", {**_HELLO, "max_tokens": 1024}),
    ("ollama", "Ollama, native lines", "/api/chat", "", _HELLO),
    ("gemini", "Gemini", _GEMINI, "alt=sse", {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}),
    ("generic", "Generic events (GET)", "/events", "", None),
)  # fmt: skip


def menu(*, bridged: bool) -> JSONObject:
    """The page's menu, JSON-ready; *bridged*: `BRIDGE` is a bridge to `BRIDGE_TARGET`, else an API of the mock."""
    rows = [_row(*dialect) for dialect in _DIALECTS]
    prompt: JSONObject = {"prompt": "Hello"}
    if bridged:
        tokens = _row("tokens", "Bridge: a prompt in, tokens out", BRIDGE, "", prompt)
        chat = rows[0]
        # What the bridge asks is what the lane without the proxy has to ask for.
        asked = {"path": chat["path"], "body": chat["body"]}
        tokens |= {"knobs": "headers", "defects": chat["defects"], "upstream": asked}
    else:
        tokens = _row("tokens", "Token events", BRIDGE, "", prompt)
    return {"dialects": [*rows, tokens], "defects": DEFECT_TEXTS, "stats": "/mock/stats"}


def _row(name: str, label: str, path: str, query: str, body: JSONObject | None) -> JSONObject:
    return {
        "name": name,
        "label": label,
        "method": "GET" if body is None else "POST",
        "path": path,
        "query": query,
        "body": None if body is None else json.dumps(body),
        "knobs": "query",
        "defects": _defects(path, query, body),
        "upstream": None,
    }


def _defects(path: str, query: str, body: JSONObject | None) -> list[str]:
    """The defects that have a meaning there, sorted."""
    api = api_for(path, query.encode(), body)
    return [name for name in sorted(DEFECTS) if _is_curable(api.name, api.framing, name)]


def _is_curable(dialect: str, framing: str, defect: str) -> bool:
    try:
        check_defects(dialect, frozenset({defect}), framing=framing)
    except ValueError:
        return False
    return True
