"""docs/frontends.md: what it shows is what `test_frontends` runs, or at least what the settings take."""

from __future__ import annotations

import re
import shlex
import tomllib

from click.testing import CliRunner

from sse_proxy import Settings
from sse_proxy.cli import main

from .frontends import EXAMPLES

DOCUMENT = (EXAMPLES.parent.parent / "docs" / "frontends.md").read_text()


def shown(*languages: str) -> list[str]:
    """The blocks of code in one of *languages*."""
    return [code for language, code in re.findall(r"```(\w+)\n(.*?)```", DOCUMENT, re.DOTALL) if language in languages]


def test_the_frontends_are_those_that_run() -> None:
    """Each example in full, in the order of the text, and no other code."""
    names = ("eventSource.js", "fetchStream.js", "useStreamingChat.tsx")
    assert shown("js", "tsx") == [(EXAMPLES / name).read_text() for name in names]
    assert sorted(names) == sorted(path.name for path in EXAMPLES.iterdir())


def test_the_commands_are_accepted() -> None:
    """Their flags exist and take these values."""
    lines = "".join(shown("sh")).replace("\\\n", "").splitlines()
    commands = [shlex.split(line) for line in lines if line.startswith("sse-proxy serve ")]
    assert len(commands) == 2
    for _program, _serve, *flags in commands:
        assert CliRunner().invoke(main, ["config", *flags]).exit_code == 0


def test_the_routes_are_accepted() -> None:
    """Both are bridges."""
    [file] = map(tomllib.loads, shown("toml"))
    routes = Settings(upstream="http://127.0.0.1:8000", **file).effective_routes
    assert [(route.path, route.is_bridge) for route in routes] == [("/chat/stream", True), ("/conversation", True)]
