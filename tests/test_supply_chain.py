"""What a release is made of: dependencies with reasons, installed by hash, built to the same bytes by everybody."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from .conftest import require_component

ROOT = Path(__file__).resolve().parent.parent
EPOCH = "1750000000"
_DEPENDENCIES = re.compile(r"^dependencies = \[\n(.*?)^\]", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r'\s*"([a-z0-9-]+)[^"]*",\s+# ([^;\n]+)')
_ROW = re.compile(r"^\| `([a-z0-9-]+)` \| ([^|]+) \|$", re.MULTILINE)


def test_the_runtime_dependencies_are_told_with_their_reasons() -> None:
    """SECURITY.md has what pyproject.toml has: a new one has to be argued for where users read it."""
    project = (ROOT / "pyproject.toml").read_text()
    block = _DEPENDENCIES.search(project)
    assert block is not None
    told = [(name, reason.strip()) for name, reason in _LINE.findall(block[1])]
    named = tomllib.loads(project)["project"]["dependencies"]
    assert [re.split(r"[^a-z0-9-]", one)[0] for one in named] == [name for name, _ in told]
    page = (ROOT / "SECURITY.md").read_text().partition("<!-- begin: the runtime")[2].partition("<!-- end")[0]
    assert _ROW.findall(page) == told


def build_tools() -> Path:
    """What requirements/build.lock says, installed by hash (scripts/setup-build)."""
    require_component("build-tools")
    return Path(sys.prefix) / "build-tools"


def tree(at: Path, *, mode: int) -> Path:
    """A copy of what git tracks, with other times and modes than a checkout elsewhere has."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True, cwd=ROOT).stdout
    for name in sorted(filter(None, listed.decode().split("\0")), reverse=bool(mode & stat.S_IWGRP)):
        source, target = ROOT / name, at / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.exists():
            shutil.copyfile(source, target)
            target.chmod(mode | (0o111 if source.stat().st_mode & stat.S_IXUSR else 0))
            os.utime(target, (mode * 1e6, mode * 1e6))
    return at


def built(at: Path) -> dict[str, str]:
    """Name and hash of each file of a release that is built in *at*."""
    environment = {**os.environ, "PYTHONPATH": str(build_tools()), "SOURCE_DATE_EPOCH": EPOCH}
    command = [sys.executable, "-m", "hatchling", "build", "--directory", "dist"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=at, env=environment)
    assert done.returncode == 0, done.stderr
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in (at / "dist").iterdir()}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A tree, and what was built in it."""
    build_tools()
    at = tree(tmp_path_factory.mktemp("one"), mode=0o644)
    return at, built(at)


def test_two_builds_are_the_same_bytes(first: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    """In other folders, with other times, modes and order: so anybody can check a release against its source."""
    assert sorted(name.rpartition(".")[2] for name in first[1]) == ["gz", "whl"]
    assert first[1] == built(tree(tmp_path / "a" / "longer" / "way" / "two", mode=0o664))


def test_a_change_makes_another_build(first: tuple[Path, dict[str, str]]) -> None:
    """The control: the hashes are of what is in the files."""
    at, before = first
    with (at / "sse_proxy" / "version.py").open("a") as module:
        module.write("# changed\n")
    after = built(at)
    assert [before[name] == after[name] for name in sorted(before)] == [False, False]


def test_a_file_of_another_hash_is_refused(tmp_path: Path) -> None:
    """`--require-hashes` is what protects an installation by the lock: pip takes no file that differs."""
    lock = ROOT / "requirements" / "image.lock"
    name, version = re.findall(r"^([a-z0-9-]+)==([0-9.]+)(?= \\)", lock.read_text(), re.MULTILINE)[0]
    (tmp_path / f"{name.replace('-', '_')}-{version}-py3-none-any.whl").write_bytes(b"not what was locked")
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", str(tmp_path), "--no-deps"]
    command += ["--target", str(tmp_path / "installed"), "--require-hashes", "--requirement", str(lock)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PIP_FIND_LINKS": ""}
    )
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr


def test_every_lock_is_audited_and_an_unknown_package_is_no_good_news() -> None:
    """Without ``--strict`` pip-audit says that nothing was found when it has asked nobody."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    (command,) = (step["run"] for step in jobs["audit"]["steps"] if "run" in step)
    locks = [file.relative_to(ROOT).as_posix() for file in sorted((ROOT / "requirements").glob("*.lock"))]
    assert locks == sorted(re.findall(r"--requirement (\S+)", command))
    assert " --strict " in command
