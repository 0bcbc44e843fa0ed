"""A pod that ends loses no stream: real processes, ended in the order in which a kubelet ends them (tests/pod)."""

from __future__ import annotations

import asyncio
import signal
import sys

import pytest

from .conftest import LIMIT_SECONDS
from .pod.kubelet import Container, terminate
from .pod.play import Plan, Played, play
from .pod.timeline import Timeline

_ENDLESS = 10_000
#: Not its SIGTERM, which the test may see before it has read the last bytes of a stream.
_LLM_ENDED = "the LLM server has ended"


def _in_order(played: Played, *entries: str) -> None:
    """The entries happened, in this order; each is told by how it begins."""
    times = [played.timeline.when(entry) for entry in entries]
    assert times == sorted(times), played.timeline.entries


async def test_fifty_streams_of_a_native_sidecar_pod_end_whole() -> None:
    """Not ready at once, served for the delay, then refused; after the last the LLM server ends, then the proxy."""
    plan = Plan(streams=50, tokens=60, rate=10, delay_seconds=3, drain_seconds=60, grace_seconds=90)
    played = await play(plan)
    assert played.verdicts() == {"whole": 50}
    assert played.code == 0
    _in_order(
        played,
        "readiness fails",
        "new streams are refused: 503, Retry-After: 1",
        "preStop of the LLM server returns",
        "SIGTERM to the LLM server",
        _LLM_ENDED,
        "SIGTERM to the proxy",
        "the proxy has ended, exit code 0",
    )
    _in_order(played, "new streams are refused", "the last stream has ended", _LLM_ENDED)
    assert played.timeline.when("new streams are refused") >= plan.delay_seconds
    assert not played.timeline.happened("SIGKILL")
    assert played.unserved() == []
    assert played.latecomers.verdicts()[0] == "whole"


async def test_without_the_hook_of_the_llm_container_every_stream_is_lost() -> None:
    """The control: the same check sees it. The clients are told, and none takes half an answer for a whole one."""
    plan = Plan(
        streams=10, tokens=_ENDLESS, rate=10, delay_seconds=1, drain_seconds=60, grace_seconds=90, llm_hook=False
    )
    played = await play(plan)
    assert played.verdicts() == {"told upstream_error": 10}
    assert "refused 502" in played.unserved()
    _in_order(played, "SIGTERM to the LLM server", "the last stream has ended", "the proxy has ended, exit code 0")


async def test_streams_longer_than_the_drain_are_told_before_the_llm_server_ends() -> None:
    """They get the API's own error and a clean end, and the LLM server is still there for it."""
    played = await play(
        Plan(streams=10, tokens=_ENDLESS, rate=10, delay_seconds=0.5, drain_seconds=2, grace_seconds=60)
    )
    assert played.verdicts() == {"told drained": 10}
    assert played.unserved() == []
    _in_order(played, "the last stream has ended", _LLM_ENDED, "the proxy has ended, exit code 0")


async def test_a_classic_sidecar_loses_no_stream_either() -> None:
    """Its SIGTERM comes at once, and it drains by itself, for as long as the LLM server waits for it."""
    played = await play(
        Plan(
            streams=10, tokens=25, rate=10, delay_seconds=0.5, drain_seconds=60, grace_seconds=90, native_sidecar=False
        )
    )
    assert played.verdicts() == {"whole": 10}
    assert played.unserved() == []
    _in_order(played, "SIGTERM to the proxy", "the last stream has ended", _LLM_ENDED)
    assert played.timeline.happened("the proxy has ended, exit code 0")


@pytest.mark.skipif(sys.platform != "linux", reason="KEP-753 is about Linux containers here")
async def test_the_kubelet_ends_what_does_not_end_by_itself() -> None:
    """A hook ends with the grace period, and SIGKILL follows SIGTERM, in the played kubelet as in the real one."""
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", deaf, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await process.stdout.readline()
            timeline = Timeline()
            container = Container("main", process, pre_stop=asyncio.Event().wait)
            await terminate([container], grace_seconds=0.1, timeline=timeline)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == -signal.SIGKILL
    told = [what for _seconds, what in timeline.entries]
    assert told[1:] == [
        "preStop of main is given up: the grace period is over",
        "SIGTERM to main",
        "SIGKILL to main",
        "main has ended, exit code -9",
    ]
