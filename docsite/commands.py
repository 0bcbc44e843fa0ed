"""The page of commands, from click's own objects; not from their help, whose layout depends on the version of click."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import click

from sse_proxy.cli import main
from sse_proxy.settings import Settings

from .markdown import code, document, fenced, prose, table

__all__ = ["page"]


def page() -> str:
    """docs/reference/commands.md."""
    context = click.Context(main, info_name="sse-proxy")
    parts: list[str] = []
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        if command is None:
            raise LookupError(name)
        parts += _command(name, command)
    return document(
        "Commands",
        f"{prose(inspect.cleandoc(main.help or '').partition(chr(10) * 2)[0])} Also as `python -m sse_proxy`. What "
        f"is wrong "
        "with a command line is told in one line, with exit code 2.",
        table(("option", "meaning"), _options(main)),
        *parts,
    )


def _command(name: str, command: click.Command) -> Iterator[str]:
    arguments = [
        item.make_metavar(click.Context(command)) for item in command.params if isinstance(item, click.Argument)
    ]
    yield f"## {name}"
    yield fenced(" ".join(["sse-proxy", name, "[OPTIONS]", *arguments]))
    yield from _paragraphs(command.help or "")
    own = list(_options(command))
    if own:
        yield table(("option", "meaning"), own)
    flags = [item for item in command.params if item.name in Settings.model_fields and item.name != "upstream"]
    if len(flags) > len(Settings.model_fields) // 2:
        yield "And a flag for every [setting](../settings.md)."


def _paragraphs(text: str) -> Iterator[str]:
    r"""The paragraphs of a help text; those marked ``\b`` keep their lines."""
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b"):
            yield fenced(paragraph.removeprefix("\b").strip("\n"))
        elif paragraph.strip():
            yield prose(paragraph).replace("<", "&lt;")


def _options(command: click.Command) -> Iterator[tuple[str, str]]:
    many = sum(item.name in Settings.model_fields for item in command.params) > len(Settings.model_fields) // 2
    for item in command.params:
        if not isinstance(item, click.Option) or (
            many and item.name in Settings.model_fields and item.name != "upstream"
        ):
            continue
        names = ", ".join([*item.opts, *item.secondary_opts])
        value = "" if item.is_flag or item.count else f" {item.metavar or _kind(item.type)}"
        yield code(names + value), (item.help or "").replace("<", "&lt;")


def _kind(kind: click.ParamType[Any]) -> str:
    return "|".join(kind.choices) if isinstance(kind, click.Choice) else kind.name.upper()
