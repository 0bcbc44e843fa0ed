"""Cloudflare Workers AI, ``/ai/run/<model>``: ``{"response": "…"}`` and ``[DONE]`` (reference: formats.md § A1)."""

from __future__ import annotations

from ...errors import SSEProxyError
from ..sse import Event
from .base import ANY_PATH, Dialect, compact, free_keys, quiet_key, reported_error, usage_counts
from .deltas import Delta
from .native import error_object
from .openai_chat import CHAT, DONE
from .state import JSONObject, StreamState

__all__ = ["CLOUDFLARE"]

_USAGE = {"prompt_tokens": "input", "completion_tokens": "output"}


def _inspect(event: Event, payload: JSONObject, state: StreamState) -> None:
    if event.data == b"[DONE]":
        state.terminated = True
        return
    errors = payload.get("errors")
    if errors or payload.get("error"):
        first = errors[0] if isinstance(errors, list) and errors else payload.get("error")
        state.error = reported_error({"error": first}, event.data)
    if counts := usage_counts(payload.get("usage"), _USAGE):
        state.usage = counts
    if "choices" in payload:
        CHAT.inspect(event, payload, state)


def _deltas(event: Event, payload: JSONObject, state: StreamState) -> list[Delta]:
    if "choices" in payload:
        return CHAT.deltas(event, payload, state)
    text = payload.get("response")
    return [Delta(text=text)] if isinstance(text, str) and text else []


def _from_document(document: JSONObject) -> list[Event] | None:
    """The REST API's envelope around a whole answer."""
    result = document.get("result")
    if not (isinstance(result, dict) and isinstance(result.get("response"), str)):
        return None
    return [Event(data=compact(result)), Event(data=b"[DONE]")]


def _error_body(error: SSEProxyError) -> bytes:
    # Both what its clients read and what everybody else does.
    about = error_object(error)
    return compact({"error": about, "errors": [about], "success": False, "result": None})


CLOUDFLARE = Dialect(
    name="cloudflare",
    paths=ANY_PATH,
    claims=lambda sign: "/ai/run/" in sign.path,
    markers=(b"[DONE]", b'"errors"', b'"error"'),
    quiet=(quiet_key("finish_reason"), quiet_key("usage")),
    free=free_keys("response", "p"),
    inspect=_inspect,
    deltas=_deltas,
    from_document=_from_document,
    error_body=_error_body,
    error_frame=lambda error, _state: b"data: " + _error_body(error) + b"\n\n" + DONE,
    terminator=DONE,
    ends_errors=True,
    parallel=True,
)
