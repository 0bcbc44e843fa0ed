"""The charts through the real helm, and what they render, as Python objects."""

from __future__ import annotations

import functools
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .conftest import require_component

__all__ = [
    "CHART",
    "CI_VALUES",
    "LIBRARY",
    "NAMESPACE",
    "RELEASE",
    "SHAPES",
    "Object",
    "Rendered",
    "ci_values",
    "containers",
    "helm",
    "objects_of",
    "refusal",
    "render",
]

_HELM = Path(__file__).resolve().parent.parent / "helm"
CHART = _HELM / "sse-proxy"
LIBRARY = _HELM / "sse-proxy-lib"
#: One for each supported shape.
CI_VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
SHAPES = [path.name.removesuffix("-values.yaml") for path in CI_VALUES]
RELEASE, NAMESPACE = "rel", "llm"

Object = dict[str, Any]


def helm(*arguments: str | Path, cwd: Path | None = None, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The end of ``helm`` with *arguments*."""
    return subprocess.run(
        [require_component("helm"), *map(str, arguments)],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@dataclass(frozen=True, slots=True)
class Rendered:
    """One rendering: its text and its objects."""

    text: str
    objects: tuple[Object, ...]

    def all(self, kind: str) -> list[Object]:
        """The objects of *kind*."""
        return [one for one in self.objects if one["kind"] == kind]

    def one(self, kind: str) -> Object:
        """The only object of *kind*."""
        (found,) = self.all(kind)
        return found

    @property
    def pod(self) -> Object:
        """``spec`` of the Deployment's pods."""
        spec: Object = self.one("Deployment")["spec"]["template"]["spec"]
        return spec

    @property
    def proxy(self) -> Object:
        """The proxy's container, wherever it is."""
        (found,) = (one for one in containers(self.pod) if one["name"] == "sse-proxy")
        return found

    @property
    def environment(self) -> dict[str, str]:
        """The proxy's variables that have a value in the manifest."""
        return {one["name"]: one["value"] for one in self.proxy["env"] if "value" in one}


def containers(pod: Object) -> list[Object]:
    """All containers of *pod*, init containers first."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def objects_of(text: str) -> tuple[Object, ...]:
    """The objects in the YAML documents of *text*."""
    return tuple(one for one in yaml.load_all(text, yaml.CSafeLoader) if one)


def ci_values(name: str) -> Object:
    """The values of the file ``ci/NAME-values.yaml``."""
    values: Object = yaml.safe_load((CHART / "ci" / f"{name}-values.yaml").read_text())
    return values


# One rendering of a shape serves the tests of all modules.
@functools.cache
def _template(values: str) -> subprocess.CompletedProcess[str]:
    # JSON is YAML; a value keeps its type, as it would not with --set.
    return helm("template", RELEASE, CHART, "--namespace", NAMESPACE, "--values", "-", stdin=values)


def render(base: str | None = None, **values: Any) -> Rendered:
    """What the application chart renders with the values of the ci file *base*, and *values* over them."""
    done = _template(_values(base, values))
    assert done.returncode == 0, done.stderr
    return Rendered(done.stdout, objects_of(done.stdout))


def refusal(base: str | None = None, **values: Any) -> str:
    """Why helm refuses those values."""
    done = _template(_values(base, values))
    assert done.returncode != 0, "helm took it"
    return done.stderr


def _values(base: str | None, values: Object) -> str:
    # YAML knows no pairs of surrogates, which JSON would write for what is not ASCII.
    return json.dumps(_over(ci_values(base) if base else {}, values), ensure_ascii=False)


def _over(base: Object, values: Object) -> Object:
    """*base* with *values* laid over it as helm lays one values file over another."""
    merged = dict(base)
    for key, value in values.items():
        old = merged.get(key)
        merged[key] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
