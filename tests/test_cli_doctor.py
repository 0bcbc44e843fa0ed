"""``sse-proxy doctor`` as users run it: what it prints, and its exit codes."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import pytest
from click.testing import CliRunner

from sse_proxy.cli import main
from sse_proxy.cli.doctor import _show, _tell
from sse_proxy.demo import create_mock

from .conftest import LIMIT_SECONDS
from .streaming import proxying, served


async def doctor(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sse_proxy", "doctor", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(LIMIT_SECONDS * 2):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_a_chain_that_is_right_exits_with_0() -> None:
    """And its document says so."""
    async with proxying("http://127.0.0.1:1", probe=True) as proxy:
        code, out, err = await doctor(proxy.url, "--json", "--idle", "0.5", "--total", "1")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert (document["clean"], document["mode"], document["findings"]) == (True, "probe", [])
    assert list(document["streams"]) == ["stream", "silent", "beating", "long"]


async def test_a_chain_that_is_wrong_exits_with_1() -> None:
    """With words for people."""
    async with served(create_mock()) as port:
        url = f"http://127.0.0.1:{port}/v1/chat/completions?rate=100&truncate_after=5"
        code, out, err = await doctor(url, "--openai", "m")
    assert (code, err) == (1, "")
    assert "error   truncated" in out
    assert out.splitlines()[-1].startswith("1 error")


@pytest.mark.parametrize(
    "arguments, told",
    [
        ([], "Missing argument 'URL'."),
        (["http://a", "--idle", "-1"], "Invalid value for '--idle'"),
        (["http://a", "--idle", "9999"], "Invalid value for '--idle'"),
        (["http://a", "--openai", "m", "-d", "x"], "--openai makes the request"),
    ],
)
def test_a_mistake_exits_with_2(arguments: list[str], told: str) -> None:
    """Before anything is asked."""
    result = CliRunner().invoke(main, ["doctor", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_help_says_what_it_costs() -> None:
    """And what is not for production."""
    text = " ".join(CliRunner().invoke(main, ["doctor", "--help"]).stdout.split())
    assert "exit code 1 when something is" in text
    assert "Not in production" in text


LINES: list[Any] = [[("error   ", "error"), ("buffered", "bold"), ("", "")], []]


@pytest.mark.parametrize("has_rich", [True, False])
def test_a_report_reads_the_same_without_rich(
    has_rich: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It only brings colours."""
    if not has_rich:
        monkeypatch.setitem(sys.modules, "rich.console", None)
    _show(LINES)
    assert capsys.readouterr().out == "error   buffered\n\n"


@pytest.mark.parametrize("is_terminal, told", [(True, "waiting ...\n"), (False, "")])
def test_what_takes_time_is_told_on_a_terminal_only(
    is_terminal: bool, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script's log has no use for it."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    _tell("waiting")
    assert capsys.readouterr().err == told
