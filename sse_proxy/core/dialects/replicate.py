"""Replicate's prediction streams: ``event: output`` with id and plain text, then ``event: done`` (formats.md § A1).

Its clients drop events without an id or a type, so both pass as they come.
"""

from __future__ import annotations

from ..documents import json_object
from ..sse import Event
from .base import ANY_PATH, Dialect, Sign, reported_error
from .deltas import Delta
from .native import BLOCK, error_body, named_error
from .state import JSONObject, StreamState

__all__ = ["REPLICATE"]


def _inspect(event: Event, _payload: JSONObject, state: StreamState) -> None:
    if event.event == b"error":
        document = json_object(event.data) or {}
        state.error = reported_error({"error": {"message": document.get("detail")}}, event.data)
    elif event.event == b"done":
        state.terminated = True
        reason = (json_object(event.data) or {}).get("reason")
        state.finished = reason != "error"
        if reason == "error" and state.error is None:  # its ``event: error`` did not come
            state.error = reported_error({"error": {"message": "the prediction failed"}}, event.data)


def _deltas(event: Event, _payload: JSONObject, _state: StreamState) -> list[Delta]:
    return [Delta(text=event.data.decode(errors="replace"))] if event.event == b"output" else []


def _claims(sign: Sign) -> bool:
    # `urls.stream` of a prediction: stream.replicate.com/v1/streams/<id>, or /v1/files/<id>.
    return sign.path.rpartition("/")[0].endswith(("/v1/streams", "/v1/predictions/stream"))


REPLICATE = Dialect(
    name="replicate",
    paths=ANY_PATH,
    methods=("GET",),
    claims=_claims,
    always_streams=True,
    speaks=lambda event, _payload: event.event == b"output" and event.id is not None,
    json=False,
    markers=(b"event: done", b"event: error"),
    numbers_events=True,
    inspect=_inspect,
    deltas=_deltas,
    comment=BLOCK,
    error_body=error_body,
    error_frame=named_error,
    aborts_after_error=True,
)
