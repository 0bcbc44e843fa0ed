"""What the shell completes, with click's own scripts: commands, flags and the values of settings."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from sse_proxy.cli import main

from .conftest import require_component
from .terminal import Terminal


def completed(words: str) -> list[str]:
    """What bash is told for the last of *words*: its kind and itself."""
    environ = {"_SSE_PROXY_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    return CliRunner(env=environ).invoke(main, [], prog_name="sse-proxy").stdout.split()


def test_the_shell_completes_commands_and_flags() -> None:
    """With click's own script, as the help says."""
    assert "plain,serve" in completed("sse-proxy ")
    assert completed("sse-proxy tai") == ["plain,tail"]
    assert "plain,--openai" in completed("sse-proxy tail --ope")
    assert "_SSE_PROXY_COMPLETE=bash_source sse-proxy" in CliRunner().invoke(main, ["--help"]).stdout
    script = CliRunner(env={"_SSE_PROXY_COMPLETE": "bash_source"}).invoke(main, [], prog_name="sse-proxy")
    assert "complete -o nosort -F _sse_proxy_completion sse-proxy" in script.stdout


@pytest.mark.parametrize(
    "typed, words",
    [
        ("serve --reframe ", ["auto", "always", "never"]),
        ("serve --reframe al", ["always"]),
        ("serve --log-format ", ["auto", "json", "console"]),
        ("serve --log-level w", ["warning"]),
        ("demo --heartbeat-mode comment", ["comment", "comment-block"]),
        ("serve --resume ", ["off", "memory"]),
        ("serve --readiness-upstream ", ["tcp", "off"]),
        ("serve --port ", []),
        ("serve --bridge-model ", []),
        ("top --sort ev", ["events"]),
    ],
)
def test_the_words_that_a_setting_takes_are_completed(typed: str, words: list[str]) -> None:
    """Of those that take text besides, only the words."""
    assert completed(f"sse-proxy {typed}") == [f"plain,{word}" for word in words]


@pytest.mark.parametrize(
    "flag",
    ["serve --config", "demo --config", "config --tls-cert-file", "serve --upstream-client-key", "top --token-file"],
)
def test_files_are_left_to_the_shell(flag: str) -> None:
    """Which knows where the user is and what a directory looks like."""
    assert completed(f"sse-proxy {flag} a/b") == ["file,a/b"]


def test_a_real_bash_completes_words_and_files(tmp_path: Path) -> None:
    """With the script in its memory, and keys that somebody presses."""
    bash = require_component("bash")
    (tmp_path / "of-mine.toml").touch()
    here = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {"PATH": here, "PS1": "go: ", "INPUTRC": os.devnull, "HISTFILE": ""}
    shell = Terminal(program=[bash, "--norc", "--noprofile", "-i"], command=(), environ=environ, cwd=tmp_path)
    with closing(shell):
        shell.until("go: ")
        start = shell.type('eval "$(_SSE_PROXY_COMPLETE=bash_source sse-proxy)"\r')
        shell.until(r"\n.*go: ", start=start)
        start = shell.type("sse-proxy serve --reframe al\t")
        shell.until("--reframe always ", start=start)
        start = shell.type("--config of\t")
        shell.until(r"--config of-mine\.toml ", start=start)
