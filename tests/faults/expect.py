"""What has to come of a fault: a few rules, from which the expectation of every cell follows. Pure.

The names, statuses and advice are those of `sse_proxy.errors`; which of them applies is the rule:

    whole     the answer is complete, or nothing that its client needs is missing
    failed    an error of `errors`, told according to how far the answer had come for its client
    left      the client ended it; the upstream is told at once
    refused   an answer of the proxy's own, to a request that it does not forward
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from sse_proxy.errors import ClientDisconnected, ClientLeft, Outcome, SSEProxyError

from .client import Ending
from .messages import Kind

__all__ = ["Expected", "Moment", "failed", "left", "refused", "reported", "whole"]


class Moment(IntEnum):
    """How far the upstream's answer came."""

    #: No head, or not all of it.
    NOTHING = 0
    #: The head, and no event or byte behind it.
    HEAD = 1
    #: One event, or a part of the document; half of another may have come.
    SOME = 2
    #: Everything but the end of the framing: both events, the terminal signal and the terminator.
    ALL = 3


#: Events at each moment.
_TOKENS = {Moment.NOTHING: 0, Moment.HEAD: 0, Moment.SOME: 1, Moment.ALL: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The facts of one cell: what `client.Got` has, and what is seen elsewhere."""

    statuses: tuple[int, ...]
    ending: Ending
    code: str = ""
    tokens: int = 0
    is_complete: bool = True
    may_retry: bool | None = None
    #: Whether the request had been written is for the kernel to say, and so is `may_retry`.
    retry_is_open: bool = False
    #: Labels of ``streams_total``, which only streams have.
    outcomes: tuple[Outcome, ...] = ()
    #: Labels ``code`` of ``requests_total``; empty where nothing was a request.
    counted: tuple[int, ...]
    #: Requests that reached the upstream; None: as may be.
    requests: int | None = 1
    #: The proxy closed the connection to the upstream, which went on; None: both were about to.
    cancels: bool | None = None
    #: Header fields of the last answer, each with its value or the beginning of the line.
    has: tuple[str, ...] = ()


def whole(kind: Kind, *, answers: int = 1, tokens: int = 2, requests: int | None = None) -> Expected:
    """Every answer came whole."""
    return Expected(
        statuses=(200,) * answers,
        ending="whole",
        tokens=tokens,
        outcomes=(Outcome.COMPLETED,) * (answers if kind is Kind.STREAM else 0),
        counted=(200,) * answers,
        requests=answers if requests is None else requests,
    )


def failed(
    kind: Kind,
    error: type[SSEProxyError],
    moment: Moment = Moment.NOTHING,
    *,
    requests: int = 1,
    cancels: bool | None = False,
    promised: bool = False,
    before: int = 0,
) -> Expected:
    """The upstream failed with *error* at *moment*; *promised*: the response had begun without it.

    *before*: whole answers on the same connection.
    """
    has_told = kind is not Kind.STREAM and moment >= Moment.HEAD
    in_stream = kind is Kind.STREAM and (moment >= Moment.SOME or promised)
    first = (200,) * before
    outcomes = (*(Outcome.COMPLETED,) * before, error.outcome) if kind is Kind.STREAM else ()
    if kind is Kind.STREAM and moment is Moment.ALL:
        return whole(kind, requests=requests)
    if has_told:  # nothing in the rest of a document could tell of an error: the missing end of the framing does
        return Expected(
            statuses=(*first, 200),
            ending="cut",
            tokens=2 if moment is Moment.ALL else 0,
            is_complete=moment is Moment.ALL,
            counted=(*first, 200),
            requests=requests,
            cancels=cancels,
        )
    status = 200 if in_stream else error.status
    return Expected(
        statuses=(*first, status),
        ending="whole",
        code=error.outcome.value,
        tokens=_TOKENS[moment] if in_stream else 0,
        may_retry=None if in_stream else not error.reached_upstream,
        outcomes=outcomes,
        counted=(*first, status),
        requests=requests,
        cancels=cancels,
    )


def left(
    kind: Kind,
    error: type[ClientLeft] = ClientDisconnected,
    moment: Moment = Moment.NOTHING,
    *,
    requests: int = 1,
    cancels: bool | None = True,
    is_stream: bool = True,
) -> Expected:
    """The client went, or does not read; *is_stream*: that of a stream request, enough of it had come to know."""
    begun = moment >= Moment.HEAD
    return Expected(
        statuses=(200,) if begun else (),
        ending="cut" if begun else "none",
        tokens=_TOKENS[moment] if kind is Kind.STREAM else 0,
        is_complete=False,
        outcomes=(error.outcome,) if kind is Kind.STREAM and is_stream else (),
        counted=(200,) if begun else (499,),
        requests=requests,
        cancels=cancels,
    )


def refused(status: int, code: str = "rejected", *, before: int = 0, requests: int = 0) -> Expected:
    """The proxy answers by itself."""
    statuses = (*(200,) * before, status)
    return Expected(statuses=statuses, ending="whole", code=code, counted=statuses, requests=requests)


def reported(status: int, kind: Kind) -> Expected:
    """The upstream's own answer with an error *status*, passed on as it came."""
    del kind  # an answer that is no success is nobody's stream
    return Expected(statuses=(status,), ending="whole", code="own", counted=(status,))
