"""One response from the application's first message to the last byte at the client.

The application runs inside `Response.run` and gets our ``receive`` and ``send`` in place of the server's. Decisions are
made elsewhere, in pure code (`Pacer`: when; `Pipeline`: what; `Policy`: whether); here they are carried out. The way of
a chunk is: ``send`` → body → pipeline (pure) → server's ``send``; no queue, no lock, no task switch.

Whatever has to end the response from outside (a deadline, the client's departure, the drain) cancels the application's
task with a cause; the task unwinds, which closes the upstream, and the cause is told to the client from that same task,
when nobody else can be writing.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from starlette.types import ASGIApp, Message, Scope, Send

from ..core.headers import first
from ..core.requests import RequestFacts
from ..errors import ClientDisconnected, ClientLeft, Drained, EventTooLarge, Outcome, SSEProxyError, UpstreamClosed
from ..metrics.base import Metrics
from .bodies import Body
from .choice import open_body
from .client import Client
from .ending import tell
from .policy import Policy
from .pulse import Complete, Pulse
from .receiver import Receiver
from .transfer import Transfer

__all__ = ["Response"]


class Response:
    """See the module header.

    Args:
        scope: ASGI.
        receiver: The receiving half, its look-ahead done.
        send: The server's.
        facts: What the request asks for.
        policy: What applies to every response of this middleware.
        metrics: Where numbers go.

    Attributes:
        transfer: The state that the parts share.
        outcome: How it ended; None until then, and for an ordinary response.
        silence: Seconds without a byte before the client left; None unless it left.
    """

    def __init__(
        self, scope: Scope, receiver: Receiver, send: Send, *, facts: RequestFacts, policy: Policy, metrics: Metrics
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._scope = scope
        self._receiver = receiver
        self._raw_send = send
        self._policy = policy
        self.transfer = Transfer(facts, policy, metrics, self._loop.time, on_deadline=self._on_deadline)
        self._client = self.transfer.client = Client(scope, send, self.transfer.pacer, self._loop.time)
        self._pulse = Pulse(self.transfer, self._cut)
        self.outcome: Outcome | None = None
        self.silence: float | None = None
        self._body: Body | None = None
        self._upstream_status = 0
        self._task = asyncio.current_task()
        #: Why we cancel the application's task.
        self._cause: Exception | None = None
        #: The ending is being written: only a client that does not take it can interrupt.
        self._concluding = False

    async def run(self, app: ASGIApp) -> None:
        """Run *app* and bring the response to its end; raises again what an application other than ours raised."""
        self._receiver.listen(self)
        self._watch()
        self._pulse.arm()
        try:
            error = await self._drive(app)
            await self._conclude(error)
            if error is not None and not isinstance(error, (SSEProxyError, Complete)):
                raise error
        finally:
            self._pulse.stop()
            self._receiver.close()

    async def send(self, message: Message) -> None:
        """The application's ``send``."""
        if self._client.finished or self._receiver.gone:
            return
        try:
            await self._dispatch(message)
        except SSEProxyError as error:
            # Told from here, where the application is known not to write; then the application is stopped, unless
            # it has just said its last word.
            await self._conclude(error)
            if message.get("more_body", message["type"] == "http.response.start"):
                self._cut(error)

    def on_upload(self) -> None:
        """`Listener`: the request body moves on."""
        self.transfer.pacer.uploaded(self._loop.time())

    def on_request_complete(self) -> None:
        """`Listener`: from now on it is the upstream's turn."""
        self.transfer.pacer.sent(self._loop.time())
        self._pulse.arm()
        self._watch()

    def on_disconnect(self) -> None:
        """`Listener`: nobody is there any more."""
        if self._client.finished:
            return
        pipeline = self.transfer.pipeline
        if pipeline is not None and pipeline.over:
            # Many clients leave at the terminator, or at the upstream's own error: they have it all.
            self.outcome = self.outcome or self._natural_outcome()
        elif not self._concluding:
            self.silence = self._loop.time() - self.transfer.pacer.last_write
            self.outcome = Outcome.CLIENT_DISCONNECTED
        self._pulse.stop()
        if self._policy.owns_app:
            self._cut(ClientDisconnected())

    def cut(self) -> None:
        """`LiveStream`: the process ends, and so does this."""
        if not self._client.finished:
            self._cut(Drained())

    def describe(self) -> dict[str, object]:
        """`LiveStream`: the state now."""
        return {
            "id": self._scope.get("sse_proxy.request_id"),
            "route": self._scope.get("sse_proxy.route"),
            **self.transfer.describe(),
        }

    async def _drive(self, app: ASGIApp) -> Exception | None:
        """What ended the application other than its own last message, or None."""
        error: Exception | None = None
        try:
            await app(self._scope, self._receiver, self.send)
        except asyncio.CancelledError:
            if self._cause is None or self._task is None:
                self.outcome = self.outcome or Outcome.DRAINED
                raise
            self._task.uncancel()
            return self._cause
        except Exception as raised:  # noqa: BLE001  told to the client, then raised again by `run`
            error = raised
        if self._cause is not None:
            await self._absorb()
            return self._cause
        return error if error is not None or self._client.finished else UpstreamClosed()

    async def _absorb(self) -> None:
        """Take delivery of our own cancellation, which the application ended without; else somebody above us would."""
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        if self._task is not None:
            self._task.uncancel()

    async def _dispatch(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.body":
            if self._body is None:
                raise RuntimeError("http.response.body came before http.response.start")
            if data := message.get("body", b""):
                await self._body.feed(data)
            if not message.get("more_body", False):
                await self._body.end()
                if not self._receiver.gone:
                    self.outcome = self._natural_outcome()
        elif kind == "http.response.start":
            status, headers = message["status"], list(message.get("headers", ()))
            self._upstream_status = status
            if identity := first(headers, b"x-request-id"):
                self._scope["sse_proxy.request_id"] = identity.decode("latin-1")
            self._body = await open_body(self.transfer, self._scope["method"], status, headers)
        else:
            await self._raw_send(message)
            # The server sends a whole file by itself, and nothing comes after that message.
            self._client.finished = self._client.finished or kind == "http.response.pathsend"

    def _natural_outcome(self) -> Outcome | None:
        """How a response ended that came to its own end; None for an ordinary one."""
        transfer = self.transfer
        if not transfer.is_plain:
            state = transfer.pipeline.state if transfer.pipeline is not None else None
            return Outcome.UPSTREAM_ERROR if state is not None and state.error is not None else Outcome.COMPLETED
        return Outcome.UPSTREAM_ERROR if self._upstream_status >= 500 else None

    async def _conclude(self, error: Exception | None) -> None:
        """Bring the response to an end that tells the truth about *error*."""
        if error is None or self._client.finished or self._receiver.gone:
            return
        self._concluding = True
        self.transfer.pacer.limit(self._policy.concluding_limits())
        self._pulse.arm()
        try:
            await self._end_with(error)
        except asyncio.CancelledError:
            if not isinstance(self._cause, ClientLeft) or self._task is None:
                raise
            self._task.uncancel()
            self._client.drop()

    async def _end_with(self, error: Exception) -> None:
        pipeline = self.transfer.pipeline
        if pipeline is not None and self._is_harmless(error):
            self.outcome = self._natural_outcome()
            await self._client.write(pipeline.flush() + pipeline.conclude(), end=True)
            return
        told = error if isinstance(error, SSEProxyError) else SSEProxyError("the application failed")
        self.outcome = told.outcome
        if told is not error:
            await self._client.settled()
            if self._client.status is None:
                return  # the server, or the application's own error handling, answers with a 500
        await tell(told, self.transfer)

    def _is_harmless(self, error: Exception) -> bool:
        """Whether *error* came when the upstream had said it all, and the client was sent all of it."""
        pipeline, client = self.transfer.pipeline, self._client
        over = pipeline is not None and pipeline.over and client.status is not None and not client.interrupted
        return over and not isinstance(error, (ClientLeft, EventTooLarge))

    def _cut(self, cause: Exception) -> None:
        """Stop the application for the sake of *cause*."""
        if self._concluding and not (self._client.finished or isinstance(cause, ClientLeft)):
            return
        self._cause = cause
        if self._task is not None:
            self._task.cancel()

    def _on_deadline(self) -> None:
        self._pulse.arm()
        self._watch()

    def _watch(self) -> None:
        """Notice departures as soon as there is something that they should stop."""
        if self.transfer.is_stream or self._policy.owns_app:
            self._receiver.watch()
