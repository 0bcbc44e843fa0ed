"""Lines of the `watch` package to stdout, at once, in colour where that is wanted; and its end when nobody reads on."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterable

import click

from ..colours import wants_colours
from ..watch.view import Line, Piece

__all__ = ["EXIT_BROKEN_PIPE", "Writer", "nobody_reads"]

#: As the signal that other programs end by, by the shell's custom.
EXIT_BROKEN_PIPE = 141


class Writer:
    """Writes to the stdout that there is when it is made."""

    def __init__(self) -> None:
        self._colours = wants_colours(sys.stdout)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8

    def write(self, lines: Iterable[Line]) -> None:
        """Write and flush *lines*.

        Raises:
            BrokenPipeError: nobody reads them.
        """
        for line in lines:
            sys.stdout.write("".join(map(self._painted, line)) + "\n")
        sys.stdout.flush()

    def _painted(self, piece: Piece) -> str:
        if not (self._colours and piece.style):
            return piece.text
        colour = next((name for name in piece.style if name not in {"bold", "dim"}), None)
        return click.style(piece.text, fg=colour, bold="bold" in piece.style or None, dim="dim" in piece.style or None)


def nobody_reads() -> int:
    """Let what is still buffered go nowhere, so that the end of the process does not complain; the exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
    return EXIT_BROKEN_PIPE
