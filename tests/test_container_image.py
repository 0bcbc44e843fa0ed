"""The Dockerfile: checked by hadolint, its promises read out of it, and its environment really used.

What comes out of it is built and run by `make image-shows` (tests/image), which needs root.
"""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from sse_proxy.settings import load_settings

from .conftest import LIMIT_SECONDS, free_port, require_component
from .pod.streams import get

_ROOT = Path(__file__).resolve().parent.parent
_DOCKERFILE = _ROOT / "Dockerfile"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: its base, and its instructions as name and arguments, in order."""

    base: str
    instructions: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [arguments for known, arguments in self.instructions if known == name]

    def last(self, name: str) -> str:
        """The arguments of the last instruction *name*, which is the one that counts."""
        return self.all(name)[-1]

    def environment(self) -> dict[str, str]:
        pairs = (pair.partition("=") for arguments in self.all("ENV") for pair in arguments.split())
        return {name: value for name, _, value in pairs}


def stages() -> list[Stage]:
    """The Dockerfile, stage by stage."""
    lines = re.sub(r"^\s*#.*\n", "", _DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    found: list[Stage] = []
    for line in filter(None, map(str.strip, lines)):
        name, _, arguments = line.partition(" ")
        if name == "FROM":
            found.append(Stage(base=arguments.split()[0], instructions=[]))
        elif found:
            found[-1].instructions.append((name, " ".join(arguments.split())))
    return found


def hadolint(text: str) -> subprocess.CompletedProcess[str]:
    """What the linter makes of a Dockerfile, with our configuration."""
    command = [require_component("hadolint"), "--config", str(_ROOT / ".hadolint.yaml"), "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def test_hadolint_has_nothing_to_say() -> None:
    """No remark of any level, and none is silenced."""
    checked = hadolint(_DOCKERFILE.read_text())
    assert (checked.returncode, checked.stdout) == (0, "")
    assert "ignore" not in _DOCKERFILE.read_text()


@pytest.mark.parametrize(
    "written, mistake, rule",
    [
        ('ENTRYPOINT ["sse-proxy"]', "ENTRYPOINT sse-proxy", "DL3025"),
        ("USER 65532:65532", "USER root", "DL3002"),
        ("COPY sse_proxy sse_proxy", "ADD sse_proxy sse_proxy", "DL3020"),
    ],
)
def test_hadolint_finds_mistakes(written: str, mistake: str, rule: str) -> None:
    """The control: the same check fails for what it is there to find."""
    assert written in _DOCKERFILE.read_text()
    checked = hadolint(_DOCKERFILE.read_text().replace(written, mistake))
    assert checked.returncode != 0
    assert rule in checked.stdout


def test_the_bases_are_the_builders_choice() -> None:
    """Both are arguments, with one default that has no digest: whoever builds pins it."""
    build, run = stages()
    defaults = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", _DOCKERFILE.read_text(), re.MULTILINE))
    assert [build.base, run.base] == ["${PYTHON_IMAGE}", "${RUNTIME_IMAGE}"]
    assert defaults == {"PYTHON_IMAGE": "python:3.13-slim", "RUNTIME_IMAGE": "${PYTHON_IMAGE}"}


def test_nothing_that_runs_needs_a_shell() -> None:
    """No RUN in the last stage, and every command a list: the base may be without one."""
    run = stages()[-1]
    assert run.all("RUN") == []
    check = run.last("HEALTHCHECK").partition("CMD ")[2]
    assert json.loads(check) == ["sse-proxy", "healthcheck"]
    assert json.loads(run.last("ENTRYPOINT")) == ["sse-proxy"]
    assert json.loads(run.last("CMD")) == ["serve"]


def test_it_runs_as_nobody_in_particular() -> None:
    """A number, as runAsNonRoot asks for, and nothing that is shipped belongs to it."""
    run = stages()[-1]
    assert run.all("USER") == ["65532:65532"]
    assert not [arguments for arguments in run.all("COPY") if "--chown" in arguments]
    assert run.last("STOPSIGNAL") == "SIGTERM"


def test_every_package_is_locked() -> None:
    """Each installation asks for hashes, or has no index to take anything from."""
    installs = [step for step in " ".join(stages()[0].all("RUN")).split("&&") if " install " in step]
    installs = re.findall(r"-m pip .*? install .*?(?=&&|/build/venv/bin/python3 -m hatchling|$)", " && ".join(installs))
    assert len(installs) == 3
    for install in installs:
        assert ("--require-hashes" in install and "--only-binary :all:" in install) or "--no-index" in install, install


def test_what_is_copied_is_let_in() -> None:
    """Everything else stays out of the build: .dockerignore begins with `*`."""
    lines = [line for line in (_ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    let_in = {line.removeprefix("!") for line in lines if line.startswith("!")}
    copied = {source.split("/")[0] for step in stages()[0].all("COPY") for source in step.split()[:-1]}
    assert copied == let_in
    assert [name for name in let_in if not (_ROOT / name).exists()] == []


async def test_the_environment_of_the_image_serves_on_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients, kubelet and health check reach it over IPv4 and IPv6."""
    variables = stages()[-1].environment()
    for name, value in variables.items():
        if name.startswith("SSE_PROXY_"):
            monkeypatch.setenv(name, value)
    settings = load_settings({}, require_upstream=False).settings
    assert (settings.host, settings.admin_host) == ("::", "::")
    assert sorted(map(int, stages()[-1].last("EXPOSE").split())) == [settings.port, settings.admin_port]
    monkeypatch.setenv("SSE_PROXY_PORT", str(port := free_port()))
    monkeypatch.setenv("SSE_PROXY_ADMIN_PORT", str(admin := free_port()))
    monkeypatch.setenv("SSE_PROXY_UPSTREAM", f"http://127.0.0.1:{free_port()}")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sse_proxy", *json.loads(stages()[-1].last("CMD"))), stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while b"ready: " not in (line := await process.stderr.readline()):
                assert line, "it has not started"
            for address in ("127.0.0.1", "::1"):
                assert await get(port, "/-/sse-proxy/healthz", address) == 200
                assert await get(admin, "/healthz", address) == 200
            health = await asyncio.create_subprocess_exec(sys.executable, "-m", "sse_proxy", "healthcheck")
            assert await health.wait() == 0
    finally:
        process.kill()
        await process.wait()
