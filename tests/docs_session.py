"""Runs the commands of one page in order, as its reader does, with servers that go on in the background.

What is different from a reader's machine stands in `Session.fitted` alone: ports, the name of the model, the place of
the virtual environment. A line that starts a server is told by `_SERVERS`; it replaces the one on the same port.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from .conftest import LIMIT_SECONDS, free_port
from .docs_blocks import PROJECT, Block

__all__ = ["Session", "Step", "pattern_of", "steps"]

#: How a line begins that starts a server, and the port of the documents that it then answers on.
_SERVERS = (
    (re.compile(r"make run\b|sse-proxy demo\b|sse-proxy serve\b.*--upstream"), 7070),
    (re.compile(r"python3 -m http\.server\b"), 8090),
)
_EXIT_CODE = re.compile(r"\s+# exit code (\d+)$")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_HASH = re.compile(r"\b[0-9a-f]{32}\b")


@dataclass(frozen=True, slots=True)
class Step:
    """One command, the exit code that it has to have, and what it has to print; None: anything."""

    command: str
    exit_code: int = 0
    output: str | None = None


def steps(block: Block) -> Iterator[Step]:
    """The commands of a ``sh`` block, or of a ``console`` block with their output."""
    code = block.code.replace("\\\n", " ")
    if block.language == "sh":
        lines = (line.strip() for line in code.splitlines())
        yield from (_step(line) for line in lines if line and not line.startswith("#"))
        return
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield _step(command, output)


def _step(command: str, output: str | None = None) -> Step:
    found = _EXIT_CODE.search(command)
    return Step(command, int(found[1]) if found else 0, output)


def pattern_of(output: str) -> re.Pattern[str]:
    """What an output has to be like: ``…`` alone on a line is any lines, within one any text, a number any number."""
    lines = []
    for line in output.rstrip("\n").split("\n"):
        if line.strip() == "…":
            lines.append(r"(?:[^\n]*\n)*?")
        else:
            lines.append(re.escape(_plain(line)).replace("…", "[^\n]*") + r"\n")
    return re.compile("".join(lines))


def _plain(text: str) -> str:
    """*text* without what differs from run to run."""
    return _NUMBER.sub("N", _HASH.sub("ID", text))


class Session(AbstractContextManager["Session"]):
    """A page's shell; leaving it ends its servers."""

    def __init__(self, upstream: int) -> None:
        """*upstream*: the port of the reader's own LLM server, which is there already."""
        self._ports = {**{port: free_port() for port in (7070, 7071, 8090)}, 8000: upstream}
        self._servers: dict[int, subprocess.Popen[bytes]] = {}

    def __exit__(self, *_: object) -> None:
        for port in list(self._servers):
            self._stop(port)

    def __enter__(self) -> Self:
        return self

    def port(self, port: int) -> int:
        """Where what the documents have on *port* is here."""
        return self._ports[port]

    def fitted(self, text: str) -> str:
        """*text* for this machine: the ONE place where commands are changed."""
        text = re.sub(r"(?<![\d.])(7070|7071|8000|8090)(?!\d)", lambda found: str(self._ports[int(found[0])]), text)
        text = text.replace(". .venv/bin/activate", f". {shlex.quote(sys.prefix)}/bin/activate")
        return re.sub(r"\bMODEL\b", "mock", text)

    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith(("SSE_PROXY_", "COVERAGE"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        ports = {"SSE_PROXY_PORT": str(self._ports[7070]), "SSE_PROXY_ADMIN_PORT": str(self._ports[7071])}
        return {**own, **ports, "PATH": path, "VENV": sys.prefix, "PYTHONPATH": str(PROJECT)}

    def run(self, step: Step) -> None:
        """Run *step*, or start its server.

        Raises:
            AssertionError: another exit code or output than the page tells; the server does not answer.
        """
        port = next((port for begins, port in _SERVERS if begins.match(step.command)), None)
        if port is not None and step.exit_code == 0:
            self._start(step, port)
            return
        code, out, errors = self._done(step)
        printed = (out + (errors if step.exit_code else "")).replace("\r", "")
        told = f"$ {step.command}\n{out}{errors}"
        assert code == step.exit_code, told
        if step.output is not None:
            wanted = pattern_of(self.fitted(step.output))
            assert wanted.fullmatch(_plain(printed).rstrip("\n") + "\n"), (
                f"{told}\nis not as the page has it:\n{step.output}"
            )

    def _done(self, step: Step) -> tuple[int, str, str]:
        command = ["bash", "-euo", "pipefail", "-c", self.fitted(step.command)]
        with subprocess.Popen(
            command, cwd=PROJECT, env=self._environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        ) as process:  # fmt: skip
            try:
                out, errors = process.communicate(timeout=60)
            finally:
                with suppress(ProcessLookupError):  # what it has started would run on for hours
                    os.killpg(process.pid, signal.SIGKILL)
        return process.returncode, out, errors

    def _start(self, step: Step, port: int) -> None:
        self._stop(port)
        with tempfile.TemporaryFile() as told:
            self._servers[port] = server = subprocess.Popen(
                ["bash", "-c", f"exec {self.fitted(step.command)}"], cwd=PROJECT, env=self._environment(),
                stdout=told, stderr=told, start_new_session=True,
            )  # fmt: skip
            deadline = time.monotonic() + 3 * LIMIT_SECONDS
            while not _answers(self._ports[port]):
                if server.poll() is not None or time.monotonic() > deadline:
                    told.seek(0)
                    raise AssertionError(f"$ {step.command}\n{told.read().decode()}")
                time.sleep(0.05)

    def _stop(self, port: int) -> None:
        if (server := self._servers.pop(port, None)) is None:
            return
        with suppress(ProcessLookupError):  # it did not start
            os.killpg(server.pid, signal.SIGKILL)  # its own session: `make` and what it has started
        server.wait()
        while _answers(self._ports[port]):  # a grandchild, which nobody here can wait for
            time.sleep(0.01)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        # Without a listener, a socket whose own port is the one asked for connects to itself.
        return probe.connect_ex(("127.0.0.1", port)) == 0 and probe.getsockname() != probe.getpeername()
