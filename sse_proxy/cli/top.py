"""``sse-proxy top``: the streams of a running proxy, from its admin port, again and again."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from ..settings import mask
from ..sockets import format_address
from .options import load
from .reach import admin_address

if TYPE_CHECKING:  # rich is an extra
    from rich.console import Console, ConsoleOptions, RenderableType

    from ..watch.admin import Admin, Snapshot

__all__ = ["COMMANDS"]

_SORTS = ("age", "events", "rate", "silence", "bytes")


@click.command()
@click.option("--admin", metavar="URL", help="The admin port; without it that of the settings, 127.0.0.1:7071 if none.")
@click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Its first line is the token of the admin port; without it that of the settings.",
)
@click.option("--sort", type=click.Choice(_SORTS), default="age", show_default=True, help="The largest comes first.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two looks.",
)
@click.option("--once", is_flag=True, help="Look once.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a look, in one line.")
def top(*, admin: str | None, token_file: Path | None, sort: str, interval: float, once: bool, as_json: bool) -> int:
    """Show the open streams of a proxy, and how those ended that have.

    On a terminal the table is drawn in place (with the extra [cli]: pip install 'sse-proxy[cli]'), elsewhere it is
    written again at each look. Ctrl-C ends it, with exit code 0; 1 means that the admin port cannot be asked.
    """
    from ..watch.admin import Admin, AdminError
    from .output import nobody_reads

    address, token = _where(admin, token_file)
    url = mask(address)
    try:
        with Admin(address, token) as port:
            if once or as_json or not sys.stdout.isatty() or (console := _console()) is None:
                _write(port, url, sort, interval=None if once else interval, as_json=as_json)
            else:
                _draw(port, url, sort, interval, console)
    except AdminError as error:
        click.echo(f"sse-proxy: {url}: {error}", err=True)
        return 1
    except BrokenPipeError:
        return nobody_reads()
    except KeyboardInterrupt:  # the usual end
        return 0
    return 0


def _where(admin: str | None, token_file: Path | None) -> tuple[str, str | None]:
    """The address and the token, from the settings of the environment where there is no flag."""
    import httpx

    settings = load(None, {}, require_upstream=False).settings
    if admin is None:
        admin = f"http://{format_address(admin_address(settings))}"
    elif "://" not in admin:
        admin = f"http://{admin}"
    try:
        url = httpx.URL(admin)
        usable = url.scheme in {"http", "https"} and bool(url.host)
    except (httpx.InvalidURL, UnicodeError):
        usable = False
    if not usable:
        raise click.UsageError(f"--admin: got {mask(admin)!r}, expected http://HOST:PORT")
    path = token_file or settings.admin_token_file
    if path is None:
        return admin, None
    lines = path.read_text(encoding="utf-8").split()
    if not lines or lines[0].startswith("sha256:"):
        raise click.UsageError(f"--token-file: got {path}, expected a file that begins with the token itself")
    return admin, lines[0]


def _console() -> Console | None:
    """The terminal, for drawing in place; None without rich, or where it cannot."""
    try:
        from rich.console import Console
    except ImportError:
        return None
    console = Console()
    return console if console.is_terminal and not console.is_dumb_terminal else None


def _write(port: Admin, url: str, sort: str, *, interval: float | None, as_json: bool) -> None:
    """Write what each look finds, *interval* seconds apart; None looks once."""
    from ..watch.table import lines_of, sorted_by
    from ..watch.view import Piece
    from .output import Writer

    writer = Writer()
    while True:
        found = port.look()
        streams = sorted_by(found.streams, sort)
        if as_json:
            document = {"t": round(found.t, 3), "streams": streams, "totals": asdict(found.totals)}
            writer.write([[Piece(json.dumps(document))]])
        else:
            writer.write(lines_of(streams, found.totals, address=url, now=found.t, width=None, height=None))
        if interval is None:
            return
        if not as_json:
            writer.write([[]])
        time.sleep(interval)


def _draw(port: Admin, url: str, sort: str, interval: float, console: Console) -> None:
    """Draw the table in place until Ctrl-C; a port that has answered once may be away for a while."""
    from rich.live import Live

    from ..watch.admin import AdminError

    screen = _Screen(port.look(), url, sort)
    # Its own thread draws anew four times a second, and so to the size that the terminal has then.
    with _until_ctrl_c() as ended, Live(screen, console=console, screen=True, refresh_per_second=4):
        while not ended.wait(interval):
            try:
                screen.show(port.look())
            except AdminError as error:
                screen.complain(str(error))


@contextmanager
def _until_ctrl_c() -> Generator[threading.Event]:
    """An event for the first Ctrl-C, which as an exception in the middle of drawing would leave half a screen behind.

    The second one is an exception again, since a port that does not answer can hold the first one up.
    """
    ended = threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        ended.set()

    before = signal.signal(signal.SIGINT, end)
    try:
        yield ended
    finally:
        signal.signal(signal.SIGINT, before)


class _Screen:
    """What is drawn: the last look, and what kept us from a newer one."""

    def __init__(self, found: Snapshot, url: str, sort: str) -> None:
        self._found, self._url, self._sort = found, url, sort
        self._complaint = ""

    def show(self, found: Snapshot) -> None:
        """Draw *found* from now on."""
        self._found, self._complaint = found, ""

    def complain(self, why: str) -> None:
        """Draw *why* there is nothing newer."""
        self._complaint = why

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """What rich asks for."""
        from rich.text import Text

        from ..watch.table import lines_of, sorted_by

        found = self._found
        last = self._complaint or "Ctrl-C ends"
        lines = lines_of(
            sorted_by(found.streams, self._sort),
            found.totals,
            address=self._url,
            now=found.t,
            width=options.max_width - 1,
            height=options.size.height - 1,
        )
        texts = [Text.assemble(*((piece.text, " ".join(piece.style)) for piece in line)) for line in lines]
        texts.append(Text(last, "red" if self._complaint else "dim"))
        yield Text("\n", no_wrap=True, overflow="crop").join(texts)


COMMANDS = {"top": top}
