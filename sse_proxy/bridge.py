"""A bridge: a GET with a query, or a small JSON POST, turned into the upstream's own POST (INTERFACE ``[[routes]]``).

So a page's `EventSource`, which can only GET, has an LLM behind it without a backend of its own. What a page on another
site can make a browser send must not start a generation: such requests are refused, unless ``cors_origins`` lets that
site in. The events carry ids; a reconnect that bears one of them is told what follows it where streams are kept, and
else, or when nothing is left, gets 204, which stops an `EventSource` for good: no browser ever starts a second
generation by itself.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import parse_qsl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .core.clients import COMMON, is_event_source, variant_of
from .core.cursor import Cursor, parse_event_id, told_event_ids
from .core.documents import json_object
from .core.foreign import is_foreign
from .core.headers import RawHeaders, accepts, content_length, first, media_type, without
from .core.numbering import Numbering
from .core.templates import fill, placeholders
from .errors import BadRequest, ClientDisconnected, Forbidden, NotFound, RequestTooLarge, UploadStalled
from .errors_http import method_refused
from .resume.attaching import Attaching, no_content
from .settings import Route, Settings

__all__ = ["Bridge"]

#: What told of the body that is replaced, and what the upstream could not make sense of.
_DROPPED = frozenset({
    b"content-encoding", b"content-length", b"content-type", b"expect", b"last-event-id", b"transfer-encoding",
})  # fmt: skip
#: A bridge has to hold what it is posted, though nothing else may be held (``inspect_request_bytes = 0``).
_LEAST_MAX_BYTES = 65_536


class Bridge:
    """Serves the requests of one bridge *route*; *settings* are the route's own, *attaching* knows kept streams."""

    def __init__(self, route: Route, settings: Settings, attaching: Attaching | None = None) -> None:
        path, _, query = (route.upstream_path or "").partition("?")
        self._path = path
        self._query = query.encode()
        self._method = route.upstream_method
        self._template = route.body
        self._names = placeholders(route.body)
        self._max_bytes = settings.max_request_bytes or max(settings.inspect_request_bytes, _LEAST_MAX_BYTES)
        self._patience_seconds = settings.idle_timeout_seconds
        self._settings = settings
        self._attaching = attaching
        self._is_tokens = route.effective_output == "tokens"

    async def serve(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or run *app* with the upstream's request in place of this one.

        Raises:
            BadRequest: a value that the body needs is missing, or the request is none of JSON, or too slow.
            Forbidden: a page of another site is behind it.
            RequestTooLarge: more than ``max_request_bytes``, or else ``inspect_request_bytes``.
            ClientDisconnected: the client left before its request was complete.
        """
        if scope["method"] not in {"GET", "POST"}:
            for message in method_refused("a bridge takes GET and POST", allow=b"GET, POST"):
                await send(message)
            return
        if is_foreign(scope):
            raise Forbidden
        query = dict(
            reversed(parse_qsl(scope.get("query_string", b"").decode(errors="replace"), keep_blank_values=True))
        )
        known = map(parse_event_id, told_event_ids(scope["headers"], query))
        if (cursor := next(filter(None, known), None)) is not None:
            await self._go_on(cursor, scope, receive, send)
            return
        values = query if scope["method"] == "GET" else await self._posted(scope["headers"], receive)
        body = self._filled({name: value for name, value in values.items() if name in self._names})
        asking = self._asking(scope, body)
        try:
            await app(asking, _Body(body, receive), send)
        finally:
            # The gate looks for the label in the scope that it has made.
            scope["sse_proxy.route"] = asking["sse_proxy.route"]

    async def _go_on(self, cursor: Cursor, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a client that has events of ours already."""
        if self._attaching is not None:
            with suppress(NotFound):
                apart = self._ids_apart(scope)
                await self._attaching.attach(cursor, scope, receive, send, settings=self._settings, apart=apart)
                return
        await no_content(send)

    def _filled(self, values: Mapping[str, object]) -> bytes:
        try:
            # In ASCII, since a value may hold half of a surrogate pair, which JSON can say and UTF-8 cannot.
            return json.dumps(fill(self._template, values), separators=(",", ":"), allow_nan=False).encode("ascii")
        except (ValueError, RecursionError) as error:
            raise BadRequest("a value is no JSON, or nested too deeply") from error

    async def _posted(self, headers: RawHeaders, receive: Receive) -> Mapping[str, object]:
        if media_type(first(headers, b"content-type")) != "application/json":
            raise BadRequest("expected a JSON body, with Content-Type: application/json")
        if (content_length(headers) or 0) > self._max_bytes:
            raise RequestTooLarge
        try:
            async with asyncio.timeout(self._patience_seconds):
                document = json_object(await self._read(receive))
        except TimeoutError:
            raise UploadStalled from None
        if document is None:
            raise BadRequest("expected a JSON object")
        return document

    async def _read(self, receive: Receive) -> bytes:
        body, more = bytearray(), True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._max_bytes:
                raise RequestTooLarge
        return bytes(body)

    def _asking(self, scope: Scope, body: bytes) -> Scope:
        """The scope of the upstream's request."""
        headers = [
            *without(scope["headers"], _DROPPED),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        return {
            **scope,
            "method": self._method,
            "path": scope.get("root_path", "") + self._path,
            "raw_path": (scope.get("root_path", "") + self._path).encode(),
            "query_string": self._query,
            "headers": headers,
            "sse_proxy.asked": (scope["method"], scope["path"]),
            "sse_proxy.numbering": Numbering(secrets.token_hex(16), apart=self._ids_apart(scope)),
            "sse_proxy.reconnects": scope["method"] == "GET" and is_event_source(scope["headers"]),
        }

    def _ids_apart(self, scope: Scope) -> bool:
        """Whether the client may take only blocks that begin with ``data:``.

        Who asks for an event stream has a parser. Others may be the guide's reader, which posts, or SDKs, where the
        output is their API's.
        """
        variant = variant_of(scope["headers"]) if self._settings.client_variants else COMMON
        by_hand = variant.splits_blocks or (self._is_tokens and scope["method"] == "POST")
        return by_hand and not accepts(scope["headers"], b"text/event-stream")


class _Body:
    """An ASGI ``receive`` that gives *body*, and then what the server has to say: that the client is gone."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        while True:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
