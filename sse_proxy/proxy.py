"""The reverse proxy itself: one request to the upstream, its response back, nothing added and nothing held.

A terminal ASGI app, meant to run inside `SSEMiddleware` (which owns time, endings and the client's departure: it
cancels this app, and cancelling closes the upstream connection at once). Request bodies are streamed up and responses
streamed down at the same time; back-pressure is an ``await`` that does not return, either way. Where ``send`` has an
``outlet`` (our `Response` has), what our own transport reads goes there while it is open, outside of any task; where
``receive`` has ``take_rest`` (our `Receiver` has), a short body that is there goes up with the head, in no task. The
transport is used directly rather than through a client, which would keep one user's cookies for the next and follow
proxy variables of the environment (DESIGN fact 6). A request is sent once.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
from starlette.types import Message, Receive, Scope, Send

from .core.headers import HeaderList, forward_request_headers, forward_response_headers, without
from .core.target import own_path
from .errors import ClientDisconnected, SSEProxyError
from .settings import Settings, SettingsError
from .upstream import translate
from .upstream.address import UpstreamAddress
from .upstream.body import ResponseBody
from .upstream.request import RequestBody

__all__ = ["ReverseProxy"]

# RFC 9110 § 5.1 and § 5.5.
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([\t\x20-\x7e\x80-\xff]*)")
#: What the framing of each request says, nobody else may.
_FRAMING = frozenset({b"connection", b"content-length", b"transfer-encoding"})


class _RequestBody(RequestBody):
    """The request body as the client sends it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive

    def at_hand(self, limit: int) -> bytes | None:
        take: Callable[[int], bytes | None] | None = getattr(self._receive, "take_rest", None)
        return None if take is None else take(limit)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnected
            more = message.get("more_body", False)
            if data := message.get("body", b""):
                yield data


class ReverseProxy:
    """ASGI app: every request goes to ``settings.upstream``; lifespan shutdown closes the transport.

    While serving it raises `SSEProxyError`, for the layer above to tell. *on_shutdown* is awaited at the end, too.

    Raises:
        SettingsError: ``upstream_headers_file`` is not usable.
    """

    def __init__(
        self,
        settings: Settings,
        transport: httpx.AsyncBaseTransport,
        *,
        on_shutdown: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._transport = transport
        self._on_shutdown = on_shutdown
        self._address = UpstreamAddress.of(settings.upstream or "")
        self._url = httpx.URL(self._address.url)  # once: to parse it is most of what a request costs
        self._extra = _read_headers(settings.upstream_headers_file)
        self._connect_timeout = settings.connect_timeout_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        start, stream = await self._answer(scope, receive)
        try:
            await send(start)
            if isinstance(stream, ResponseBody) and (outlet := getattr(send, "outlet", None)) is not None:
                stream.offer_to(outlet)
            try:
                async for data in stream:
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            except (httpx.HTTPError, OSError) as error:
                raise translate(error, sent=True) from error
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await stream.aclose()

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[Message, httpx.AsyncByteStream]:
        """How the upstream's response starts, and its body; all the rest is forgotten while that flows."""
        try:
            response = await self._transport.handle_async_request(self._request(scope, receive))
        except SSEProxyError:
            raise
        except Exception as error:
            # Whatever is not a failure to connect may have come after the upstream had the request.
            raise translate(error, sent=True) from error
        headers = forward_response_headers(response.headers.raw)
        if response.status_code in {204, 304}:
            # It would tell of content that does not follow (RFC 9110 § 8.6), which servers below us count and miss.
            headers = without(headers, frozenset({b"content-length"}))
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101  the type of every async transport's answer
        start = {"type": "http.response.start", "status": response.status_code, "headers": headers}
        return start, response.stream

    def _request(self, scope: Scope, receive: Receive) -> httpx.Request:
        facts = scope.get("sse_proxy.facts")
        forwarded = forward_request_headers(
            scope["headers"],
            host=self._address.host,
            client=scope["client"][0] if scope.get("client") else None,
            scheme=scope.get("scheme", "http"),
            trusted=scope.get("sse_proxy.trusted", False),
            stream_candidate=facts is not None and facts.candidate,
            extra=self._extra,
        )
        headers: HeaderList = forwarded.headers
        if forwarded.chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        has_body = forwarded.chunked or bool(forwarded.content_length)
        return httpx.Request(
            scope["method"],
            self._url,
            headers=headers,
            stream=_RequestBody(receive) if has_body else httpx.ByteStream(b""),
            extensions={"target": self._target(scope), "timeout": {"connect": self._connect_seconds(scope)}},
        )

    def _connect_seconds(self, scope: Scope) -> float:
        rule = scope.get("sse_proxy.rule")
        return self._connect_timeout if rule is None else rule.settings.connect_timeout_seconds

    def _target(self, scope: Scope) -> bytes:
        """The request target, byte for byte as the client wrote it, below the upstream's path prefix."""
        raw_path, _ = own_path(scope)
        if raw_path == b"*":  # OPTIONS of the server as a whole (RFC 9110 § 9.3.7) has no path to put a prefix before
            return raw_path
        query: bytes = scope.get("query_string", b"")
        return self._address.prefix + raw_path + (b"?" + query if query else b"")

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._transport.aclose()
                if self._on_shutdown is not None:
                    await self._on_shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _read_headers(path: Path | None) -> HeaderList:
    """The fields of ``upstream_headers_file``: one ``Name: value`` a line, blank lines and ``#`` comments ignored.

    Raises:
        SettingsError: the file cannot be read, or a line is no field that may be set; its content is not repeated,
            since it is a secret.
    """
    if path is None:
        return []
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise SettingsError(f'upstream_headers_file: cannot read "{path}": {error.strerror}') from error
    fields = [(number, _FIELD.fullmatch(line)) for number, line in enumerate(lines, start=1) if _tells(line)]
    for number, field in fields:
        if field is None or field[1].lower() in _FRAMING:
            raise SettingsError(f"upstream_headers_file: line {number} is no `Name: value` that can be set")
    return [(field[1], field[2].strip()) for _, field in fields if field is not None]


def _tells(line: bytes) -> bool:
    return bool(line.strip()) and not line.startswith(b"#")
