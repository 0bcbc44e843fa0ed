"""What the data path tells of one request, and the implementation that records nothing.

The protocols are the whole interface: neither gate nor middleware knows OpenTelemetry. No method may block, await or
raise, and none is called for an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from starlette.types import Scope

from ..core.headers import RawHeaders
from ..core.requests import RequestFacts
from ..errors import Outcome
from ..metrics.base import StreamReport
from .incoming import sampled_parent

__all__ = ["NULL_TRACE", "NULL_TRACING", "NullTrace", "NullTracing", "Trace", "Tracing"]


class Trace(Protocol):
    """One request's; whatever comes after `end` is not recorded."""

    def exemplar(self, headers: RawHeaders) -> Mapping[str, str] | None:
        """``trace_id`` and ``span_id`` by which a measurement of the request with *headers* can be looked up."""

    def answered(
        self, facts: RequestFacts, outcome: Outcome | None, *, numbers: StreamReport | None, model: str
    ) -> None:
        """The client has the last byte.

        *outcome*: None where an ordinary response went well. *numbers*: of a request that might have become a stream,
        else None. *model*: as the upstream named it; empty when it did not.
        """

    def failed(self, error: Exception) -> None:
        """The request ends with *error*, whatever its client is told of it."""

    def end(self, code: int) -> None:
        """The request is over; *code* as the metrics count it: 499 where the client left before a status."""

    def current(self) -> AbstractContextManager[object]:
        """Within it, spans that others begin are below this one; leaving it ends the trace, if nothing has."""


class Tracing(Protocol):
    """Where traces are begun."""

    def begin(self, scope: Scope) -> Trace:
        """The trace of the request of *scope*, a child of what its headers say or of the span that is current."""


class NullTrace:
    """A `Trace` that records nothing. Others may: the caller's span is the exemplar then."""

    def exemplar(self, headers: RawHeaders) -> Mapping[str, str] | None:
        return sampled_parent(headers)

    def answered(
        self, facts: RequestFacts, outcome: Outcome | None, *, numbers: StreamReport | None, model: str
    ) -> None: ...

    def failed(self, error: Exception) -> None: ...

    def end(self, code: int) -> None: ...

    def current(self) -> AbstractContextManager[object]:
        return _NOTHING


class NullTracing:
    """`Tracing` without traces."""

    def begin(self, scope: Scope) -> Trace:  # noqa: ARG002  the protocol's
        return NULL_TRACE


_NOTHING = nullcontext()
NULL_TRACE = NullTrace()
NULL_TRACING = NullTracing()
