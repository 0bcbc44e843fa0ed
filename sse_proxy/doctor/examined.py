"""What goes into an examination, and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

from .case import Case
from .findings import Finding
from .observed import Request

__all__ = ["Report", "Wish"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the user wants to know."""

    request: Request
    #: As it was given: without what the options have added to it.
    url: str
    #: Ask the request, even if there is a probe.
    own_request: bool = False
    #: The origin of a page that makes the request; None for no page.
    origin: str | None = None
    #: Seconds of silence to wait through, and of a stream that is never silent; 0 for neither.
    idle: float = 0.0
    total: float = 0.0
    #: Break the connection of one POST. Apart, since hops may take a server for down that has broken one: an nginx with
    #: several servers does so for 10 seconds.
    break_post: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All that was found."""

    url: str
    #: The first answer, and those of further streams by what they were for.
    cases: dict[str, Case]
    findings: list[Finding]

    @property
    def case(self) -> Case:
        """The first one."""
        return next(iter(self.cases.values()))
