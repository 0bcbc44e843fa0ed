"""``sse-proxy tail``: a stream as it comes, its events decoded and its silences measured."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click

from ..settings import shown_url
from .asking import Asked, asking_options
from .loop import run_loop

if TYPE_CHECKING:
    from ..watch.view import View

__all__ = ["COMMANDS"]

#: As the signal that it stands for, by the shell's custom.
_EXIT_INTERRUPTED = 130


@click.command()
@asking_options
@click.option("--raw", is_flag=True, help="Show the bytes as they came, a line for each read, line ends escaped.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for the head, each event and the end.")
def tail(asked: Asked, *, raw: bool, as_json: bool) -> int:
    """Show the events of the stream at URL with their gaps, its heartbeats and its defects, and whether it was whole.

    \b
    sse-proxy tail http://127.0.0.1:8000 --openai MODEL
    sse-proxy tail http://127.0.0.1:8000/v1/chat/completions -d @request.json -H @key.txt

    Exit code 0 when it was whole, 1 when not or when there was none, 2 for a wrong option, 130 after Ctrl-C.
    """  # noqa: D301  \b is click's, against wrapping
    if raw and as_json:
        raise click.UsageError("--raw and --json are two outputs, expected one")
    return run_loop(_tail(asked, _view(raw=raw, as_json=as_json)))


def _view(*, raw: bool, as_json: bool) -> View:
    from ..watch.human import Human, Raw
    from ..watch.machine import JSONLines

    if as_json:
        return JSONLines()
    if raw:
        return Raw()
    return Human(shutil.get_terminal_size().columns - 1 if sys.stdout.isatty() else None)


async def _tail(asked: Asked, view: View) -> int:
    import httpx

    from ..watch.following import Following
    from ..watch.marks import Verdict
    from ..watch.sending import Unreachable
    from .output import Writer, nobody_reads

    if asked.header("Accept-Encoding") is None:
        asked = asked.with_header("Accept-Encoding", "identity")
    try:
        request = httpx.Request(asked.method, asked.url, headers=list(asked.headers), content=asked.body or None)
        _ = request.url.host
    except (httpx.InvalidURL, UnicodeError) as error:  # a host that cannot be one
        given = shown_url(asked.url)
        raise click.UsageError(f"url: got {given!r}, expected http://HOST[:PORT][/PATH], or https://") from error
    try:
        ending = await Following(view, Writer().write).run(request, asked.ssl_context())
    except Unreachable as error:
        click.echo(f"sse-proxy: {shown_url(asked.url)}: {error}", err=True)
        return 1
    except BrokenPipeError:  # `| head` has had enough
        return nobody_reads()
    if ending.verdict is Verdict.STOPPED:
        return _EXIT_INTERRUPTED
    return 0 if ending.is_whole else 1


COMMANDS = {"tail": tail}
