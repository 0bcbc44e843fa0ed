"""Commands of later versions: named, so that they are found, and refused."""

from __future__ import annotations

import click

__all__ = ["COMMANDS"]


def _later(name: str) -> click.Command:
    @click.command(name, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:  # noqa: ARG001 -- whatever follows
        """Not in this version."""
        raise click.UsageError(f"{name} is not in this version")

    return command


COMMANDS = {name: _later(name) for name in ("tail", "top")}
