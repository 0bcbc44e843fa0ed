"""The command line: ``sse-proxy COMMAND``; what is wrong with it is told in one line, with exit code 2.

Commands are imported when they are called or asked for help, so that the others start fast.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, NoReturn

import click

__all__ = ["main"]

_EXIT_USAGE = 2
_EXIT_INTERRUPTED = 130

#: Command → the module of this package that has it as ``command``, and its line in the list of commands.
_COMMANDS = {
    "serve": ("serve", "Run the proxy in front of an LLM server."),
    "demo": ("demo", "Run the proxy in front of an embedded mock LLM server."),
    "config": ("config", "Show the effective settings, their JSON Schema, or what is risky about them."),
    "healthcheck": ("healthcheck", "Ask the admin port whether the proxy is alive; exit code 0 or 1."),
    "doctor": ("doctor", "Say what is wrong with a stream, hop by hop, and what to change."),
    "tail": ("tail", "Show a stream's events with their gaps, its heartbeats and its defects."),
    "top": ("top", "Show the open streams of a running proxy, again and again."),
}


class _Group(click.Group):
    """Loads commands late, and tells every mistake in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f".{_COMMANDS[cmd_name][0]}", __name__)
        commands: dict[str, click.Command] = module.COMMANDS
        return commands[cmd_name]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, _COMMANDS[name][1]) for name in self.list_commands(ctx)])

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run a command and exit with its code; the arguments are click's."""
        try:
            code = super().main(*args, **{**kwargs, "standalone_mode": False})
        except click.ClickException as error:
            code = _complain(_reason(error))
        except click.Abort:  # Ctrl-C before the server took it over
            code = _EXIT_INTERRUPTED
        except ValueError as error:
            from ..settings import SettingsError

            if not isinstance(error, SettingsError):
                raise
            code = _complain(str(error))
        sys.exit(code)


def _complain(message: str) -> int:
    click.echo(f"sse-proxy: {' '.join(message.split())}", err=True)
    return _EXIT_USAGE


def _reason(error: click.ClickException) -> str:
    command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else None
    if isinstance(error, click.NoSuchOption):
        similar = f", did you mean {error.possibilities[0]}?" if error.possibilities else ""
        return f"unknown flag {error.option_name}{similar} ({command} --help lists all)"
    return error.format_message()


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 -- click's
    if value:
        from ..version import version

        click.echo(f"sse-proxy {version()}")
        ctx.exit()


@click.group(
    cls=_Group,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show the version."
)
@click.pass_context
def main(ctx: click.Context) -> None:
    """A streaming proxy for LLM servers: heartbeats, honest endings, timeouts, metrics.

    Settings come from flags, then the environment (SSE_PROXY_<NAME>), then --config FILE.toml, then defaults.

    Completion of commands, flags and values, for bash (or zsh_source, fish_source):
    eval "$(_SSE_PROXY_COMPLETE=bash_source sse-proxy)"
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
