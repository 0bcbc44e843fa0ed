"""The end of the pod: the LLM's preStop hook waits for the streams, and the grace period is long enough for it."""

from __future__ import annotations

from typing import Any

import pytest

from .helm_charts import Object, refusal, render


def hook(rendered_pod: Object) -> Object:
    """The preStop hook of the pod's first container, the LLM."""
    found: Object = rendered_pod["containers"][0]["lifecycle"]["preStop"]["httpGet"]
    return found


def test_the_llm_waits_for_the_streams() -> None:
    """The hook asks the proxy's admin port, by number, since the kubelet looks for names in the LLM's own container."""
    assert hook(render("sidecar").pod) == {"path": "/-/drain?wait=25&cut=true", "port": 7071}
    assert hook(render("sidecar-classic").pod) == {"path": "/-/drain?wait=25&cut=true", "port": 9071}


def test_fractions_of_a_second_are_rounded_up() -> None:
    """A hook that gave up half a second early would cut the last streams."""
    config = {"drain_delay_seconds": 2.5, "drain_seconds": 10.2}
    assert hook(render("sidecar", proxy={"config": config}).pod)["path"] == "/-/drain?wait=13&cut=true"


def test_a_guarded_drain_has_its_token() -> None:
    """With `admin_token_file` the hook carries the header that it was given."""
    pod = render("sidecar-admin-token").pod
    assert hook(pod)["httpHeaders"] == [{"name": "Authorization", "value": "Bearer not-a-secret-in-ci"}]


def test_a_guarded_drain_without_a_token_is_refused() -> None:
    """The kubelet does not look at the hook's status: a 401 would end the LLM, and all streams, at once."""
    said = refusal("sidecar-admin-token", proxy={"drain": {"httpHeaders": []}})
    assert "secrets.adminToken guards /-/drain" in said
    # A pod without an LLM has no such hook.
    render("secrets")


def test_the_sidecar_stops_being_ready_at_once() -> None:
    """Its own hook begins the drain too, whatever becomes of the LLM's, and does not end the process (KEP-753)."""
    for shape in ("sidecar", "sidecar-classic"):
        assert render(shape).proxy["lifecycle"]["preStop"]["httpGet"] == {"path": "/-/drain", "port": "sse-admin"}
    guarded = render("sidecar-admin-token").proxy["lifecycle"]["preStop"]["httpGet"]
    assert guarded["httpHeaders"] == hook(render("sidecar-admin-token").pod)["httpHeaders"]


def test_a_proxy_alone_needs_no_hook() -> None:
    """Without an LLM in the pod SIGTERM comes at once, and the proxy drains by itself."""
    assert "lifecycle" not in render("standalone").proxy


def test_a_drain_that_no_hook_can_wait_for_is_refused() -> None:
    """The proxy holds `/-/drain?wait=` for an hour at most; a longer drain would end early, and cut."""
    config = {"drain_delay_seconds": 5, "drain_seconds": 3595}
    assert "wait=3600&" in hook(render("sidecar", proxy={"config": config}).pod)["path"]
    said = refusal("sidecar", proxy={"config": {**config, "drain_seconds": 3596}})
    assert "make 3601, but the proxy holds a hook for 3600 seconds at most" in said


def test_a_restarted_llm_ends_the_drain() -> None:
    """After a failed liveness probe, for example; with a classic sidecar, which may come later, by a command only."""

    def lifecycle(shape: str, **drain: Any) -> Any:
        return render(shape, proxy={"drain": drain}).pod["containers"][0]["lifecycle"]

    assert lifecycle("sidecar")["postStart"] == {"httpGet": {"path": "/-/undrain", "port": 7071}}
    with_token = lifecycle("sidecar-admin-token")
    assert with_token["postStart"]["httpGet"]["httpHeaders"] == with_token["preStop"]["httpGet"]["httpHeaders"]
    command = ["/undrain", "now"]
    assert lifecycle("sidecar", undrainCommand=command)["postStart"] == {"exec": {"command": command}}
    assert set(lifecycle("sidecar-classic", undrainCommand=[])) == {"preStop"}


@pytest.mark.parametrize(
    "shape, proxy, seconds",
    [
        # delay + drain + 5: the proxy cuts what is left and exits
        ("standalone", {}, 30),
        ("standalone", {"config": {"drain_delay_seconds": 15, "drain_seconds": 600}}, 620),
        ("standalone", {"config": {"drain_delay_seconds": 0, "drain_seconds": 0}}, 5),
        # the same, and the LLM's own end
        ("sidecar", {}, 35),
        ("sidecar", {"llm": {"exitSeconds": 60}}, 90),
        ("sidecar", {"config": {"drain_delay_seconds": 2.5, "drain_seconds": 10.2}}, 23),
        ("sidecar-classic", {}, 32),
    ],
)
def test_the_grace_period_is_what_the_drain_needs(shape: str, proxy: Any, seconds: int) -> None:
    """No step of the drain is cut short by Kubernetes' SIGKILL."""
    assert render(shape, proxy=proxy).pod["terminationGracePeriodSeconds"] == seconds


@pytest.mark.parametrize("shape, needed", [("standalone", 30), ("sidecar", 35), ("sidecar-classic", 32)])
def test_a_grace_period_may_be_longer_but_not_shorter(shape: str, needed: int) -> None:
    """A number of one's own is taken as it is, or refused with the one that is needed."""
    for longer in (needed, needed + 1, 3600):
        pod = render(shape, proxy={"terminationGracePeriodSeconds": longer}).pod
        assert pod["terminationGracePeriodSeconds"] == longer
    said = refusal(shape, proxy={"terminationGracePeriodSeconds": needed - 1})
    assert f"terminationGracePeriodSeconds is {needed - 1}, but the drain needs {needed}" in said
