"""Websocket handshakes, which are refused: what is proxied here is HTTP."""

from __future__ import annotations

from starlette.types import Receive, Scope, Send

from .errors import BadRequest
from .errors_http import error_response, render_plain

__all__ = ["deny_websocket"]


async def deny_websocket(scope: Scope, receive: Receive, send: Send) -> int:
    """Refuse a handshake, with a reason where the server can carry one; return the status that the client sees."""
    await receive()  # websocket.connect must be taken before it can be answered
    if "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": "websockets are not supported"})
        return 403
    error = BadRequest("Upgrade is not supported")
    for message in error_response(error, body=render_plain(error)):
        await send({**message, "type": f"websocket.{message['type']}"})
    return error.http_status
