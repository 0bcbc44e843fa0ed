"""One line a finished stream, as JSON for machines or coloured text for a terminal; never bodies, queries or secrets.

The line is an ordinary `logging` record of the logger ``sse_proxy.streams`` with its facts as attributes, so that an
application that wraps its own ASGI app in the middleware gets it through whatever logging it has. `configure` is for
the command line only.

With it the log is bounded: of like records, the first in ten seconds are told, and of the rest how many there were
(`core.flood`). A stream that was let in has its line, however it ended; those that were refused are alike, and
so are errors that were raised at one place.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import Any, Literal, NamedTuple

import structlog

from .colours import wants_colours
from .core.flood import WINDOW_SECONDS, Flood
from .metrics.base import StreamReport
from .outcome import Outcome

__all__ = ["configure", "flush", "log_stream"]

_STREAMS = "sse_proxy.streams"
_streams = logging.getLogger(_STREAMS)


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
    handler = _BoundedHandler()
    handler.setFormatter(_Formatter(renderer))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def flush() -> None:
    """Tell of the records that were not told, where their time has come; to be called now and then."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _BoundedHandler):
            handler.sum_up(time.monotonic())


class _Kind(NamedTuple):
    """By what records are alike, and what is told of those that were not told."""

    logger: str
    level: int
    what: str


#: More kinds than can be told apart.
_OTHER = _Kind("sse_proxy", logging.WARNING, "other")


class _BoundedHandler(logging.StreamHandler[Any]):
    """Writes to stderr what `Flood` admits."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self._flood = Flood(_OTHER)
        self._flood_lock = threading.Lock()

    def handle(self, record: logging.LogRecord) -> bool:
        if (kind := _kind(record)) is not None:
            now = time.monotonic()
            self.sum_up(now)
            with self._flood_lock:
                if not self._flood.admits(kind, now):
                    return False
        return super().handle(record)

    def sum_up(self, now: float) -> None:
        """Tell how many were not told in the windows that are over."""
        with self._flood_lock:
            ended = self._flood.ended(now)
        for kind, count in ended:
            told = f"{count} more like this in {WINDOW_SECONDS:g} seconds: {kind.what}"
            record = logging.LogRecord(kind.logger, kind.level, __file__, 0, told, None, None)
            record.withheld = count
            super().handle(record)

    def close(self) -> None:
        self.sum_up(float("inf"))
        super().close()


def _kind(record: logging.LogRecord) -> _Kind | None:
    """What *record* is like; None: like no other."""
    if record.levelno < logging.INFO:
        return None  # who asks for those wants them all
    if record.name == _STREAMS:
        outcome = getattr(record, "outcome", None)
        if outcome != Outcome.REJECTED:
            return None
        return _Kind(record.name, record.levelno, f"{record.msg} {outcome} {getattr(record, 'status', None)}")
    what = record.getMessage() if record.msg == "%s" else str(record.msg)
    if record.exc_info and (error := record.exc_info[1]) is not None:
        what = f"{what} {_origin(error)}"
    return _Kind(record.name, record.levelno, what)


def _origin(error: BaseException) -> str:
    """What *error* is and where it was raised: its text may be another one each time, and all have one message."""
    trace = error.__traceback__
    if trace is None:
        return type(error).__qualname__
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return f"{type(error).__qualname__} in {code.co_qualname}, line {trace.tb_lineno}"


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
