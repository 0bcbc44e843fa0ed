"""Which responses are kept: those whose request asks for it, and those of bridges (INTERFACE "Resume").

Kept is an event stream that we number. What numbers its own events is left alone, but for bridges, to which no such id
ever comes back; as is every request that does not ask: those cost a look at their headers, and where ``resume`` is off
not even that.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable

from starlette.types import Scope, Send

from ..core.admission import Place, Refusal
from ..core.cursor import Cursor
from ..core.headers import without
from ..core.numbering import Numbering
from ..core.requests import RequestFacts
from ..core.wish import RESUME_HEADER, ResumeKeys, resume_keys, wants_resume
from ..entrance import Entrance
from ..errors import NotFound, Outcome, Refused
from ..replay.base import Journal, Opening, Taken
from ..settings import Settings
from ..streaming import Policy
from ..streaming.receiver import Receiver
from .attaching import Attaching
from .heads import Pace, location_of
from .recorder import Recorder

__all__ = ["Joined", "Resumption"]


class Joined:
    """In place of a response: the one that another request with the same idempotency key has begun."""

    def __init__(self, attaching: Attaching, stream: str, *, apart: bool) -> None:
        self._attaching = attaching
        self._cursor = Cursor(stream=stream, after=0)
        self._apart = apart

    async def follow(self, scope: Scope, receiver: Receiver, send: Send, settings: Settings) -> None:
        """Answer with it, from its begin.

        Raises:
            SSEProxyError: it cannot be told, and nothing was answered.
        """
        try:
            await self._attaching.attach(
                self._cursor, scope, receiver, send, settings=settings, apart=self._apart, joined=True
            )
        except NotFound:
            # Its upstream has answered with something else. The next request with this key is the first again.
            raise Refused("the stream that was to be joined did not begin") from None
        finally:
            receiver.close()


class Resumption:
    """Opens streams of *journal*; *attaching* serves who joins one.

    *entrance*: where streams are let in. *detach_seconds*: how long one may go on with nobody listening. *clock*: the
    journal's.

    Attributes:
        attaching, entrance: As the arguments.
    """

    def __init__(
        self,
        journal: Journal,
        attaching: Attaching,
        *,
        entrance: Entrance,
        detach_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self.entrance = entrance
        self._journal = journal
        self.attaching = attaching
        self._detach_seconds = detach_seconds
        self._clock = clock

    async def close(self) -> None:
        """Let go of the store."""
        await self._journal.close()

    async def enter(
        self, place: Place | Refusal, scope: Scope, send: Send, *, facts: RequestFacts, policy: Policy
    ) -> tuple[Place | None, Recorder | Joined | None]:
        """See `open`, for a request that has got *place*; None for it where the request joins a stream.

        One that has got none may still join: it is told another stream, maybe the very one whose place it lacks.

        Raises:
            Refused: it has no place, and joins no stream.
        """
        opened = None
        try:
            if isinstance(place, Place) or resume_keys(scope["headers"]).once is not None:
                opened = await self.open(scope, send, facts=facts, policy=policy)
        except BaseException:
            self.entrance.leave(place)
            raise
        if isinstance(opened, Joined):
            self.entrance.leave(place)
            return None, opened
        if isinstance(place, Refusal) and opened is not None:
            opened.finish(Outcome.REJECTED)
        return self.entrance.let_in(place, facts.dialect.name), opened

    async def open(self, scope: Scope, send: Send, *, facts: RequestFacts, policy: Policy) -> Recorder | Joined | None:
        """What records the response to this request, whose *send* it takes over; None: it is not kept.

        Raises:
            BadRequest: the request names a key that is too long.
        """
        bridged: Numbering | None = scope.get("sse_proxy.numbering")
        if bridged is None and not wants_resume(scope["headers"]):
            return None
        numbering = bridged or Numbering(secrets.token_hex(16), apart=facts.ids_apart, yields=True)
        if not _may_be_kept(facts, policy, numbering):
            return None
        keys = resume_keys(scope["headers"])
        scope["headers"] = without(scope["headers"], frozenset({RESUME_HEADER}))
        opening = _opening(scope, numbering.stream, facts, keys)
        recorder = Recorder(
            numbering,
            send=send,
            seats=self.attaching.seats,
            location=location_of(scope, numbering.stream),
            is_named=opening.once is not None or opening.chat is not None,
            reconnects=scope.get("sse_proxy.reconnects", False),
            detach_seconds=self._detach_seconds,
            pace=Pace.of(policy.settings),
            clock=self._clock,
        )
        opened = await self._journal.open(opening, recorder.on_stop)
        if isinstance(opened, Taken):
            return Joined(self.attaching, opened.stream, apart=numbering.apart)
        recorder.record_in(opened)
        scope["sse_proxy.numbering"] = numbering
        return recorder


def _opening(scope: Scope, stream: str, facts: RequestFacts, keys: ResumeKeys) -> Opening:
    once = None
    if keys.once is not None:
        # The same key for another path or API is another request, whose answer would be in other words. The path is
        # the client's own: a bridge's upstream may have clients of its own, and other bridges.
        method, path = scope.get("sse_proxy.asked") or (scope["method"], scope["path"])
        once = json.dumps([method, path, facts.output, keys.once])
    return Opening(stream=stream, owner=scope["sse_proxy.owner"], once=once, chat=keys.chat)


def _may_be_kept(facts: RequestFacts, policy: Policy, numbering: Numbering) -> bool:
    """Whether the response may be an event stream that we number."""
    yields = numbering.yields and facts.dialect.numbers_events and facts.output == "native"
    return facts.candidate and not yields and policy.reframe != "never"
