"""Shared parts of the tests that look at a terminal: a pseudo-terminal with the demo on it, and what is to be seen."""

from __future__ import annotations

import codecs
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from .conftest import LIMIT_SECONDS

__all__ = ["HIDE", "SHOW", "Terminal", "screen_of"]

#: What hides and shows the cursor.
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"

_PROGRAM = (sys.executable, "-m", "sse_proxy")
_DEMO = ("demo", "--port", "0", "--admin-port", "0")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


def screen_of(written: str) -> list[str]:
    """Return the lines that a terminal shows after *written*, without colours and trailing blanks."""
    lines, row, column = [""], 0, 0
    for control, number, final, char in re.findall(r"(\x1b\[\??(\d*)(?:;\d+)*([A-Za-z]))|(.|\n)", written):
        if control:
            row = max(0, row - int(number or 1)) if final == "A" else row
            lines[row] = "" if final == "K" else lines[row]
        elif char == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif char == "\r":
            column = 0
        else:
            lines[row] = lines[row].ljust(column)[:column] + char + lines[row][column + 1 :]
            column += 1
    return [line.rstrip() for line in lines]


class Terminal:
    """``sse-proxy demo`` on a pseudo-terminal; what it writes is read at once, so that it never has to wait.

    Another *command* in its place, or another *program*; *environ*: variables besides the test's own.
    """

    def __init__(
        self,
        *flags: str,
        command: Sequence[str] = _DEMO,
        environ: Mapping[str, str] | None = None,
        program: Sequence[str] = _PROGRAM,
        cwd: Path | None = None,
    ) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 100))
        # It has that size, and not the one that somebody else's process was started with.
        inherited = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
        self.popen = subprocess.Popen(
            [*program, *command, *flags],
            cwd=cwd,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**inherited, "TERM": "xterm", "PYTHONUTF8": "1", **(environ or {})},
        )
        os.close(slave)
        self.written = ""
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")()
        while True:
            try:
                data = os.read(self._master, 65536)
            except OSError:  # EIO: nobody has the other end any more
                return
            with self._more:
                self.written += decoder.decode(data)
                self._more.notify()

    def until(self, pattern: str, *, start: int = 0) -> re.Match[str]:
        """Return the first match of *pattern* in what it has written from *start* on, colours left out."""
        with self._more:
            found = self._more.wait_for(
                lambda: re.search(pattern, _COLOUR.sub("", self.written[start:])), LIMIT_SECONDS
            )
        assert found, self.written
        return found

    def type(self, text: str) -> int:
        """Press keys; return how much was written before."""
        before = len(self.written)
        os.write(self._master, text.encode())
        return before

    def resize(self, rows: int, columns: int) -> None:
        """Make the terminal another size, as a window manager does."""
        termios.tcsetwinsize(self._master, (rows, columns))

    def interrupt(self) -> int:
        """Ctrl-C; return how much was written before."""
        before = len(self.written)
        self.popen.send_signal(signal.SIGINT)
        return before

    def end(self) -> int:
        """Return its exit code, all output read."""
        code = self.popen.wait(LIMIT_SECONDS)
        self._reader.join()
        return code

    def close(self) -> None:
        self.popen.kill()
        self.end()
        os.close(self._master)
