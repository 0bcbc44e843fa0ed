"""How a client's connection ends from our side: with a reset, behind what was sent, or with an answer of the server's.

Every end has a bound. A close waits for the flush, and under TLS for the client's goodbye too, half a minute by
default: for so long it would hold its descriptor, and the request under way would not learn of it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .errors import BadRequest, SSEProxyError
from .sockets import reset_when_closed
from .unasked import refuse
from .wire import Flow

__all__ = ["LINGER_SECONDS", "EndableProtocol"]

#: How long the last bytes may take to leave, and the client to say goodbye.
LINGER_SECONDS = 5.0


class EndableProtocol(HttpToolsProtocol):
    """uvicorn's connection with these ends; what is public is idempotent."""

    __slots__ = ()  # `ClientProtocol` tells why

    @property
    def is_idle(self) -> bool:
        """True before the first request and between two; a request begins at the end of its head."""
        return self.cycle is None or self.cycle.response_complete  # type: ignore[redundant-expr]  # uvicorn hides None

    def shutdown(self) -> None:
        if not self.transport.is_closing():  # asyncio's TLS transport forgets its protocol at a second close
            super().shutdown()

    def abort(self) -> None:
        """Reset the connection now, whatever is still to be sent, and free its file descriptor."""
        if self in self.connections:  # else the descriptor may be another connection's by now
            self._forget_response()
            with suppress(OSError):
                reset_when_closed(self.transport.get_extra_info("socket"))
            self.transport.abort()

    def close(self) -> None:
        """Close the connection after what was sent, or reset it when the client does not read."""
        self._forget_response()  # closing, too: the client may have gone in this moment
        if self.flow.write_paused:
            self.abort()
        elif not self.transport.is_closing():
            self.transport.close()
            self._linger()

    def send_400_response(self, msg: str) -> None:
        self._refuse(BadRequest(msg))

    def _refuse(self, error: SSEProxyError) -> None:
        """Answer with *error* and end the connection, and the request that is under way."""
        refuse(self.transport, error, self.server_state.default_headers)
        if self.is_idle:  # else the gate counts the request
            self._count(error.http_status)
        self._forget_response()
        if not self.is_idle:
            self.cycle.message_event.set()
        self._linger()

    def _reject(self, message: str) -> None:
        """Answer 400 and close; only close where that would land in the middle of another answer."""
        if self.transport.is_closing() or self._has_said_close:
            return
        if self.pipeline or not (self.is_idle or not self.cycle.response_started):
            self.transport.close()
            self._linger()
        else:
            if not self.is_idle:
                cast("Flow", self.flow).fault = partial(BadRequest, message)
            self.send_400_response(message)

    @property
    def _has_said_close(self) -> bool:
        """Whether the last request there can be has come whole: what follows is not read (RFC 9112 § 9.6)."""
        return self.cycle is not None and not self.cycle.keep_alive and not self.cycle.more_body  # type: ignore[redundant-expr]  # as above

    def _forget_response(self) -> None:
        # Else uvicorn takes an app that returns in the middle of its response for a broken one.
        if not self.is_idle:
            self.cycle.disconnected = True

    def _count(self, status: int) -> None:
        """Count an answer for which there is no request."""
        if (count := getattr(self.config, "count_unasked", None)) is not None:
            count(status)

    def _count_turned_away(self) -> None:
        """Count a connection for which there is no room."""
        if (count := getattr(self.config, "count_turned_away", None)) is not None:
            count()

    def _linger(self) -> None:
        """The connection is closing: give it so long."""
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(LINGER_SECONDS, self.abort)
