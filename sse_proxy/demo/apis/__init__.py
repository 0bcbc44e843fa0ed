"""The APIs that the mock speaks, by path."""

from __future__ import annotations

from .anthropic import ANTHROPIC
from .base import ERROR_MESSAGE, INPUT_TOKENS, Api, Ask
from .generic import EVENTS
from .openai_chat import CHAT, COMPLETIONS
from .openai_responses import RESPONSES

__all__ = ["APIS", "ERROR_MESSAGE", "EVENTS", "INPUT_TOKENS", "Api", "Ask"]

APIS: dict[str, Api] = {api.path: api for api in (CHAT, COMPLETIONS, RESPONSES, ANTHROPIC, EVENTS)}
