"""Every supported shape of the chart: linted and rendered by the real helm, held against Kubernetes' own schemas."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from yamllint import linter
from yamllint.config import YamlLintConfig

from sse_proxy.version import version

from .helm_charts import (
    CHART,
    CI_VALUES,
    LIBRARY,
    NAMESPACE,
    RELEASE,
    SHAPES,
    Object,
    helm,
    objects_of,
    refusal,
    render,
)

#: The chart's ``kubeVersion`` begins with the first, and the second is the newest that the validator knows.
KUBERNETES_VERSIONS = ("1.29", "1.37")
# Kinds of others, of which Kubernetes has no schema; test_helm_monitoring.py and test_helm_traffic.py look at them.
CUSTOM_KINDS = {"HTTPRoute", "PodMonitor", "PrometheusRule", "ScaledObject", "ServiceMonitor"}
# What helm joins is rendered as the templates are indented, not as a person would write it.
STYLE = YamlLintConfig("{extends: default, rules: {line-length: disable, document-start: disable, indentation: disable,"
                       " comments-indentation: disable, empty-lines: disable, trailing-spaces: disable}}")  # fmt: skip
VALUES_STYLE = YamlLintConfig("{extends: default, rules: {line-length: {max: 130}, document-start: disable,"
                              " braces: {max-spaces-inside: 0}, comments: {min-spaces-from-content: 1}}}")  # fmt: skip

shapes = pytest.mark.parametrize("shape", SHAPES)


@shapes
def test_helm_finds_nothing_to_say(shape: str) -> None:
    """``helm lint --strict`` has neither error nor warning for any shape."""
    done = helm("lint", "--strict", CHART, "--values", CHART / "ci" / f"{shape}-values.yaml")
    assert done.returncode == 0, done.stdout
    assert "[ERROR]" not in done.stdout
    assert "[WARNING]" not in done.stdout


@shapes
@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubernetes_takes_every_object(version: str, shape: str) -> None:
    """Each object is valid for the oldest and the newest version, no field unknown; only custom kinds are left out."""
    rendered = render(shape)
    assert rendered.all("Deployment")
    for one in rendered.objects:
        if one["kind"] not in CUSTOM_KINDS:
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_the_validator_would_see_a_wrong_field(version: str) -> None:
    """The check above can fail: a field that no such object has, and a value of the wrong type, are both found."""
    deployment = render("standalone").one("Deployment")
    for field, value in (("replica", 1), ("revisionHistoryLimit", "one")):
        wrong = {**deployment, "spec": {**deployment["spec"], field: value}}
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, version, strict=True)


@shapes
def test_the_output_is_plain_yaml(shape: str) -> None:
    """No key twice, no odd boolean, no tab in what is rendered."""
    assert [f"{one.line}: {one.message}" for one in linter.run(render(shape).text, STYLE)] == []


@pytest.mark.parametrize(
    "path", [CHART / "values.yaml", LIBRARY / "values.yaml", CHART / "Chart.yaml", LIBRARY / "Chart.yaml", *CI_VALUES]
)
def test_the_values_are_plain_yaml(path: Path) -> None:
    """What people read and copy is in one style."""
    assert [f"{one.line}: {one.message}" for one in linter.run(path.read_text(), VALUES_STYLE)] == []


@shapes
def test_every_object_says_whose_it_is(shape: str) -> None:
    """All objects are in the release's namespace; all but the user's own of `extraObjects` have the common labels."""
    own = {"rel-extra", "front-text"} if shape == "extras" else set()
    for one in render(shape).objects:
        assert one["metadata"]["namespace"] == NAMESPACE
        if one["metadata"]["name"] not in own:
            labels = one["metadata"]["labels"]
            assert labels["app.kubernetes.io/instance"] == RELEASE
            assert labels["app.kubernetes.io/managed-by"] == "Helm"


@shapes
def test_no_two_objects_are_one(shape: str) -> None:
    """Within a release no kind has a name twice."""
    names = [(one["kind"], one["metadata"]["name"]) for one in render(shape).objects]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("shape", ["sidecar", "routes", "monitoring-standalone"])
def test_long_names_stay_valid(shape: str) -> None:
    """A release with the longest name that helm allows has no name above 63 characters, the limit of a Service."""
    done = helm("template", "a" * 53, CHART, "--values", CHART / "ci" / f"{shape}-values.yaml")
    assert done.returncode == 0, done.stderr
    names = [one["metadata"]["name"] for one in objects_of(done.stdout)]
    assert [name for name in names if len(name) > 63] == []


def test_versions_are_those_of_the_package() -> None:
    """Chart, library, image and package have one version."""
    charts = [yaml.safe_load((chart / "Chart.yaml").read_text()) for chart in (CHART, LIBRARY)]
    assert {chart["version"] for chart in charts} == {chart["appVersion"] for chart in charts} == {version()}
    assert yaml.safe_load((LIBRARY / "values.yaml").read_text())["image"]["tag"] == version()
    assert charts[0]["dependencies"][0]["version"] == version()


def test_an_older_kubernetes_is_refused() -> None:
    """Before 1.29 native sidecars are off, and an init container that never ends would hold the pod for ever."""
    done = helm("template", RELEASE, CHART, "--kube-version", "1.28.0", "--values", CI_VALUES[0])
    assert done.returncode != 0
    assert "incompatible with Kubernetes v1.28.0" in done.stderr


def test_the_package_is_whole(tmp_path: Path) -> None:
    """`helm package` takes the library along, and the package renders by itself."""
    done = helm("package", CHART, "--destination", tmp_path)
    assert done.returncode == 0, done.stderr
    (package,) = tmp_path.iterdir()
    with tarfile.open(package) as archive:
        names = archive.getnames()
    assert "sse-proxy/charts/sse-proxy-lib/templates/_container.tpl" in names
    assert not [name for name in names if "/ci/" in name]
    done = helm("template", RELEASE, package, "--values", CI_VALUES[0])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "values, said",
    [
        ({"replica": 2}, "additional properties 'replica' not allowed"),
        ({"proxy": {"config": {"heartbeat_secs": 15}}}, "additional properties 'heartbeat_secs' not allowed"),
        ({"proxy": {"config": {"heartbeat_seconds": "15"}}}, "got string, want null or number"),
        ({"proxy": {"config": {"heartbeat_seconds": 0.5}}}, "'/proxy/config/heartbeat_seconds'"),
        ({"proxy": {"config": {"port": 0}}}, "'/proxy/config/port'"),
        ({"proxy": {"config": {"playground": "on"}}}, "'/proxy/config/playground'"),
        ({"proxy": {"config": {"routes": [{"path": "/x", "heartbeat": 1}]}}}, "'heartbeat' not allowed"),
        ({"proxy": {"config": {"resume": "mongodb://x"}}}, "'/proxy/config/resume'"),
        ({"proxy": {"secrets": {"redis": {"name": "x"}}}}, "additional properties 'redis' not allowed"),
        ({"proxy": {"image": {"digest": "sha256:12"}}}, "'/proxy/image/digest'"),
        ({"mode": "side-car"}, "'/mode'"),
        ({"podLabels": {"app.kubernetes.io/name": "mine"}}, "invalid propertyName 'app.kubernetes.io/name'"),
        ({"service": {"type": "ExternalName"}}, "'/service/type'"),
        ({"ingress": {"hosts": [{"host": "x", "path": "/"}]}}, "additional properties 'path' not allowed"),
        ({"keda": {"minReplicas": 0}}, "'/keda/minReplicas'"),
    ],
)
def test_a_typing_error_is_refused(values: Object, said: str) -> None:
    """An unknown key, a wrong type or a value out of bounds ends `helm install`, and names the key."""
    assert said in refusal("standalone", **values)


def test_the_page_tells_what_is_tested() -> None:
    """docs/kubernetes.md names the shapes' number and the versions that the tests here go through."""
    page = (CHART.parent.parent / "docs" / "kubernetes.md").read_text()
    assert f"for each of the {len(CI_VALUES)} shapes" in " ".join(page.split())
    assert all(f"{version}" in page for version in KUBERNETES_VERSIONS)


@pytest.mark.parametrize("chart", [CHART, LIBRARY], ids=lambda path: path.name)
def test_links_of_a_readme_lead_somewhere(chart: Path) -> None:
    """A link to a file of the project has that file at its end."""
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", (chart / "README.md").read_text())
    assert targets
    assert [target for target in targets if not (chart / target).exists()] == []
