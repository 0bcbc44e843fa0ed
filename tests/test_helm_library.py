"""The library in a chart of somebody else: fetched as a dependency, included, held to its schema."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import kubernetes_validate
import pytest

from .helm_charts import LIBRARY, Object, Rendered, helm, objects_of, render
from .test_helm_charts import KUBERNETES_VERSIONS

FOREIGN = Path(__file__).parent / "helm_foreign_chart"

Template = Callable[..., Rendered]


@pytest.fixture(scope="module")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The foreign chart with its dependency fetched, in a copy, as helm writes beside it."""
    root = tmp_path_factory.mktemp("foreign")
    copy = shutil.copytree(FOREIGN, root / "tests" / FOREIGN.name)
    shutil.copytree(LIBRARY, root / "helm" / LIBRARY.name)
    done = helm("dependency", "update", copy)
    assert done.returncode == 0, done.stderr
    return copy


def rendered(chart: Path, *arguments: str) -> Rendered:
    """What *chart* renders with *arguments*."""
    done = helm("template", "their", chart, *arguments)
    assert done.returncode == 0, done.stderr
    return Rendered(done.stdout, objects_of(done.stdout))


def pod_of(found: Rendered) -> Object:
    """``spec`` of the StatefulSet's pods."""
    spec: Object = found.one("StatefulSet")["spec"]["template"]["spec"]
    return spec


def test_a_foreign_chart_includes_the_sidecar(chart: Path) -> None:
    """The library's parts fit into another chart's StatefulSet: sidecar, hook, grace period, files."""
    found = rendered(chart)
    pod = pod_of(found)
    (sidecar,) = pod["initContainers"]
    environment = {one["name"]: one["value"] for one in sidecar["env"]}
    assert (sidecar["name"], sidecar["restartPolicy"]) == ("sse-proxy", "Always")
    assert environment["SSE_PROXY_UPSTREAM"] == "http://127.0.0.1:8081"
    assert environment["SSE_PROXY_HEARTBEAT_SECONDS"] == "10"
    assert environment["SSE_PROXY_CONFIG"] == "/etc/sse-proxy/config.toml"
    assert pod["terminationGracePeriodSeconds"] == 35
    assert pod["containers"][0]["lifecycle"]["preStop"]["httpGet"]["path"] == "/-/drain?wait=25&cut=true"
    assert {one["name"] for one in pod["volumes"]} == {one["name"] for one in sidecar["volumeMounts"]}
    assert found.one("Service")["spec"]["ports"][0]["targetPort"] == 7070
    config = found.one("ConfigMap")
    assert config["metadata"]["name"] == "their-sse-proxy"
    assert "/v1/embeddings*" in config["data"]["config.toml"]


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubernetes_takes_the_foreign_chart(version: str, chart: Path) -> None:
    """What comes out is valid for the oldest and the newest version."""
    for one in rendered(chart).objects:
        kubernetes_validate.validate(one, version, strict=True)


def test_the_container_is_that_of_our_own_chart(chart: Path) -> None:
    """Both charts give the same container for the same values."""
    (foreign,) = pod_of(rendered(chart))["initContainers"]
    config = {"heartbeat_seconds": 10, "routes": [{"path": "/v1/embeddings*", "reframe": "never"}]}
    own = render("sidecar", proxy={"llm": {"port": 8081}, "config": config}).proxy
    assert foreign == own


def test_helm_lints_the_foreign_chart(chart: Path) -> None:
    """``helm lint --strict`` has nothing against it."""
    done = helm("lint", "--strict", chart)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "arguments, said",
    [
        (("--set", "sseProxy.config.heartbeat_secs=15"), "additional properties 'heartbeat_secs' not allowed"),
        (("--set", "sseProxy.nativeSidecars=true"), "additional properties 'nativeSidecars' not allowed"),
        (("--set", "sseProxy.llm.port=0"), "'/llm/port'"),
        (("--set", "sseProxy.terminationGracePeriodSeconds=30"), "is 30, but the drain needs 35"),
    ],
)
def test_a_typing_error_is_refused_there_too(arguments: tuple[str, ...], said: str, chart: Path) -> None:
    """The library's schema and its checks hold under the alias of another chart."""
    done = helm("template", "their", chart, *arguments)
    assert done.returncode != 0
    assert said in done.stderr


def own_block(chart: Path, tmp_path: Path, block: str) -> Path:
    """A copy of *chart* that keeps the sidecar's values in a *block* of its own, without an alias."""
    copy = shutil.copytree(chart, tmp_path / chart.name)
    (copy / "Chart.lock").unlink()
    text = (copy / "Chart.yaml").read_text().replace("    alias: sseProxy\n", "")
    (copy / "Chart.yaml").write_text(text)
    (copy / "values.yaml").write_text(block)
    return copy


def test_values_of_ones_own_are_laid_over_the_defaults(chart: Path, tmp_path: Path) -> None:
    """A chart that does not use the alias gives any map, and gets the library's defaults below it."""
    copy = own_block(chart, tmp_path, "sseProxy:\n  config:\n    max_event_bytes: 33554433\n")
    (sidecar,) = pod_of(rendered(copy))["initContainers"]
    environment = {one["name"]: one["value"] for one in sidecar["env"]}
    assert environment["SSE_PROXY_MAX_EVENT_BYTES"] == "33554433"
    assert environment["SSE_PROXY_UPSTREAM"] == "http://127.0.0.1:8000"
    assert sidecar["securityContext"]["runAsUser"] == 65532


def test_a_misspelt_setting_is_refused_without_the_schema(chart: Path, tmp_path: Path) -> None:
    """Values that no schema sees are held against the names of the settings."""
    copy = own_block(chart, tmp_path, "sseProxy:\n  config:\n    heartbeat_secs: 15\n")
    done = helm("template", "their", copy)
    assert "config.heartbeat_secs is no setting of sse-proxy" in done.stderr


def test_values_of_nobody_are_refused(chart: Path, tmp_path: Path) -> None:
    """Under an alias the defaults are there only; whoever passes something else is told what to pass."""
    copy = shutil.copytree(chart, tmp_path / chart.name)
    template = copy / "templates" / "statefulset.yaml"
    template.write_text(template.read_text().replace(".Values.sseProxy", ".Values.proxy"))
    done = helm("template", "their", copy)
    assert "pass those of the dependency" in done.stderr


def test_the_readme_shows_what_the_foreign_chart_does() -> None:
    """The pod template in the library's README has each include of the chart that is tested here."""
    pattern = r'include "sse-proxy\.[A-Za-z]+" \$proxy(?: \| nindent \d+)?'
    shown = re.findall(pattern, (LIBRARY / "README.md").read_text())
    tested = re.findall(pattern, (FOREIGN / "templates" / "statefulset.yaml").read_text())
    assert shown == [one for one in tested if "configMap" not in one and "sse-proxy.port" not in one]
