"""The pod: which container is where, what it may do, how it is probed, and what it is told."""

from __future__ import annotations

import pytest

from .helm_charts import SHAPES, Object, ci_values, containers, refusal, render

IMAGE = {"llm": {"image": {"repository": "vllm/vllm-openai", "tag": "v0.18.0"}}}


def test_standalone_is_one_container_in_front_of_a_service() -> None:
    """In standalone mode the pod is the proxy alone, and one LLM outage does not unready every replica."""
    rendered = render("standalone")
    assert [one["name"] for one in containers(rendered.pod)] == ["sse-proxy"]
    assert "initContainers" not in rendered.pod
    assert "restartPolicy" not in rendered.proxy
    assert rendered.environment["SSE_PROXY_READINESS_UPSTREAM"] == "off"


def test_a_native_sidecar_starts_before_the_llm_and_ends_after_it() -> None:
    """The proxy is the last init container and restarts always, which is what makes it a native sidecar (KEP-753)."""
    rendered = render("sidecar")
    assert [one["name"] for one in rendered.pod["initContainers"]] == ["fetch-model", "sse-proxy"]
    assert [one["name"] for one in rendered.pod["containers"]] == ["llm"]
    assert rendered.proxy["restartPolicy"] == "Always"
    assert rendered.environment["SSE_PROXY_UPSTREAM"] == "http://127.0.0.1:8000"
    assert rendered.environment["SSE_PROXY_READINESS_UPSTREAM"] == "tcp"


def test_a_classic_sidecar_is_a_plain_container() -> None:
    """Without native sidecars the proxy stands beside the LLM, as an init container without end would block the pod."""
    rendered = render("sidecar-classic")
    assert "initContainers" not in rendered.pod
    assert [one["name"] for one in rendered.pod["containers"]] == ["server", "sse-proxy"]
    assert "restartPolicy" not in rendered.proxy
    assert rendered.environment["SSE_PROXY_UPSTREAM"] == "http://127.0.0.1:9000"


def test_an_upstream_of_ones_own_outranks_the_port() -> None:
    """`config.upstream` is what the sidecar asks, a path prefix for example."""
    rendered = render("sidecar", proxy={"config": {"upstream": "http://127.0.0.1:8000/llm"}})
    assert rendered.environment["SSE_PROXY_UPSTREAM"] == "http://127.0.0.1:8000/llm"


@pytest.mark.parametrize("shape", SHAPES)
def test_the_pod_meets_the_restricted_standard(shape: str) -> None:
    """Pod Security Standards, "restricted": every container, the LLM's too, in every shape."""
    pod = render(shape).pod
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for one in containers(pod):
        context = one["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context.get("runAsUser") != 0
        assert not context.get("privileged", False)
        assert "hostPort" not in str(one.get("ports"))
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_proxy_runs_as_nobody_on_a_read_only_root(shape: str) -> None:
    """The container writes to /tmp only, which is memory with a limit, and runs as 65532 whatever the pod says."""
    rendered = render(shape)
    context = rendered.proxy["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"]) == (65532, 65532)
    assert context["runAsNonRoot"] is context["readOnlyRootFilesystem"] is True
    mounts = {one["mountPath"]: one for one in rendered.proxy["volumeMounts"]}
    volumes = {one["name"]: one for one in rendered.pod["volumes"]}
    assert volumes[mounts["/tmp"]["name"]]["emptyDir"] == {"medium": "Memory", "sizeLimit": "16Mi"}  # noqa: S108
    assert rendered.environment["PYTHONDONTWRITEBYTECODE"] == "1"


