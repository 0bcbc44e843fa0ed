"""What the benchmark has to know about a server: how it is got, started, asked and named."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = [
    "CACHE",
    "CHAT",
    "OPENAI",
    "OPENAI_AND_ANTHROPIC",
    "Ground",
    "Launch",
    "Peer",
    "binary",
    "program_version",
    "venv_version",
]

#: Where `scripts/setup-bench` puts the servers.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sse-proxy" / "bench"

CHAT = "/v1/chat/completions"
#: Form of a stream → the path to ask for it.
OPENAI: Mapping[str, str] = {"chat": CHAT}
OPENAI_AND_ANTHROPIC: Mapping[str, str] = {"chat": CHAT, "anthropic": "/v1/messages", "crlf": CHAT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a server is given to stand on."""

    #: Its own, for configuration and scratch.
    directory: Path
    port: int
    #: A second one, for administration or metrics.
    admin_port: int
    upstream_port: int

    @property
    def upstream(self) -> str:
        """The upstream's host and port."""
        return f"127.0.0.1:{self.upstream_port}"

    def write(self, name: str, text: str) -> str:
        """The path of a new file *name* with *text*."""
        path = self.directory / name
        path.write_text(text)
        return str(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start it."""

    arguments: tuple[str, ...]
    #: What is added to the environment.
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Peer:
    """One server under test."""

    name: str
    #: As the page calls it.
    title: str
    #: What must be there for it to start.
    needs: Path
    launch: Callable[[Ground], Launch]
    version: Callable[[], str]
    #: Form of a stream → the path to ask for it; the forms that it passes on at all.
    paths: Mapping[str, str]
    #: Answers with 200 once it is ready.
    ready_path: str = "/health"

    @property
    def missing(self) -> str | None:
        """Why it cannot take part; None if it can."""
        return None if self.needs.exists() else f"not installed ({self.needs.name} is missing)"


def binary(group: str, name: str) -> Path:
    """The executable *name* of a venv that `scripts/setup-bench` makes."""
    return CACHE / group / "bin" / name


def program_version(*command: str, environment: Mapping[str, str] | None = None) -> Callable[[], str]:
    """What asks a program for its version: the first thing in its answer that looks like one."""

    def ask() -> str:
        done = subprocess.run(  # noqa: S603  a program that is about to be started anyway
            command, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False, timeout=60
        )
        found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
        return found[0] if found else "unknown"

    return ask


def venv_version(python: Path, package: str) -> Callable[[], str]:
    """What asks a venv for the version of *package*."""
    return program_version(str(python), "-c", f"from importlib.metadata import version; print(version({package!r}))")
