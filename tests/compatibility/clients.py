"""The rows of the matrix: one way of asking one client for a stream."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from sse_proxy.demo.apis import APIS, Api

from ..conftest import require_component

__all__ = ["CLIENTS", "Client", "Runtime"]

Runtime = Literal["python", "node", "browser"]

_PACKAGES = Path(__file__).parent.parent / "js" / "node_modules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One row."""

    #: What the page calls it, without the runtime.
    name: str
    #: Whose version counts, one or several with spaces between them.
    package: str
    runtime: Runtime
    #: Of `python_clients`, or of ``tests/js/clients``.
    module: str
    #: What the module calls it.
    call: str
    #: Path of the API at the mock that it speaks, or is served by.
    path: str = "/v1/chat/completions"
    #: Behind the base URL.
    prefix: str = ""
    #: It can only GET, and the proxy makes a chat request of that: there is no way without the proxy.
    bridged: bool = False

    def __str__(self) -> str:
        return f"{self.runtime}-{self.module}-{self.call}"

    @property
    def api(self) -> Api:
        """What is spoken."""
        return next(api for api in APIS if api.path == self.path)

    @property
    def version(self) -> str:
        """What is installed of the package."""
        if self.runtime == "python":
            installed: str = version(self.package)
            return installed
        if self.runtime == "browser":
            told = subprocess.run([require_component("chromium"), "--version"], capture_output=True, check=True)
            return next(word for word in told.stdout.decode().split() if word[0].isdigit())
        manifests = (_PACKAGES / package / "package.json" for package in self.package.split())
        versions = ", ".join(str(json.loads(manifest.read_text())["version"]) for manifest in manifests)
        return f"{versions}, on {_node_release()}"


@cache
def _node_release() -> str:
    """Node.js and its major version: what it can decode is another thing in each."""
    told = subprocess.run([require_component("node"), "--version"], capture_output=True, check=True)
    return f"Node.js {told.stdout.decode().strip().removeprefix('v').partition('.')[0]}"


def _python(name: str, package: str, module: str, call: str, path: str = "/v1/chat/completions") -> Client:
    return Client(name=name, package=package, runtime="python", module=module, call=call, path=path)


def _node(
    name: str, package: str, module: str, call: str, path: str = "/v1/chat/completions", *, prefix: str = ""
) -> Client:
    return Client(name=name, package=package, runtime="node", module=module, call=call, path=path, prefix=prefix)


def _chromium(name: str, call: str, path: str = "/v1/chat/completions") -> Client:
    return Client(name=name, package="chromium", runtime="browser", module="chromium", call=call, path=path)


_RESPONSES, _MESSAGES, _COHERE = "/v1/responses", "/v1/messages", "/v2/chat"
_GEMINI, _OLLAMA, _TGI = "/v1beta/models/mock:streamGenerateContent", "/api/chat", "/generate_stream"
_TOKENS = "/chat/stream"

CLIENTS: tuple[Client, ...] = (
    _python("openai, chat", "openai", "openai_sdk", "chat"),
    _python("openai, Responses", "openai", "openai_sdk", "responses", _RESPONSES),
    _python("anthropic", "anthropic", "anthropic_sdk", "messages", _MESSAGES),
    _python("google-genai", "google-genai", "google_genai", "generate_content_stream", _GEMINI),
    _python("ollama", "ollama", "ollama_client", "chat", _OLLAMA),
    _python("cohere, v2", "cohere", "cohere_sdk", "chat", _COHERE),
    _python("mistralai", "mistralai", "mistral_sdk", "chat"),
    _python("groq", "groq", "groq_sdk", "chat"),
    _python("together", "together", "together_sdk", "chat"),
    _python("huggingface_hub, chat", "huggingface_hub", "huggingface", "chat"),
    _python("huggingface_hub, TGI", "huggingface_hub", "huggingface", "text_generation", _TGI),
    _python("langchain-openai", "langchain-openai", "langchain_chat", "chat"),
    _python("httpx-sse", "httpx-sse", "httpx_sse_reader", "chat"),
    _node("openai, chat", "openai", "openai", "chat", prefix="/v1"),
    _node("openai, Responses", "openai", "openai", "responses", _RESPONSES, prefix="/v1"),
    _node("@anthropic-ai/sdk", "@anthropic-ai/sdk", "anthropic", "messages", _MESSAGES),
    _node("@google/genai", "@google/genai", "google-genai", "generateContentStream", _GEMINI),
    _node("ai, @ai-sdk/openai, chat", "ai @ai-sdk/openai", "ai", "openai"),
    _node("ai, @ai-sdk/openai, Responses", "ai @ai-sdk/openai", "ai", "responses", _RESPONSES),
    _node("ai, @ai-sdk/openai-compatible", "ai @ai-sdk/openai-compatible", "ai", "compatible"),
    _node("ai, @ai-sdk/anthropic", "ai @ai-sdk/anthropic", "ai", "anthropic", _MESSAGES),
    _node("ai, @ai-sdk/google", "ai @ai-sdk/google", "ai", "google", _GEMINI),
    _node("@mistralai/mistralai", "@mistralai/mistralai", "mistral", "chat"),
    _node("cohere-ai, v2", "cohere-ai", "cohere", "chat", _COHERE),
    _node("groq-sdk", "groq-sdk", "groq", "chat"),
    _node("@huggingface/inference, chat", "@huggingface/inference", "huggingface", "chat"),
    _node("ollama", "ollama", "ollama", "chat", _OLLAMA),
    _node("eventsource-parser", "eventsource-parser", "eventsource-parser", "chat"),
    _node("@microsoft/fetch-event-source", "@microsoft/fetch-event-source", "fetch-event-source", "chat"),
    _node("eventsource", "eventsource", "eventsource", "tokens", _TOKENS),
    replace(_node("eventsource, bridge", "eventsource", "eventsource", "bridge"), bridged=True),
    _chromium("EventSource", "tokens", _TOKENS),
    replace(_chromium("EventSource, bridge", "bridge"), bridged=True),
    _chromium("fetch, cut at line ends", "lines"),
    _chromium("fetch, cut at blank lines", "blocks"),
)
