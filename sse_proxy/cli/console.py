"""Streams on a terminal as progress: a line for each open one, rewritten in place, and one that stays when it ended.

What the lines say is decided by `live_lines` and `final_line`, which are pure. The rest draws them with rich, from a
timer in the event loop that asks the lifecycle: the way of an event knows nothing of it. Log records go through the
same console, so that they stand above the live lines and neither tears the other.

The cursor is hidden only while a stream is open, so that little is to be restored whenever the process ends.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ..lifecycle import Lifecycle
from ..watch.words import counted

if TYPE_CHECKING:  # an extra, which `watcher` may find missing
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

__all__ = ["MAX_LIVE_LINES", "Line", "final_line", "live_lines", "shown", "watcher"]

#: More streams than this are counted in one more line.
MAX_LIVE_LINES = 10

_REFRESH_SECONDS = 0.2
#: Silence that is worth a word.
_SILENT_SECONDS = 1.0
#: Live and final lines have their first columns below each other: the longest route, and the time.
_ROUTE_CELLS = 18
_TIME_CELLS = 12

_OPEN, _DONE, _LEFT, _FAILED, _MORE = "●", "✓", "–", "✗", "…"
#: The same on a terminal that is not UTF-8.
_ASCII = str.maketrans({_OPEN: "*", _DONE: "+", _LEFT: "-", _FAILED: "x", _MORE: "~"})

#: Outcomes for which nothing is to blame; of the others, the mark is a cross.
_MARKS = {
    "completed": (_DONE, "green"),
    "client_disconnected": (_LEFT, "yellow"),
    "stopped": (_LEFT, "yellow"),
}


class Line(NamedTuple):
    """One line of the terminal: *mark* in the rich style *style*, a blank, and *text* as it is; all of single cells."""

    mark: str
    style: str
    text: str


def live_lines(streams: Iterable[Mapping[str, Any]], width: int, *, limit: int = MAX_LIVE_LINES) -> list[Line]:
    """What to show of the open *streams*, each as it describes itself: the oldest first, none over *width* cells.

    Responses that are no streams are left out. Over *limit* streams are counted in a last line.
    """
    rows = sorted((row for row in streams if row["stream"]), key=lambda row: row["age_seconds"], reverse=True)
    lines = [_live_line(row) for row in rows[:limit]]
    if len(rows) > limit:
        lines.append(Line(_MORE, "dim", f"and {len(rows) - limit} more"))
    return [line._replace(text=_fitted(line.text, max(0, width - 2))) for line in lines]


def final_line(facts: Mapping[str, Any]) -> Line:
    """What stays of a finished stream; *facts* as `logs.log_stream` tells them. Not shortened: it may wrap."""
    mark, style = _MARKS.get(facts["outcome"], (_FAILED, "red"))
    first_event, repairs = facts["ttft_seconds"], facts.get("repairs") or {}
    columns = [
        str(facts["route"]).ljust(_ROUTE_CELLS),
        f"took {_seconds(facts['duration_seconds'])}".ljust(_TIME_CELLS),
        "no event" if first_event is None else f"ttft {_seconds(first_event)}",
        counted(facts["events"], "event"),
        _bytes(facts["bytes_out"]),
        facts["outcome"],
    ]
    if repairs:
        columns.append("repaired " + ", ".join(f"{kind} {times}" for kind, times in sorted(repairs.items())))
    return Line(mark, style, "  ".join(columns))


def _live_line(row: Mapping[str, Any]) -> Line:
    waiting, silence = not row["events"], row["last_event_age_seconds"]
    first_event, heartbeats = row.get("ttft_seconds"), row.get("heartbeats", 0)
    columns = [str(row["route"]).ljust(_ROUTE_CELLS), _seconds(row["age_seconds"]).ljust(_TIME_CELLS)]
    if waiting:
        columns.append(f"waiting {_seconds(silence)}")
    elif first_event is not None:
        columns.append(f"ttft {_seconds(first_event)}")
    columns += [counted(row["events"], "event"), _bytes(row["bytes_out"])]
    silent = not waiting and silence > _SILENT_SECONDS
    if silent:
        columns.append(f"silent {_seconds(silence)}")
    if heartbeats:
        columns.append(counted(heartbeats, "heartbeat"))
    return Line(_OPEN, "yellow" if waiting or silent else "green", "  ".join(columns))


def _fitted(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + _MORE[:width]


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s"


def _bytes(number: int) -> str:
    if number < 1000:
        return f"{number} B"
    return f"{number / 1e3:.1f} kB" if number < 1e6 else f"{number / 1e6:.1f} MB"


def watcher(log_format: str) -> Callable[[Lifecycle], AbstractContextManager[object]]:
    """`shown` on stderr where that is a terminal, *log_format* is for people, and rich is there; else nothing."""
    if log_format == "json" or not sys.stderr.isatty():
        return nullcontext
    try:
        from rich.console import Console
    except ImportError:
        return nullcontext
    console = Console(stderr=True)
    return partial(shown, console) if console.is_interactive else nullcontext


@contextmanager
def shown(console: Console, lifecycle: Lifecycle) -> Generator[None]:
    """Show the streams of *lifecycle* and the log on *console* during the block, inside its event loop.

    The log's format stays what the root logger's first handler had; the handlers are back after the block.
    """
    root = logging.getLogger()
    before = root.handlers[:]
    screen = _Screen(console, lifecycle)
    screen.setFormatter(before[0].formatter if before else None)
    root.handlers[:] = [screen]
    try:
        screen.start()
        yield
    finally:
        screen.stop()
        root.handlers[:] = before


class _Screen(logging.Handler):
    """The one writer to the terminal: the handler's lock is held while it writes, since other threads log too."""

    def __init__(self, console: Console, lifecycle: Lifecycle) -> None:
        super().__init__()
        self._console = console
        self._lifecycle = lifecycle
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        #: The lines now on the terminal; None when there are none, and then the cursor is visible.
        self._live: Live | None = None

    def start(self) -> None:
        """Draw from now on until `stop`."""
        with self._writing():
            self._draw()
        self._timer = self._loop.call_later(_REFRESH_SECONDS, self.start)

    def stop(self) -> None:
        """Leave the terminal as it was: no live lines, the cursor visible."""
        if self._timer is not None:
            self._timer.cancel()
        with self._writing():
            self._clear()
        self.close()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            with self._writing():
                self._console.print(self._permanent(record), soft_wrap=True)
        except Exception:  # noqa: BLE001  as every handler of logging
            self.handleError(record)

    @contextmanager
    def _writing(self) -> Generator[None]:
        """Make one write of all that the block draws, so that nothing flickers."""
        self.acquire()
        try:
            with self._console:
                yield
        finally:
            self.release()

    def _permanent(self, record: logging.LogRecord) -> Text:
        """What *record* is above the live lines; a stream that it tells the end of is no longer among them."""
        from rich.text import Text

        if record.name != "sse_proxy.streams":
            return Text.from_ansi(self.format(record))
        self._draw()
        return self._text([final_line(record.__dict__)])

    def _draw(self) -> None:
        from rich.live import Live

        width, height = self._console.size
        descriptions = [stream.describe() for stream in self._lifecycle.streams]
        # Neither the last column nor the last line: what a terminal does after them differs.
        lines = live_lines(descriptions, width - 1, limit=max(1, min(MAX_LIVE_LINES, height - 2)))
        if not lines:
            self._clear()
            return
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
            self._live.start()
        self._live.update(self._text(lines), refresh=True)

    def _clear(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _text(self, lines: Iterable[Line]) -> Text:
        from rich.text import Text

        text = Text("\n", no_wrap=True).join(Text.assemble((line.mark, line.style), f" {line.text}") for line in lines)
        if self._console.options.ascii_only:
            text.plain = text.plain.translate(_ASCII)
        return text
