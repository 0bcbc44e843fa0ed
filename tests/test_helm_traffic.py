"""How traffic gets to the pods and away from them: Service, Ingress, HTTPRoute, NetworkPolicy."""

from __future__ import annotations

import pytest

from .helm_charts import SHAPES, Object, ci_values, refusal, render

SELECTOR = {
    "app.kubernetes.io/name": "sse-proxy",
    "app.kubernetes.io/instance": "rel",
    "app.kubernetes.io/component": "proxy",
}
STANDALONE: Object = {"proxy": {"config": {"upstream": "http://vllm:8000"}}}


def test_the_selector_is_three_labels_and_stays_so() -> None:
    """A Deployment's selector cannot be changed later, so versions, modes and the user's own labels are not in it."""
    for shape in ("standalone", "sidecar"):
        assert render(shape, labels={"team": "ml"}).one("Deployment")["spec"]["selector"] == {"matchLabels": SELECTOR}
    template = render("standalone", labels={"team": "ml"}).one("Deployment")["spec"]["template"]
    assert SELECTOR.items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize("shape", SHAPES)
def test_every_selector_finds_the_proxys_pods_and_no_others(shape: str) -> None:
    """Service, policies, budgets and monitors select the Deployment's pods; that of `helm test` is another."""
    rendered = render(shape)
    labels = rendered.one("Deployment")["spec"]["template"]["metadata"]["labels"]
    for one in rendered.all("Service"):
        assert one["spec"]["selector"].items() <= labels.items()
        assert one["spec"]["selector"]["app.kubernetes.io/component"] == "proxy"
    selectors = [one["spec"]["podSelector"] for one in rendered.all("NetworkPolicy")]
    selectors += [
        one["spec"]["selector"] for kind in ("PodMonitor", "PodDisruptionBudget") for one in rendered.all(kind)
    ]
    assert all(one["matchLabels"].items() <= labels.items() for one in selectors)
    for pod in rendered.all("Pod"):
        assert pod["metadata"]["labels"]["app.kubernetes.io/component"] == "test"


def test_the_service_leads_to_the_proxy_only() -> None:
    """Neither the admin port nor the LLM's own is on the Service."""
    for shape in ("standalone", "sidecar"):
        (port,) = render(shape).one("Service")["spec"]["ports"]
        assert (port["name"], port["port"], port["targetPort"]) == ("http", 80, 7070)
        assert port["appProtocol"] == "http"


@pytest.mark.parametrize("shape", SHAPES)
def test_ports_of_pods_are_numbers(shape: str) -> None:
    """By name, Services before Kubernetes 1.32 and some NetworkPolicies do not find the ports of a native sidecar."""
    rendered = render(shape)
    targets = [port["targetPort"] for one in rendered.all("Service") for port in one["spec"]["ports"]]
    for one in rendered.all("NetworkPolicy"):
        targets += [port["port"] for rule in one["spec"]["ingress"] for port in rule["ports"]]
    ports = [port["containerPort"] for port in rendered.proxy["ports"]]
    assert set(targets) <= set(ports)


def test_a_service_of_tls_says_so() -> None:
    """With a certificate the port speaks HTTPS, which gateways read from `appProtocol`."""
    (port,) = render("secrets").one("Service")["spec"]["ports"]
    assert port["appProtocol"] == "https"


def test_the_service_is_the_users() -> None:
    """Type, port, affinity and annotations are those of the values."""
    service = render("extras").one("Service")
    assert service["metadata"]["name"] == "front"
    assert (service["spec"]["type"], service["spec"]["ports"][0]["port"]) == ("LoadBalancer", 8443)
    assert service["spec"]["sessionAffinity"] == "ClientIP"
    assert render("ingress").one("Service")["metadata"]["annotations"] == {"example.com/owner": "ml"}


def test_an_ingress_leads_hosts_and_paths_to_the_service() -> None:
    """A host without paths gets all of them; class, annotations and TLS go through."""
    ingress = render("ingress").one("Ingress")
    given = ci_values("ingress")["ingress"]
    assert ingress["spec"]["ingressClassName"] == "nginx"
    assert ingress["metadata"]["annotations"] == given["annotations"]
    assert ingress["spec"]["tls"] == given["tls"]
    backend = {"service": {"name": "rel-sse-proxy", "port": {"name": "http"}}}
    assert ingress["spec"]["rules"] == [
        {"host": "llm.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}},
        {"host": "api.example", "http": {"paths": [{"path": "/v1", "pathType": "Exact", "backend": backend}]}},
    ]


def test_an_http_route_has_no_time_limit() -> None:
    """Gateways that end a whole response after 15 seconds, however lively, are told not to (GEP-1742: 0s is none)."""
    route = render("gateway").one("HTTPRoute")
    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    assert route["spec"]["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
    assert route["spec"]["hostnames"] == ["llm.example"]
    (rule,) = route["spec"]["rules"]
    assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}
    assert rule["backendRefs"] == [{"name": "rel-sse-proxy", "port": 80}]
    assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]


def test_a_gateway_without_timeouts_gets_none() -> None:
    """The field is extended support; where it is set to null it is left out."""
    values = {"httpRoute": {"timeouts": {"request": None, "backendRequest": None}}}
    (rule,) = render("gateway", **values).one("HTTPRoute")["spec"]["rules"]
    assert "timeouts" not in rule


def test_nobody_gets_past_the_proxy_to_the_llm() -> None:
    """A NetworkPolicy without further values lets everybody to the proxy's port and nobody to any other."""
    policy = render("sidecar", networkPolicy={"enabled": True}).one("NetworkPolicy")
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    assert policy["spec"]["ingress"] == [{"ports": [{"port": 7070, "protocol": "TCP"}]}]


def test_peers_are_let_in_by_port() -> None:
    """Clients and Prometheus each reach the port that they need."""
    spec = render("network-policy").one("NetworkPolicy")["spec"]
    given = ci_values("network-policy")["networkPolicy"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [
        {"ports": [{"port": 7070, "protocol": "TCP"}], "from": given["from"]},
        {"ports": [{"port": 7071, "protocol": "TCP"}], "from": given["adminFrom"]},
    ]
    dns = {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    assert spec["egress"] == [dns, *given["egress"]["rules"]]


def test_no_egress_is_no_egress() -> None:
    """A limit without rules and without DNS lets nothing out, rather than everything."""
    egress = {"enabled": True, "dns": False, "rules": []}
    spec = render("standalone", networkPolicy={"enabled": True, "egress": egress}).one("NetworkPolicy")["spec"]
    assert (spec["policyTypes"], spec["egress"]) == (["Ingress", "Egress"], [])


@pytest.mark.parametrize("kind", ["Ingress", "HTTPRoute", "NetworkPolicy"])
def test_what_was_not_asked_for_is_not_there(kind: str) -> None:
    """The least values make a Deployment, a Service, a ServiceAccount and the test, nothing else."""
    rendered = render("standalone")
    assert rendered.all(kind) == []
    assert sorted(one["kind"] for one in rendered.objects) == ["Deployment", "Pod", "Service", "ServiceAccount"]


@pytest.mark.parametrize(
    "values, said",
    [
        ({"ingress": {"enabled": True}}, "ingress.hosts is empty"),
        ({"httpRoute": {"enabled": True}}, "httpRoute.parentRefs is empty"),
    ],
)
def test_a_way_in_that_leads_nowhere_is_refused(values: Object, said: str) -> None:
    """An Ingress without hosts, or a route without a gateway, is told at once."""
    assert said in refusal("standalone", **values)
