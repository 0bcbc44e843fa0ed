"""What must stand in a body, in plain sight, before its answer may pass for complete: an opinion of our own.

Written from the catalogue (formats.md § C, rule 6), without the code under test. Dialects that are not here complete at
the end of their body.
"""

from __future__ import annotations

import base64
import re

from .case import Case

__all__ = ["may_be_complete"]

_CHAT = rb"finish_reason|\[DONE\]"
_ANTHROPIC = rb'message_stop|stop_reason|"message"'

_SIGNALS = {
    name: re.compile(pattern)
    for name, pattern in {
        "openai_chat": _CHAT + rb'|"message"',
        "openai_completions": _CHAT,
        "openai_responses": rb"response\.completed|response\.incomplete|\"completed\"|\"incomplete\"|\"response\"",
        "anthropic": _ANTHROPIC,
        "gemini": rb"finishReason|blockReason",
        "gemini_array": rb"finishReason|blockReason",
        "cohere": rb"message-end|finish_reason",
        "bedrock_converse": rb"messageStop",
        "bedrock_invoke": _ANTHROPIC + rb"|completionReason|messageStop",
        "cloudflare": _CHAT,
        "replicate": rb"done",
        "ollama": rb'"done"',
        "tgi": rb"generated_text",
        "sglang_generate": _CHAT,
        "lmdeploy": rb"finish_reason",
        "llamacpp": rb'"stop"',
        "lm_studio": rb"chat\.end",
        "dify": rb"message_end|workflow_finished",
        "ai_sdk_ui": rb"finish|abort|\[DONE\]",
        "ai_sdk_data": rb"d:",
        "a2a": rb'"final"|"state"|"message"',
        "ag_ui": rb"RUN_FINISHED",
        "tokens": rb"done|\[DONE\]",
        "terminal": rb"done",
    }.items()
}
#: A signal that was cut over several lines or events, escaped, or packed, is put together first.
_BETWEEN = re.compile(rb"[\r\n\0]+(?:(?:data|event):? ?)*+")
_PACKED = re.compile(rb'"bytes":\s*"([A-Za-z0-9+/]+=*)"')


def may_be_complete(case: Case, dialect: str) -> bool:
    """Whether anything in the body says that an answer of *dialect* is over."""
    signal = _SIGNALS.get("terminal" if case.name == "terminal" else dialect)
    if signal is None or b"\\u" in case.body:
        return True
    return any(signal.search(text) for text in (case.body, _BETWEEN.sub(b"", case.body), *_unpacked(case.body)))


def _unpacked(body: bytes) -> list[bytes]:
    return [base64.b64decode(packed) for packed in _PACKED.findall(body) if len(packed) % 4 == 0]