@pytest.mark.parametrize("shape", SHAPES)
def test_the_pod_gets_nothing_that_it_does_not_need(shape: str) -> None:
    """No token of the API server, and no SSE_PROXY_PORT of a Service that happens to have our name."""
    rendered = render(shape)
    assert rendered.pod["automountServiceAccountToken"] is False
    assert rendered.pod["enableServiceLinks"] is False
    for account in rendered.all("ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@pytest.mark.parametrize("shape", ["standalone", "sidecar", "sidecar-classic"])
def test_probes_ask_the_admin_port(shape: str) -> None:
    """Start and liveness are this process's own health; only readiness knows the upstream and the drain."""
    proxy = render(shape).proxy
    asked = {kind: proxy[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/healthz", "port": "sse-admin"},
        "liveness": {"path": "/healthz", "port": "sse-admin"},
        "readiness": {"path": "/readyz", "port": "sse-admin"},
    }


def test_probe_timing_is_the_users() -> None:
    """What the values say of periods and thresholds is what the kubelet gets."""
    probes = {"liveness": {"periodSeconds": 30, "failureThreshold": 5, "timeoutSeconds": 9}}
    probe = render("standalone", proxy={"probes": probes}).proxy["livenessProbe"]
    assert (probe["periodSeconds"], probe["failureThreshold"], probe["timeoutSeconds"]) == (30, 5, 9)


def ports_of(container: Object) -> dict[str, int]:
    """Name → number of the ports of *container*."""
    return {port["name"]: port["containerPort"] for port in container["ports"]}


def test_ports_follow_the_settings() -> None:
    """The container's ports are those that the proxy is told to listen on, on all addresses."""
    rendered = render("sidecar-classic")
    assert ports_of(rendered.proxy) == {"sse-http": 9070, "sse-admin": 9071}
    assert ports_of(rendered.pod["containers"][0]) == {"llm": 9000}
    assert rendered.environment["SSE_PROXY_PORT"] == "9070"
    assert rendered.environment["SSE_PROXY_ADMIN_PORT"] == "9071"
    assert rendered.environment["SSE_PROXY_HOST"] == rendered.environment["SSE_PROXY_ADMIN_HOST"] == "::"


@pytest.mark.parametrize(
    "values, image",
    [
        ({}, "sse-proxy:0.1.0"),
        ({"registry": "registry.example/team"}, "registry.example/team/sse-proxy:0.1.0"),
        ({"tag": "1"}, "sse-proxy:1"),
        ({"digest": "sha256:" + "0" * 64}, "sse-proxy@sha256:" + "0" * 64),
    ],
)
def test_the_image_is_put_together(values: dict[str, str], image: str) -> None:
    """Registry, repository and tag; a digest outranks the tag."""
    assert render("standalone", proxy={"image": values}).proxy["image"] == image


def test_the_llm_container_is_the_users() -> None:
    """Image, command, arguments, environment, probes, resources and mounts go through as they are."""
    rendered = render("sidecar")
    (llm,) = rendered.pod["containers"]
    given = ci_values("sidecar")["llm"]
    for key in ("args", "env", "resources", "startupProbe", "livenessProbe", "securityContext", "volumeMounts"):
        assert llm[key] == given[key]
    assert llm["image"] == "vllm/vllm-openai:v0.18.0"
    assert "command" not in llm
    assert render("sidecar-classic").pod["containers"][0]["image"].startswith("registry.example/llama-server@sha256:")


def test_what_is_passed_through_arrives() -> None:
    """Scheduling, extra volumes, mounts and containers stand in the pod as the values have them."""
    rendered = render("extras")
    given = ci_values("extras")
    for key in ("priorityClassName", "runtimeClassName", "nodeSelector", "tolerations", "affinity", "imagePullSecrets"):
        assert rendered.pod[key] == given[key]
    assert rendered.pod["containers"][1] == given["extraContainers"][0]
    assert given["extraVolumes"][0] in rendered.pod["volumes"]
    assert given["proxy"]["extraVolumeMounts"][0] in rendered.proxy["volumeMounts"]
    assert given["extraPodSpec"].items() <= rendered.pod.items()
    assert rendered.pod["serviceAccountName"] == "existing"
    assert rendered.all("ServiceAccount") == []
    template = rendered.one("Deployment")["spec"]["template"]["metadata"]
    assert template["annotations"]["example.com/scrape"] == "true"
    assert template["labels"]["tier"] == "edge"


def test_further_arguments_and_variables_come_last() -> None:
    """`extraArgs` follow `serve`, and a flag outranks the environment."""
    rendered = render("settings")
    assert rendered.proxy["args"] == ["serve", "--log-level", "warning"]
    assert rendered.proxy["env"][-1] == {"name": "TZ", "value": "UTC"}


@pytest.mark.parametrize(
    "values, said",
    [
        ({"mode": "sidecar"}, "llm.image.repository is not set"),
        (IMAGE, "mode is standalone"),
        ({"proxy": {"config": {"upstream": None}}}, "config.upstream is not set"),
        ({"proxy": {"config": {"admin_host": "127.0.0.1"}}}, "where no probe of the kubelet gets to"),
        ({"proxy": {"config": {"admin_port": 7070}}}, "are both 7070"),
        ({"mode": "sidecar", **IMAGE, "proxy": {"llm": {"port": 7070}}}, "llm.port is 7070, a port of the proxy"),
        ({"proxy": {"image": {"tag": ""}}}, "image.tag or image.digest is needed"),
    ],
)
def test_a_pod_that_could_not_work_is_refused(values: Object, said: str) -> None:
    """What would end as a pod that is never ready ends `helm install` with the reason."""
    assert said in refusal("standalone", **values)


def test_a_pod_of_every_shape_has_one_proxy() -> None:
    """No shape forgets the container, or has it twice."""
    for shape in SHAPES:
        rendered = render(shape)
        assert [one["name"] for one in containers(rendered.pod)].count("sse-proxy") == 1
