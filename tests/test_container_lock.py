"""The lock files of the image: they fit pyproject.toml, are complete, and every file has its hash."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

_ROOT = Path(__file__).resolve().parent.parent
_PIN = re.compile(
    r"^([A-Za-z0-9._-]+)==(\S+)(?: ; (.*?))? \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)

# What an image may be built on; `scripts/lock` resolves for all of them at once.
_PLATFORMS = [
    {"python_version": minor, "python_full_version": f"{minor}.{patch}", "platform_machine": machine, "extra": ""}
    for minor, patch in (("3.11", "2"), ("3.11", "9"), ("3.12", "0"), ("3.13", "0"))
    for machine in ("x86_64", "aarch64")
]
_PLATFORM = {"implementation_name": "cpython", "sys_platform": "linux", "platform_python_implementation": "CPython"}


@dataclass(frozen=True, kw_only=True)
class Pin:
    """One package of a lock file."""

    version: Version
    marker: Marker | None
    hashes: int

    def applies(self, platform: dict[str, str]) -> bool:
        return self.marker is None or self.marker.evaluate(platform)


def pins(name: str) -> dict[str, Pin]:
    """The packages of ``requirements/<name>.lock``, by their canonical name."""
    text = (_ROOT / "requirements" / f"{name}.lock").read_text()
    return {
        canonicalize_name(package): Pin(
            version=Version(number), marker=Marker(marker) if marker else None, hashes=hashes.count("--hash")
        )
        for package, number, marker, hashes in _PIN.findall(text)
    }


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((_ROOT / "pyproject.toml").read_text())


def wanted() -> dict[str, list[str]]:
    """What pyproject.toml asks for, by lock file."""
    document = project()
    extras = document["project"]["optional-dependencies"]
    return {
        "image": [*document["project"]["dependencies"], *extras["redis"], *extras["otel"]],
        "build": document["build-system"]["requires"],
    }


def platforms() -> Iterator[dict[str, str]]:
    """The environments that markers are asked about."""
    return ({**_PLATFORM, **platform} for platform in _PLATFORMS)


@pytest.mark.parametrize("name", ["image", "build"])
def test_the_lock_satisfies_the_project(name: str) -> None:
    """Every requirement has a pin that fits it, on every platform of an image; else run scripts/lock."""
    locked = pins(name)
    for platform in platforms():
        for requirement in map(Requirement, wanted()[name]):
            if requirement.marker is None or requirement.marker.evaluate(platform):
                pin = locked.get(canonicalize_name(requirement.name))
                assert pin is not None, f"{requirement} is not locked: run scripts/lock"
                assert pin.applies(platform), f"{requirement} is not locked for {platform}"
                assert pin.version in requirement.specifier, (
                    f"{requirement} is locked at {pin.version}: run scripts/lock"
                )


def test_the_lock_is_complete() -> None:
    """What a locked package needs is locked too, as far as the same versions are installed here and tell."""
    locked = pins("image")
    for package, pin in locked.items():
        for requirement in map(Requirement, installed_requirements(package, pin.version)):
            for platform in platforms():
                if requirement.marker is None or requirement.marker.evaluate(platform):
                    assert canonicalize_name(requirement.name) in locked, f"{package} needs {requirement}"


def installed_requirements(package: str, at: Version) -> list[str]:
    """What *package* says that it needs; nothing where it is not installed in just this version."""
    try:
        return (requires(package) or []) if Version(version(package)) == at else []
    except PackageNotFoundError:
        return []


@pytest.mark.parametrize("name", ["image", "build"])
def test_every_line_of_the_lock_is_a_pin_with_hashes(name: str) -> None:
    """No source, index or option: whoever installs uses their own index, and pip refuses a file that differs."""
    text = (_ROOT / "requirements" / f"{name}.lock").read_text()
    rest = [line for line in _PIN.sub("", text).splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert rest == []
    assert "://" not in text
    assert all(pin.hashes >= 1 for pin in pins(name).values())


def test_what_the_image_runs_with_is_what_serve_needs() -> None:
    """The command line's colours and the checks' tools stay out: what is not there needs no update."""
    assert not {"rich", "pytest", "pip", "setuptools", "hatchling"} & pins("image").keys()
    assert {"redis", "uvloop", "opentelemetry-api"} <= pins("image").keys()
