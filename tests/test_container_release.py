"""The workflows: checked by actionlint, with no right or password more than needed; and the tag that starts a release.

They have never run here. What their steps do with files of ours is tested where those files are.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import require_component

_ROOT = Path(__file__).resolve().parent.parent
_WORKFLOWS = _ROOT / ".github" / "workflows"


def workflow(name: str) -> dict[str, Any]:
    """A workflow as YAML; its ``on`` is the key True there (YAML 1.1)."""
    found: dict[str, Any] = yaml.safe_load((_WORKFLOWS / f"{name}.yml").read_text())
    return found


def steps(name: str) -> list[dict[str, Any]]:
    """All steps of a workflow."""
    return [step for job in workflow(name)["jobs"].values() for step in job.get("steps", [])]


def actionlint(*files: Path) -> subprocess.CompletedProcess[str]:
    """What actionlint says of *files*; without the linters of other languages that it would use where they are."""
    command = [require_component("actionlint"), "-shellcheck=", "-pyflakes=", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT)


def test_actionlint_has_nothing_to_say() -> None:
    """Syntax, expressions, contexts, and the inputs of known actions."""
    checked = actionlint(*sorted(_WORKFLOWS.glob("*.yml")))
    assert (checked.returncode, checked.stdout) == (0, "")


@pytest.mark.parametrize(
    "written, mistake",
    [("steps.push.outputs", "steps.pushed.outputs"), ("needs: [dist, image, charts]", "needs: [dist, images]")],
)
def test_actionlint_finds_mistakes(written: str, mistake: str, tmp_path: Path) -> None:
    """The control: a step and a job that are not there."""
    text = (_WORKFLOWS / "release.yml").read_text()
    assert written in text
    wrong = tmp_path / "release.yml"
    wrong.write_text(text.replace(written, mistake))
    assert actionlint(wrong).returncode == 1


@pytest.mark.parametrize("name", ["ci", "release"])
def test_no_job_may_more_than_it_says(name: str) -> None:
    """Reading is all that is granted to all; a job that writes has its reason beside each right."""
    assert workflow(name)["permissions"] == {"contents": "read"}
    written = re.findall(r"^ +[a-z-]+: write(.*)$", (_WORKFLOWS / f"{name}.yml").read_text(), re.MULTILINE)
    assert [reason for reason in written if not reason.startswith(" # ")] == []


@pytest.mark.parametrize("name", ["ci", "release"])
def test_nothing_that_others_choose_becomes_a_command(name: str) -> None:
    """Scripts see names of tags and branches as variables only: an expression would be pasted into the shell."""
    assert [step["run"] for step in steps(name) if "${{" in step.get("run", "")] == []
    for step in steps(name):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_a_release_has_no_password_of_its_own() -> None:
    """The workflow's identity signs, publishes and logs in; one secret may stand in for another registry."""
    secrets = set(re.findall(r"secrets\.(\w+)", (_WORKFLOWS / "release.yml").read_text()))
    assert secrets == {"GITHUB_TOKEN", "IMAGE_REGISTRY_TOKEN"}
    assert workflow("release")["jobs"]["pypi"]["permissions"] == {"id-token": "write"}


def test_the_image_is_for_two_architectures_with_its_papers() -> None:
    """SBOM, provenance, and a signature of the digest."""
    [push] = [step["with"] for step in steps("release") if step.get("with", {}).get("push")]
    assert push["platforms"] == "linux/amd64,linux/arm64"
    assert (push["sbom"], push["provenance"]) == (True, "mode=max")
    assert "@$DIGEST" in " ".join(step["run"] for step in steps("release") if "cosign sign" in step.get("run", ""))


def test_what_cannot_be_taken_back_comes_last() -> None:
    """A version on PyPI cannot be replaced, so everything that can fail is before it."""
    jobs = workflow("release")["jobs"]
    assert set(jobs["pypi"]["needs"]) == {"dist", "image", "charts"}
    assert jobs["dist"]["needs"] == "check"
    assert jobs["check"]["uses"] == "./.github/workflows/ci.yml"


def test_ci_runs_every_python_that_is_promised() -> None:
    """The classifiers say which."""
    promised = re.findall(r"Python :: (3\.\d+)\"", (_ROOT / "pyproject.toml").read_text())
    assert workflow("ci")["jobs"]["test"]["strategy"]["matrix"]["python"] == promised
    assert [step["run"] for step in workflow("ci")["jobs"]["test"]["steps"] if "run" in step] == ["make test"]


def test_ci_has_the_containers_that_are_missing_here() -> None:
    """The whole of compose.yaml on a real Docker; the release builds what that has tried."""
    run = [step["run"] for step in workflow("ci")["jobs"]["image"]["steps"] if "run" in step]
    assert run[0] == "docker compose up --build --detach --wait"
    assert workflow("release")["jobs"]["image"]["needs"] == "dist"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with the script and a version 1.2.3 that the changelog tells of."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(_ROOT / "scripts" / "release-version", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.3] - 2026-01-01\n")
    return tmp_path


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        ([], 0, ""),
        (["v1.2.3"], 0, ""),
        (["v1.2.4"], 1, "the tag is v1.2.4, pyproject.toml has 1.2.3"),
        (["1.2.3"], 1, "the tag is 1.2.3, pyproject.toml has 1.2.3"),
    ],
)
def test_the_tag_has_to_be_the_version(project: Path, arguments: list[str], code: int, said: str) -> None:
    """Nobody can publish one under the name of the other."""
    asked = subprocess.run(
        [project / "scripts" / "release-version", *arguments], capture_output=True, text=True, check=False
    )
    assert (asked.returncode, asked.stdout) == (code, "1.2.3\n")
    assert said in asked.stderr


def test_a_release_that_the_changelog_does_not_tell_of_is_none(project: Path) -> None:
    """Users learn there what has changed."""
    (project / "CHANGELOG.md").write_text("## [Unreleased]\n")
    asked = subprocess.run(
        [project / "scripts" / "release-version", "v1.2.3"], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 1
    assert "has no section [1.2.3]" in asked.stderr
