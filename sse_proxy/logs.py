"""One line a finished stream, as JSON for machines or coloured text for a terminal; never bodies, queries or secrets.

The line is an ordinary `logging` record of the logger ``sse_proxy.streams`` with its facts as attributes, so that an
application that wraps its own ASGI app in the middleware gets it through whatever logging it has. `configure` is for
the command line only.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal

import structlog

from .colours import wants_colours
from .metrics.base import StreamReport

__all__ = ["configure", "log_stream"]

_streams = logging.getLogger("sse_proxy.streams")


def log_stream(
    report: StreamReport,
    *,
    request_id: str | None,
    route: str,
    status: int | None,
    last_event_age: float,
    last_write_age: float,
    trace_id: str | None = None,
) -> None:
    """Tell of a finished stream: at ``info`` when nobody is to blame, else at ``warning``; ages in seconds.

    *trace_id*: where somebody records the request; None: nobody does.
    """
    if report.outcome is None:
        return
    harmless = report.outcome in {"completed", "client_disconnected", "stopped"}
    level = logging.INFO if harmless else logging.WARNING
    if not _streams.isEnabledFor(level):
        return
    facts: dict[str, object] = {
        "request_id": request_id,
        "route": route,
        "dialect": report.dialect,
        "status": status,
        "outcome": report.outcome.value,
        "ttft_seconds": _rounded(report.first_event_seconds),
        "duration_seconds": _rounded(report.duration_seconds),
        "events": report.events,
        "bytes_in": report.bytes_in,
        "bytes_out": report.bytes_out,
        "last_event_age_seconds": _rounded(last_event_age),
        "last_write_age_seconds": _rounded(last_write_age),
    }
    if trace_id is not None:
        facts["trace_id"] = trace_id
    if report.repairs:
        facts["repairs"] = dict(report.repairs)
    _streams.log(level, "stream finished", extra=facts)


def configure(level: str, format: Literal["auto", "json", "console"]) -> None:  # noqa: A002  the setting's name
    """Send all records of *level* and above to stderr, in *format*; ``auto`` is ``console`` on a terminal."""
    console = format == "console" or (format == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=wants_colours(sys.stderr))
        if console
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(renderer))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


class _Formatter(logging.Formatter):
    """A record and its attributes through structlog's processors, *renderer* last.

    In place of `structlog.stdlib.ProcessorFormatter`, which makes and formats a second record of each: a third of what
    a line costs.
    """

    def __init__(self, renderer: structlog.typing.Processor) -> None:
        super().__init__()
        self._processors: tuple[structlog.typing.Processor, ...] = (
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_record,
            structlog.processors.format_exc_info,
            renderer,
        )

    def format(self, record: logging.LogRecord) -> str:
        facts: Any = {"event": record.getMessage(), "_record": record}
        if record.exc_info:
            facts["exc_info"] = record.exc_info
        if record.stack_info:
            facts["stack_info"] = record.stack_info
        level = record.levelname.lower()
        facts |= {"level": level, "logger": record.name}
        for process in self._processors:
            facts = process(None, level, facts)
        return str(facts)


def _without_record(_logger: object, _level: str, facts: structlog.typing.EventDict) -> structlog.typing.EventDict:
    del facts["_record"]
    return facts


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
