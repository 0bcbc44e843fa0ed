"""``sse-proxy config``: what the settings are, where each came from, and what is risky about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from ..settings import Loaded, Route, Settings, audit, mask
from .options import load, setting_options

__all__ = ["COMMANDS"]

# A store URL may hold a password; the other URLs may not.
_MASKED = frozenset({"resume"})
# Where a setting is longer (routes mostly), only its own source stands farther to the right.
_WIDEST = 100


@click.command()
@setting_options()
@click.option("--schema", is_flag=True, help="Show the JSON Schema of the settings instead.")
@click.option(
    "--audit", "is_audit", is_flag=True, help="Tell of risky combinations instead; exit code 1 if there are any."
)
def config(config: str | None, *, schema: bool, is_audit: bool, **flags: Any) -> int:
    """Show the effective settings, as TOML, with the source of each (flag, environment, file, default)."""
    if schema:
        click.echo(json.dumps(Settings.model_json_schema(), indent=2))
        return 0
    loaded = load(config, flags, require_upstream=False)
    for warning in loaded.warnings:
        click.echo(f"sse-proxy: warning: {warning}", err=True)
    if is_audit:
        return _audit(loaded.settings)
    for line in _lines(loaded):
        click.echo(line)
    return 0


def _audit(settings: Settings) -> int:
    risks = audit(settings)
    for risk in risks:
        click.echo(risk)
    if not risks:
        click.echo("nothing risky found")
    return 1 if risks else 0


def _lines(loaded: Loaded) -> list[str]:
    given = {name: _toml(name, getattr(loaded.settings, name)) for name in Settings.model_fields}
    width = max(len(text) for text in given.values() if len(text) <= _WIDEST)
    return [f"{text:{width}}  # {loaded.sources[name]}" for name, text in given.items()]


def _toml(name: str, value: object) -> str:
    if value is None:
        return f"# {name} is not set"
    text = _value(value)
    return f"{name} = {mask(text) if name in _MASKED else text}"


def _value(value: object) -> str:
    """*value* in TOML, on one line."""
    if isinstance(value, Route):
        value = value.model_dump(exclude_unset=True)
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(key)} = {_value(item)}' for key, item in value.items())} }}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(str(value) if isinstance(value, Path) else value, ensure_ascii=False)


COMMANDS = {"config": config}
