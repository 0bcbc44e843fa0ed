"""``/-/sse-proxy/streams…``: replay, stop, and the way from a chat's name to its newest stream (INTERFACE "Resume").

    GET    /-/sse-proxy/streams/<id>         what follows ``Last-Event-ID`` or ``?last_event_id=``, else all of it
    GET    /-/sse-proxy/streams?key=<chat>   the same of the chat's newest stream
    DELETE /-/sse-proxy/streams/<id>         stops the generation

HEAD tells what GET would, without the events (RFC 9110 § 9.3.2), and waits for none. Everything here is the caller's
own (``scope["sse_proxy.owner"]``): another's streams are as unknown as those that never were, and nobody gets a list.
What has not the form of our ids never reaches the store.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.types import Receive, Scope, Send

from ..core.cursor import Cursor, is_stream_id, parse_event_id, told_event_ids
from ..core.target import own_path, reserved_name
from ..core.wish import MAX_KEY_BYTES
from ..errors import BadRequest, NotFound
from ..errors_http import method_refused
from ..settings import Settings
from .attaching import Attaching, no_content

__all__ = ["STREAMS", "Endpoints"]

#: The reserved name of them all.
STREAMS = "streams"


class Endpoints:
    """ASGI app for the reserved names that begin with `STREAMS`, behind the gate."""

    def __init__(self, attaching: Attaching, settings: Settings) -> None:
        self._attaching = attaching
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer.

        Raises:
            SSEProxyError: see `Attaching`; nothing was answered.
        """
        scope["sse_proxy.route"] = "resume"
        name = reserved_name(*own_path(scope)) or ""
        stream = None if name == STREAMS else name.removeprefix(STREAMS + "/")
        if stream is not None and not is_stream_id(stream):
            raise NotFound
        allowed = ("GET", "HEAD") if stream is None else ("GET", "HEAD", "DELETE")
        if scope["method"] not in allowed:
            for message in method_refused("streams take GET, HEAD and DELETE", allow=", ".join(allowed).encode()):
                await send(message)
        elif stream is not None and scope["method"] == "DELETE":
            await self._attaching.stop(stream, scope["sse_proxy.owner"])
            await no_content(send)
        else:
            await self._replay(stream, scope, receive, send)

    async def _replay(self, stream: str | None, scope: Scope, receive: Receive, send: Send) -> None:
        query = dict(reversed(parse_qsl(scope.get("query_string", b"").decode(errors="replace"))))
        told = next(iter(told_event_ids(scope["headers"], query)), None)
        has = None if told is None else parse_event_id(told)
        if told is not None and has is None:
            raise NotFound
        if stream is None:
            stream = await self._newest(query, scope["sse_proxy.owner"])
            # Of an older stream of the chat the client may have had all there is.
            if has is not None and has.stream != stream:
                has = None
        cursor = has or Cursor(stream=stream, after=0)
        if cursor.stream != stream:
            raise NotFound
        await self._attaching.attach(cursor, scope, receive, send, settings=self._settings)

    async def _newest(self, query: Mapping[str, str], owner: str) -> str:
        if not (chat := query.get("key")):
            raise BadRequest("expected ?key=")
        if len(chat.encode(errors="replace")) > MAX_KEY_BYTES:
            raise NotFound
        return await self._attaching.latest(owner, chat)
