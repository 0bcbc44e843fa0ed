"""What is done with a response body: left alone, watched, made SSE, or refused (INTERFACE ``reframe``).

Decided once a response, from what the client expects and what the body is (reference: formats.md § C). A client of an
API keeps that API's own framing; who can read nothing but an event stream gets one, whatever the upstream writes.
"""

from __future__ import annotations

from enum import Enum, auto

from .dialects import GENERIC
from .framers import Framing
from .requests import RequestFacts, Wish
from .sniff import Kind

__all__ = ["Treatment", "agreed_framing", "treatment"]

#: What may be in a body whose Content-Type or row promises the first of the pair.
_REFINES = {
    (Framing.NDJSON, Framing.JSON),
    (Framing.JSON, Framing.NDJSON),
    (Framing.JSON, Framing.JSON_ARRAY),
    (Framing.JSON_ARRAY, Framing.JSON),
}


#: What has the Content-Type of an event stream, and does not look like one.
_UNDER_SSE = {Kind.OTHER: Framing.TEXT, Kind.HTML: None, Kind.BINARY: Framing.SSE, Kind.NOTHING: Framing.SSE}


class Treatment(Enum):
    """What happens to a body."""

    #: Every byte as it came, nothing looked into.
    PLAIN = auto()
    #: Every byte as it came, but its ending is verified, and its silences are filled where that is safe.
    WATCH = auto()
    #: Its records become events, or are written anew in the framing that the client expects.
    REWRITE = auto()
    #: It is not what the client can read: an error.
    REFUSE = auto()


def agreed_framing(promised: Framing | None, found: Framing | Kind, *, textual: bool) -> Framing | None:
    """The framing of a body by what its head has *promised* and its first bytes are; None: no records at all.

    *textual*: the Content-Type is some kind of text, or there is none.
    """
    if promised is Framing.SSE:
        # A server that forgets the fields (KServe, lanarky): JSON or text under the Content-Type of an event stream.
        return found if isinstance(found, Framing) else _UNDER_SSE[found]
    if promised is Framing.AWS:
        return promised
    if promised is Framing.NDJSON and found in {Framing.JSON, Framing.JSON_ARRAY, Kind.OTHER}:
        return promised
    if isinstance(found, Framing):
        return found
    return Framing.TEXT if textual and found is Kind.OTHER else None


def treatment(facts: RequestFacts, framing: Framing | None, *, reframe: str, begun: bool, sized: bool) -> Treatment:
    """What to do with a 2xx body.

    Args:
        facts: What the client asked for.
        framing: See `agreed_framing`.
        reframe: The setting.
        begun: The client has response headers already, or at least the promise: those of ``facts.voice``.
        sized: The body has a Content-Length, so it was there as a whole: no stream.
    """
    if reframe == "never" and not begun:
        return Treatment.WATCH if framing is Framing.SSE else Treatment.PLAIN
    if framing is Framing.SSE:
        return Treatment.REWRITE if facts.voice.is_sse or not begun else Treatment.REFUSE
    expects = begun or facts.expects_sse
    strict = begun or (facts.wish is Wish.YES and facts.dialect is not GENERIC)
    if framing is None:
        return Treatment.REFUSE if strict else Treatment.PLAIN
    if facts.voice.is_sse and expects:
        return Treatment.REFUSE if framing is Framing.TEXT and facts.dialect.json else Treatment.REWRITE
    if not facts.voice.is_sse:
        return _in_own_framing(facts, framing, strict=strict)
    return Treatment.REWRITE if reframe == "always" and not sized else Treatment.PLAIN


def _in_own_framing(facts: RequestFacts, framing: Framing, *, strict: bool) -> Treatment:
    own = facts.dialect.framing
    if framing is own and facts.voice.record is not None:
        return Treatment.REWRITE
    if framing is own or (own, framing) in _REFINES:
        return Treatment.WATCH
    return Treatment.REFUSE if strict and framing is Framing.TEXT else Treatment.PLAIN
