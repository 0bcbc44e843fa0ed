"""Prometheus, Grafana, and what the user is told after an installation."""

from __future__ import annotations

import json

import pytest
import yaml

from .helm_charts import CHART, RELEASE, Object, helm, refusal, render

ALERTS = CHART / "files" / "alerts.yaml"
DASHBOARDS = CHART / "files" / "dashboards"


def port_names(shape: str) -> set[str]:
    """Names of the proxy's container ports."""
    return {port["name"] for port in render(shape).proxy["ports"]}


def test_a_pod_monitor_scrapes_the_admin_port_of_the_sidecar() -> None:
    """By the name of the container's port, with the labels that Prometheus looks for."""
    monitor = render("monitoring-sidecar").one("PodMonitor")
    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("sse-admin", "/metrics")
    assert endpoint["port"] in port_names("monitoring-sidecar")
    assert endpoint["metricRelabelings"] == [{"action": "labeldrop", "regex": "pod_template_hash"}]
    assert "interval" not in endpoint


def test_a_service_monitor_scrapes_a_service_of_its_own() -> None:
    """The admin port is on a headless Service that no Ingress knows, and only that one is selected."""
    rendered = render("monitoring-standalone")
    monitor = rendered.one("ServiceMonitor")
    selected = [
        one
        for one in rendered.all("Service")
        if monitor["spec"]["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
    ]
    assert [one["metadata"]["name"] for one in selected] == ["rel-sse-proxy-admin"]
    spec = selected[0]["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint == {"port": "sse-admin", "path": "/metrics", "interval": "15s"}
    assert [(port["name"], port["port"], port["targetPort"]) for port in spec["ports"]] == [("sse-admin", 7071, 7071)]


def test_a_service_monitor_follows_the_admin_port() -> None:
    """Another `admin_port` is another port of the Service."""
    rendered = render("monitoring-standalone", proxy={"config": {"admin_port": 9999}})
    (admin,) = (one for one in rendered.all("Service") if one["metadata"]["name"].endswith("-admin"))
    assert (admin["spec"]["ports"][0]["port"], admin["spec"]["ports"][0]["targetPort"]) == (9999, 9999)


def test_two_monitors_are_refused() -> None:
    """Both would scrape every series twice."""
    both = {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}
    assert "podMonitor and serviceMonitor are both enabled" in refusal("standalone", **both)


def test_the_alerts_are_those_of_the_file() -> None:
    """The PrometheusRule has the groups as they are, with the templates in their texts untouched."""
    rule = render("monitoring-standalone").one("PrometheusRule")
    assert rule["spec"] == yaml.safe_load(ALERTS.read_text())
    assert rule["spec"]["groups"]
    assert "{{" in json.dumps(rule["spec"])
    assert rule["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_the_dashboards_are_those_of_the_files() -> None:
    """The ConfigMap has every dashboard as it is, under the label that Grafana's sidecar looks for."""
    (found,) = render("monitoring-standalone").all("ConfigMap")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"] == {"grafana_folder": "LLM"}
    files = {path.name: path.read_text() for path in DASHBOARDS.glob("*.json")}
    assert files
    assert {name: json.loads(text) for name, text in found["data"].items()} == {
        name: json.loads(text) for name, text in files.items()
    }


def notes(base: str, **values: object) -> str:
    """NOTES.txt for the ci file *base* with *values* over it."""
    done = helm(
        *("install", RELEASE, CHART, "--namespace", "llm", "--dry-run=client"),
        *("--values", CHART / "ci" / f"{base}-values.yaml", "--values", "-"),
        stdin=json.dumps(values),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("\nNOTES:\n")[2]


def test_notes_tell_where_the_proxy_is() -> None:
    """Address, upstream, the test to run, and what the grace period is."""
    text = notes("sidecar")
    assert "in front of http://127.0.0.1:8000, in the same pod" in text
    assert "http://rel-sse-proxy.llm:80" in text
    assert "helm test rel -n llm" in text
    assert "35 s, of which streams have 25" in text
    assert "WARNING" not in text
    assert "https://rel-sse-proxy.llm:80" in notes("secrets")


@pytest.mark.parametrize(
    "base, values, said",
    [
        ("redis", {"proxy": {"config": {"resume": "memory"}, "secrets": {"redisUrl": {"name": ""}}}}, "gets 404"),
        ("sidecar-classic", {"proxy": {"drain": {"undrainCommand": []}}}, "the pod is never ready again"),
        ("sidecar-classic", {}, "proxy.nativeSidecar is false"),
        ("standalone", {}, "Nothing scrapes the metrics yet: serviceMonitor.enabled"),
        ("monitoring-sidecar", {}, "only looks at monitors and rules with the label"),
        ("standalone", {}, "Whoever reaches the pods reaches the admin port too"),
    ],
)
def test_notes_warn_of_what_will_hurt(base: str, values: Object, said: str) -> None:
    """What is allowed but will be regretted is said when it is installed."""
    assert said in notes(base, **values)
