"""Flags made from the settings model, one for each setting, so that none can be forgotten.

Values stay text here: the model judges them, so that a mistake reads the same wherever it was made. Hence the shell
is told what completes them by what stands for the value in the help: its words, or a file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
from click.shell_completion import CompletionItem
from pydantic.fields import FieldInfo

from ..settings import FILE_ONLY, Loaded, Settings, load_settings

__all__ = ["load", "setting_options"]

_Callback = Callable[..., Any]

# By the name or its last word, what stands for the value in the help; else TEXT.
_METAVARS = {
    "seconds": "SECONDS",
    "bytes": "BYTES",
    "port": "PORT",
    "host": "ADDRESS",
    "file": "FILE",
    "cert": "FILE",
    "key": "FILE",
    "upstream": "URL",
    "readiness_upstream": "tcp|PATH|off",
    "resume": "off|memory|URL",
    "streams": "NUMBER",
    "client": "NUMBER",
    "origins": "LIST",
    "proxies": "LIST",
    "headers": "LIST",
    "bridge": "PATH=UPSTREAM_PATH",
    "model": "MODEL",
}


def setting_options(
    *, without: Collection[str] = (), only: Collection[str] | None = None
) -> Callable[[_Callback], _Callback]:
    """A decorator that adds ``--config`` (as ``config``) and a flag for each setting, or each of *only*."""
    names = [
        name
        for name in Settings.model_fields
        if name not in FILE_ONLY and name not in without and (only is None or name in only)
    ]

    def decorate(callback: _Callback) -> _Callback:
        for name in reversed(names):
            callback = _option(name, Settings.model_fields[name])(callback)
        return click.option(
            "--config",
            metavar="FILE",
            shell_complete=_complete,
            help="A TOML file with settings by these names, in snake_case.",
        )(callback)

    return decorate


def load(config: str | None, flags: dict[str, Any], *, require_upstream: bool) -> Loaded:
    """The effective settings; warnings are the caller's to tell.

    Raises:
        SettingsError: as `load_settings`.
    """
    given = {name: _one(value) for name, value in flags.items()}
    return load_settings(given, config=Path(config) if config else None, require_upstream=require_upstream)


def _one(value: object) -> object:
    """A flag's value as the environment would have it: that of a list may be given in several flags, or in none."""
    return (",".join(value) if value else None) if isinstance(value, tuple) else value


def _option(name: str, field: FieldInfo) -> Callable[[_Callback], _Callback]:
    flag = "--" + name.replace("_", "-")
    text = f"{field.description} {_default(field)}".rstrip()
    if field.annotation is bool:
        return click.option(f"{flag}/--no-{flag[2:]}", name, default=None, help=text)
    return click.option(
        flag, name, metavar=_metavar(name, field), multiple=_is_list(field), help=text, shell_complete=_complete
    )


def _complete(_ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What the shell offers for a value: files are its own business, free text is nobody's."""
    metavar = parameter.metavar or ""
    if metavar == "FILE":
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(word) for word in metavar.split("|") if word.islower() and word.startswith(incomplete)]


def _is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple


def _metavar(name: str, field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return "|".join(get_args(field.annotation))
    return _METAVARS.get(name, _METAVARS.get(name.rpartition("_")[2], "TEXT"))


def _default(field: FieldInfo) -> str:
    default = field.default
    if default is None or default == ():
        return ""
    if isinstance(default, tuple):
        return f"[default: {','.join(default)}]"
    if isinstance(default, bool):
        return f"[default: {'on' if default else 'off'}]"
    return f"[default: {default:g}]" if isinstance(default, float) else f"[default: {default}]"
