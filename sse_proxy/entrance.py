"""Where streams are let in or refused, and refusals counted and logged (`core.admission` decides)."""

from __future__ import annotations

import logging

from .core.admission import MESSAGES, Admission, Place, Refusal
from .errors import Outcome, Refused
from .metrics.base import Metrics, StreamReport

__all__ = ["Entrance"]

logger = logging.getLogger("sse_proxy")


class Entrance:
    """See the module header.

    Attributes:
        admission: Who decides; readers of kept streams ask it, too.
    """

    def __init__(self, admission: Admission, metrics: Metrics) -> None:
        self.admission = admission
        self._metrics = metrics

    def let_in(self, place: Place | Refusal, dialect: str) -> Place:
        """What `Admission.new` has said of a stream of *dialect*.

        Raises:
            Refused: it has no place.
        """
        if isinstance(place, Refusal):
            raise self.refused(place, dialect)
        return place

    def check_room(self, dialect: str) -> None:
        """Before a request's body is read into a buffer.

        Raises:
            Refused: there is no room for one.
        """
        if not self.admission.has_room:
            raise self.refused(Refusal.MAX_BUFFER_BYTES, dialect)

    def refused(self, reason: Refusal, dialect: str) -> Refused:
        """The error of a stream of *dialect* that is not let in; it is counted with this call."""
        self._metrics.opened()
        self._metrics.closed(StreamReport(dialect=dialect, outcome=Outcome.REJECTED))
        return self.told(reason)

    def told(self, reason: Refusal) -> Refused:
        """The error, counted by its reason alone: a reader of a kept stream is no stream of its own in the metrics."""
        self._metrics.refused(reason)
        # One line for each at first; those of a flood are summed up (`logs`), each reason by itself: hence no template.
        text = f"refused with 503: {MESSAGES[reason]} ({reason.value})"
        logger.warning("%s", text, extra={"reason": reason.value})
        return Refused(MESSAGES[reason])

    def leave(self, place: Place | Refusal) -> None:
        """A stream is over, or has not begun."""
        if isinstance(place, Place):
            self.admission.leave(place)
