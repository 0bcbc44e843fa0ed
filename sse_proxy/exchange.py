"""One HTTP exchange as the gate sees it: counts the request's bytes, completes response headers, remembers the status.

Knows no policy: who is refused and why is the gate's business.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from starlette.types import Message, Receive, Scope, Send

from .core.headers import HeaderList, RawHeaders, first, tokens, without
from .errors import BadRequest, RequestTooLarge
from .errors_http import method_refused
from .json_answer import json_answer

__all__ = ["Exchange"]

# How long to go on reading a body after a refusal that closes the connection: closing on unread bytes makes the
# kernel send a reset, which can destroy the refusal before the client has read it.
_LINGER_SECONDS = 2.0


class Exchange:
    """The state of one request; the app below gets `receive`, and this as ``send``, in place of the server's.

    *request_id* goes on a response that has none. *max_request_bytes*: 0 is no limit. *complete* may change the
    headers of a response just before it starts.
    """

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        request_id: bytes,
        max_request_bytes: int,
        complete: Callable[[RawHeaders], HeaderList],
    ) -> None:
        self._receive = receive
        self._send = send
        self._request_id = request_id
        self._max_request_bytes = max_request_bytes
        self._complete = complete
        # ``Connection`` exists in HTTP/1 only (RFC 9113 § 8.2.2).
        self._http1 = scope["http_version"].startswith("1")
        self._awaits_continue = b"100-continue" in tokens(scope["headers"], b"expect")
        self._received_bytes = 0
        self._body_complete = False
        #: The status that the response started with; None before that.
        self.status: int | None = None
        #: The server has told that the client is gone.
        self.client_left = False
        #: The body passed the limit, so the answer is 413, whatever the app makes of the error that `receive` raised.
        self.too_large = False

    @property
    def code(self) -> int:
        """The status for the metrics: 499 where the client left first, 500 where the server makes up an answer.

        The server may have answered a request that it gave up; the client has left then, as far as the app was told.
        """
        if self.status is None and self.client_left and (fault := self._fault) is not None:
            return fault().http_status
        return self.status or (499 if self.client_left else 500)

    async def receive(self) -> Message:
        """The next message of the server.

        Raises:
            RequestTooLarge: the body is over *max_request_bytes* by now.
            BadRequest: the server says so of the request, in place of more of its body.
        """
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.client_left = True
            return message
        if not message.get("body") and message.get("more_body") and (fault := self._fault) is not None:
            raise fault()
        self._received_bytes += len(message.get("body", b""))
        self._body_complete = not message.get("more_body", False)
        if 0 < self._max_request_bytes < self._received_bytes:
            self.too_large = True
            raise RequestTooLarge
        return message

    @property
    def wire(self) -> object:
        """The server's, for body bytes that need not pass through here; None where it has none."""
        return getattr(self._send, "wire", None)

    @property
    def _fault(self) -> Callable[[], BadRequest] | None:
        return getattr(self.wire, "fault", None)

    async def __call__(self, message: Message) -> None:
        """ASGI's ``send``: pass *message* on; the start of the response with its headers completed.

        Raises:
            RequestTooLarge: the app made an answer of its own out of that error; the 413 is to come instead.
        """
        if message["type"] == "http.response.start":
            if self.too_large:
                raise RequestTooLarge
            message = self._completed(message)
            self.status = message["status"]
        await self._send(message)

    def check(self) -> None:
        """The app below has returned.

        Raises:
            RequestTooLarge: without an answer, since the body is too large.
        """
        if self.too_large and self.status is None:
            raise RequestTooLarge

    async def respond(self, status: int, headers: RawHeaders, body: bytes = b"", *, close: bool = False) -> None:
        """Answer without the app below; *close*: and end the connection, but let the client read the answer first."""
        # Whether a client that waits for "100 Continue" still sends its body now is anyone's guess (RFC 9110
        # § 10.1.1), so the next request on this connection could not be told from it.
        close = self._http1 and (close or (self._awaits_continue and not self._body_complete))
        extra = [(b"connection", b"close")] if close else []
        start = {"type": "http.response.start", "status": status, "headers": [*headers, *extra]}
        message = self._completed(start)
        self.status = status
        await self._send(message)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        if close and not self._awaits_continue:
            await self._linger()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def respond_json(self, status: int, document: Mapping[str, str]) -> None:
        """Answer with *document*, which nobody may keep."""
        await self.respond(status, *json_answer(document))

    async def refuse_method(self, message: str, *, allow: bytes) -> None:
        """Answer with a 405 that names the methods to *allow*."""
        start, body = method_refused(message, allow=allow)
        await self.respond(start["status"], start["headers"], body["body"])

    async def _linger(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while not self._body_complete:
                    message = await self._receive()
                    self._body_complete = not message.get("more_body", False)  # a disconnect ends it too

    def _completed(self, start: Message) -> Message:
        headers = list(start.get("headers", ()))
        if not first(headers, b"x-request-id"):
            headers = [*without(headers, frozenset({b"x-request-id"})), (b"x-request-id", self._request_id)]
        if self._fault is not None:  # the rest of its body would be taken for the next request's
            headers = [*without(headers, frozenset({b"connection"})), (b"connection", b"close")]
        return {**start, "headers": self._complete(headers)}
