"""One response from the application's first message to the last byte at the client.

The application runs inside `Response.run` and gets our ``receive`` in place of the server's, and this object for its
``send``. Decisions are made elsewhere, in pure code (`Pacer`: when; `Pipeline`: what; `Policy`: whether); here they are
carried out, with no queue, lock or task switch on the way of a chunk: ``send`` → body → pipeline (pure) → server's
``send``. Most chunks come by `Response.outlet`, if the application is ours: the same way without an ``await``.

Whatever has to end the response from outside (a deadline, the client's departure, the drain) cancels the application's
task with a cause; the task unwinds, which closes the upstream, and the cause is told to the client from that same task,
when nobody else can be writing. An application that is not ours may take its time (a thread cannot be cancelled), so
its client is told at once, and what it still sends is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Scope, Send

from ..core.headers import first
from ..core.requests import RequestFacts
from ..errors import ClientDisconnected, ClientLeft, ClientStalled, Drained, Outcome, SSEProxyError, UpstreamClosed
from ..metrics.base import Metrics
from .application import Application
from .choice import open_body
from .client import Client
from .detachment import Detachment, Record
from .ending import natural_outcome, rest_in_spite_of, tell
from .plain import Body
from .policy import Policy
from .pulse import Pulse
from .receiver import Receiver
from .transfer import Transfer

__all__ = ["Response"]

#: Messages by which the server sends a file by itself, in place of the body.
_FILES = frozenset({"http.response.pathsend", "http.response.zerocopysend"})
_TRAILERS = "http.response.trailers"


class Response:
    """See the module header.

    Args:
        scope, send: The server's.
        receiver: The receiving half, its look-ahead done.
        facts: What the request asks for.
        policy, metrics: What applies to every response, and where numbers go.
        on_end: Called once, when the client has the last byte, or else when the application has returned.
        record: Keeps the response for others, so that it may go on without its client; the *send* of that.

    Attributes:
        transfer: The state that the parts share.
        outlet: Its ``sink``, when there is one, takes what would be the next body message, outside of any task.
        outcome: How it ended; None until then, and for an ordinary response.
        silence: Seconds without a byte before the client left; None unless it left.
    """

    def __init__(
        self,
        scope: Scope,
        receiver: Receiver,
        send: Send,
        *,
        facts: RequestFacts,
        policy: Policy,
        metrics: Metrics,
        on_end: Callable[[Response], None],
        record: Record | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._scope, self._receiver, self._raw_send = scope, receiver, send
        self._policy = policy
        numbering = scope.get("sse_proxy.numbering")
        self.transfer = Transfer(
            facts, policy, metrics, self._loop.time, on_deadline=self._on_deadline, numbering=numbering
        )
        self.outlet = self._client = self.transfer.client = Client(scope, send, self.transfer.pacer, self._loop.time)
        self._detachment = None if record is None else Detachment(record, self.transfer, receiver, self._cut)
        self._pulse = Pulse(self.transfer, self._cut, self._detachment, receiver)
        self.outcome: Outcome | None = None
        self.silence: float | None = None
        self._body: Body | None = None
        self._upstream_status = 0
        self._application = Application()
        #: Who writes the ending: only a client that does not take it can interrupt.
        self._writer: asyncio.Task[None] | None = None
        self._ending: asyncio.Task[None] | None = None  # the same, where it is not the application's task
        #: None once it was called.
        self._on_end: Callable[[Response], None] | None = on_end

    async def run(self, app: ASGIApp) -> None:
        """Run *app* and bring the response to its end; raises again what an application other than ours raised."""
        self._receiver.listen(self)
        self._on_deadline()
        try:
            error = await self._application.run(app, self._scope, self._receiver, self)
            await (self._ending or self._conclude(self._application.cause or error or UpstreamClosed()))
            if error is not None and not isinstance(error, SSEProxyError):
                raise error
        except asyncio.CancelledError:
            # The server takes the application away (uvicorn does so when its graceful shutdown has lasted too long).
            self.outcome = self.outcome or Outcome.STOPPED
            raise
        finally:
            if self._ending is not None:
                self._ending.cancel()
            self._receiver.close()
            self._end()
            self._pulse.release()
            if self._detachment is not None:
                self._detachment.release()
            self.transfer.release()

    async def __call__(self, message: Message) -> None:
        """The application's ``send``."""
        if self._is_left or self._writer is not None or (self._client.finished and message["type"] != _TRAILERS):
            await asyncio.sleep(0)  # nobody hears it; an application that does nothing else must meet its cancellation
            return
        try:
            await self._dispatch(message)
        except SSEProxyError as error:
            # Told from here, where the application is known not to write; then the application is stopped, unless
            # it has just said its last word.
            await self._conclude(error)
            if message.get("more_body", message["type"] == "http.response.start"):
                self._cut(error)
        if self._client.finished:
            self._end()

    def on_upload(self) -> None:
        """`Listener`: the request body moves on."""
        self.transfer.pacer.uploaded(self._loop.time())

    def on_request_complete(self) -> None:
        """`Listener`: from now on it is the upstream's turn."""
        self.transfer.pacer.sent(self._loop.time())
        self._on_deadline()

    def on_disconnect(self) -> None:
        """`Listener`: nobody is there any more."""
        if self._client.finished or self._client.detached:
            return
        has_all = self.transfer.has_told_all
        departure = self._client.departure()
        if self.outcome is None and not has_all and isinstance(departure, ClientDisconnected):
            self.silence = self._loop.time() - self.transfer.pacer.last_write
        if self.detaches():
            return
        natural = natural_outcome(self.transfer, self._upstream_status) if has_all else departure.outcome
        self.outcome = self.outcome or natural
        self._pulse.stop()
        if self._policy.owns_app:
            self._cut(departure)

    def cut(self, cause: SSEProxyError | None = None) -> None:
        """`LiveStream`: end now, for *cause*; None: the process ends."""
        if not self._client.finished:
            self._cut(cause or Drained())

    def describe(self) -> dict[str, object]:
        """`LiveStream`: the state now."""
        known = {"id": self._scope.get("sse_proxy.request_id"), "route": self._scope.get("sse_proxy.route")}
        return {**known, **self.transfer.describe()}

    async def _dispatch(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.body":
            if self._body is None:
                raise RuntimeError("http.response.body came before http.response.start")
            if data := message.get("body", b""):
                await self._body.feed(bytes(data))  # frameworks send memoryviews too; of bytes this is no copy
            if not message.get("more_body", False):
                await self._body.end()
                if not self._is_left:
                    self.outcome = natural_outcome(self.transfer, self._upstream_status)
        elif kind == "http.response.start":
            status, headers = message["status"], list(message.get("headers", ()))
            self._upstream_status = status
            if identity := first(headers, b"x-request-id"):
                self._scope["sse_proxy.request_id"] = identity.decode("ascii", "backslashreplace")
            self._client.trailers = message.get("trailers", False)
            self._body = await open_body(self.transfer, self._scope["method"], status, headers)
        else:
            await self._raw_send(message)
            if kind in _FILES and not message.get("more_body", False):
                self._client.finished = True
                self.outcome = natural_outcome(self.transfer, self._upstream_status)

    async def _conclude(self, error: Exception) -> None:
        """Bring the response to an end that tells the truth about *error*, unless it has had its end."""
        if self._client.finished or self._is_left:
            return
        writer = self._writer = asyncio.current_task()
        self.transfer.pacer.limit(self._policy.concluding_limits())
        self._pulse.arm()
        try:
            await self._end_with(error)
        except asyncio.CancelledError:
            if not isinstance(self._application.cause, ClientLeft) or writer is None:
                raise
            writer.uncancel()
            self._client.drop()
        self._end()

    async def _end_with(self, error: Exception) -> None:
        if (rest := rest_in_spite_of(error, self.transfer)) is not None:
            self.outcome = natural_outcome(self.transfer, self._upstream_status)
            await self._client.write(rest, end=True)
            return
        self.outcome = error.outcome if isinstance(error, SSEProxyError) else SSEProxyError.outcome
        await tell(error, self.transfer)

    def _cut(self, cause: Exception) -> None:
        """Stop the application for the sake of *cause*."""
        client = self._client
        if isinstance(cause, ClientStalled) and self.detaches():
            return
        if self._writer is not None and not client.finished:
            if isinstance(cause, ClientLeft):
                self._application.cause = cause
                self._writer.cancel()
            return
        waits = self._policy.owns_app or isinstance(cause, ClientLeft) or self.transfer.pacer.sending_since is not None
        if not (waits or client.finished):
            self._writer = self._ending = self._loop.create_task(self._conclude(cause))
        self._application.stop(cause)

    @property
    def _is_left(self) -> bool:  # nothing more is of use to anybody
        return self._receiver.gone and not self._client.detached

    def detaches(self) -> bool:
        """Whether the response goes on without its client, which has left, does not read, or is taken for gone."""
        return not self._client.finished and self._detachment is not None and self._detachment.begin()

    def _end(self) -> None:
        """The stream is over for its client, whatever the application still does (background tasks, mostly)."""
        self._pulse.stop()
        if self._on_end is not None:
            on_end, self._on_end = self._on_end, None
            on_end(self)

    def _on_deadline(self) -> None:
        """Look at the deadlines anew, and notice departures as soon as there is something that they should stop."""
        self._pulse.arm()
        if self.transfer.is_stream or self._policy.owns_app:
            self._receiver.watch()
