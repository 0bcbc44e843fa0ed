"""How many pods there are, and how they come and go."""

from __future__ import annotations

import kubernetes_validate
import pytest

from .helm_charts import Object, ci_values, refusal, render
from .test_helm_traffic import SELECTOR

SCALED = {"autoscaling": {"enabled": True}}
KEDA = {"keda": {"enabled": True, "serverAddress": "http://prometheus:9090"}}


def test_the_autoscaler_counts_open_streams() -> None:
    """CPU says little about a proxy that waits; the number of streams is what a pod can be full of."""
    spec = render("autoscaling").one("HorizontalPodAutoscaler")["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "rel-sse-proxy"}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 12)
    target = {"type": "AverageValue", "averageValue": "250"}
    metric = {"type": "Pods", "pods": {"metric": {"name": "sse_proxy_streams_active"}, "target": target}}
    assert spec["metrics"] == [metric]


@pytest.mark.parametrize("shape", ["autoscaling", "keda"])
def test_pods_go_one_by_one(shape: str) -> None:
    """A pod that goes has streams to finish, so that fewer streams for a moment take none away."""
    rendered = render(shape)
    if shape == "keda":
        behavior = rendered.one("ScaledObject")["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    else:
        behavior = rendered.one("HorizontalPodAutoscaler")["spec"]["behavior"]
    assert behavior["scaleDown"]["stabilizationWindowSeconds"] == 600
    assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 60}]


@pytest.mark.parametrize("shape", ["autoscaling", "keda"])
def test_an_autoscaler_owns_the_number_of_pods(shape: str) -> None:
    """With `replicas` in the Deployment every upgrade would throw the autoscaler's number away."""
    assert "replicas" not in render(shape).one("Deployment")["spec"]
    assert render("redis").one("Deployment")["spec"]["replicas"] == 3


def test_keda_asks_prometheus_for_this_releases_streams() -> None:
    """The query gives one number, and no data is no reason to scale down."""
    spec = render("keda").one("ScaledObject")["spec"]
    assert spec["scaleTargetRef"] == {"name": "rel-sse-proxy"}
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (2, 10)
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "prometheus"
    assert trigger["metadata"] == {
        "serverAddress": "http://prometheus.monitoring.svc:9090",
        "query": 'sum(sse_proxy_streams_active{namespace="llm",pod=~"rel-sse-proxy-.+"})',
        "threshold": "100",
        "ignoreNullValues": "false",
    }
    assert trigger["authenticationRef"] == {"name": "prometheus"}


@pytest.mark.parametrize(
    "values, said",
    [
        ({**SCALED, **KEDA}, "autoscaling and keda are both enabled"),
        ({"keda": {"enabled": True}}, "keda.serverAddress is not set"),
    ],
)
def test_two_autoscalers_are_refused(values: Object, said: str) -> None:
    """Two that set one number would undo each other's work; one without its source would do nothing."""
    assert said in refusal("standalone", **values)


@pytest.mark.parametrize("values, count", [({}, 0), ({"replicas": 2}, 1), (SCALED, 1), (KEDA, 1)])
def test_a_budget_needs_more_than_one_pod(values: Object, count: int) -> None:
    """With a single pod a budget would keep every node from being emptied."""
    budgets = render("standalone", **values).all("PodDisruptionBudget")
    assert len(budgets) == count
    for one in budgets:
        assert one["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": SELECTOR}}


def test_a_budget_can_be_left_out_or_be_a_share() -> None:
    """The value goes through, a percentage too."""
    assert render("redis", podDisruptionBudget={"enabled": False}).all("PodDisruptionBudget") == []
    assert render("extras").one("PodDisruptionBudget")["spec"]["maxUnavailable"] == "50%"


def test_several_pods_are_spread() -> None:
    """Over nodes and zones as far as possible; with one pod there is nothing to spread."""
    constraints = render("redis").pod["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in constraints] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert {one["whenUnsatisfiable"] for one in constraints} == {"ScheduleAnyway"}
    assert all(one["labelSelector"] == {"matchLabels": SELECTOR} for one in constraints)
    assert "topologySpreadConstraints" not in render("standalone").pod
    assert "topologySpreadConstraints" not in render("extras").pod


def test_an_update_takes_no_pod_away_before_another_is_ready() -> None:
    """The default replaces with one more and none less; the values may say otherwise, where GPUs are few."""
    strategy = render("standalone").one("Deployment")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    extras = render("extras").one("Deployment")["spec"]
    assert extras["strategy"] == ci_values("extras")["strategy"]
    assert extras["progressDeadlineSeconds"] == 3600


def test_large_numbers_stay_whole() -> None:
    """Helm reads numbers as floats, and Go prints a million as 1e+06, which no integer field takes."""
    million = 1_000_000
    proxy = {"terminationGracePeriodSeconds": million, "securityContext": {"runAsUser": 1_000_650_000}}
    sizes = {"minReplicas": million, "maxReplicas": million, "streamsPerPod": million}
    values: Object = {"progressDeadlineSeconds": million, "replicas": million, "proxy": proxy}
    plain = render("standalone", **values, test={"timeoutSeconds": million})
    scaled = render("standalone", **values, autoscaling={"enabled": True, **sizes})
    keda = render("keda", keda={**sizes, "pollingInterval": million})
    for rendered in (plain, scaled, keda):
        assert "e+0" not in rendered.text
        for one in rendered.objects:
            if one["kind"] != "ScaledObject":
                kubernetes_validate.validate(one, "1.37", strict=True)
    assert plain.one("Deployment")["spec"]["replicas"] == million
    assert plain.proxy["securityContext"]["runAsUser"] == 1_000_650_000
