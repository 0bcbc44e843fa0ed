"""``sse-proxy doctor URL``: asks for a stream through all that is on the way, and says what is wrong with it.

Exit codes: 0 nothing is wrong (notes do not count), 1 something is, 2 the command line is.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import click

from ..core.probing import MAX_SECONDS
from .asking import Asked, asking_options

if TYPE_CHECKING:
    from ..doctor.report import Span

__all__ = ["COMMANDS"]

_EXIT_CLEAN, _EXIT_WRONG = 0, 1
#: A little less than a probe may take all in all.
_MAX_WAIT_SECONDS = MAX_SECONDS - 10

# By the name of a span's style.
_RICH = {
    "error": "bold red", "warning": "yellow", "note": "blue", "clean": "green", "dim": "dim", "bold": "bold",
}  # fmt: skip


@click.command()
@asking_options
@click.option(
    "--idle",
    type=click.FloatRange(0, _MAX_WAIT_SECONDS),
    default=0.0,
    metavar="SECONDS",
    help="Wait through so long a silence, and tell at which second it was cut.",
)
@click.option(
    "--total",
    type=click.FloatRange(0, _MAX_WAIT_SECONDS),
    default=0.0,
    metavar="SECONDS",
    help="Read a stream for so long that is never silent, and tell at which second it was cut.",
)
@click.option(
    "--origin", metavar="ORIGIN", help="Ask as a page of ORIGIN would, such as https://app.example, for CORS."
)
@click.option(
    "--break-post",
    is_flag=True,
    help="Break the connection of one POST, to see whether a hop sends it again. Not in production: a hop with several "
    "servers may take the proxy for down for some seconds.",
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON document.")
def doctor(*, asked: Asked, idle: float, total: float, origin: str | None, break_post: bool, as_json: bool) -> int:
    """Say what is wrong with a stream, hop by hop; exit code 1 when something is.

    An sse-proxy with --probe (demo has it on) is asked for test streams, which cost nothing, through all that stands in
    front of it. Any other URL is asked the request that -d, --openai, --anthropic or --ollama make, or a GET.
    """
    from ..doctor.asking import Asker
    from ..doctor.examination import Examination
    from ..doctor.examined import Wish
    from ..doctor.findings import is_clean
    from ..doctor.observed import Request
    from ..doctor.report import as_document, as_lines

    asked.ssl_context()  # a file without certificates is told of before anything is sent
    request = Request(method=asked.method, url=asked.url, headers=asked.headers, body=asked.body)
    own = asked.method != "GET" or asked.url != asked.base_url
    wish = Wish(
        request=request,
        url=asked.base_url,
        own_request=own,
        origin=origin,
        idle=idle,
        total=total,
        break_post=break_post,
    )
    asker = Asker(asked.ssl_context)
    report = asyncio.run(Examination(wish, asker, _tell).run())
    if as_json:
        click.echo(json.dumps(as_document(report), indent=2))
    else:
        _show([*as_lines(report)])
    return _EXIT_CLEAN if is_clean(report.findings) else _EXIT_WRONG


def _tell(text: str) -> None:
    """What takes time is told where somebody waits for it."""
    if sys.stderr.isatty():
        click.echo(f"{text} ...", err=True)


def _show(lines: list[list[Span]]) -> None:
    try:
        from rich.console import Console
        from rich.text import Text
    except ImportError:  # the extra [cli] is not installed
        for line in lines:
            click.echo("".join(text for text, _style in line))
        return
    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        console.print(Text.assemble(*((text, _RICH.get(style, "")) for text, style in line)))


COMMANDS = {"doctor": doctor}
