"""The official SDKs on streams that are kept: ids on every event change nothing, nor does it who tells the events."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from sse_proxy.demo import expected_text

from .sdk_cases import DRIVERS, FINISH, TOKENS, Answer, Case, Driver
from .sdk_clients import Desk, desk
from .sdk_stage import Proxy, Stage, standing

#: Silences and heartbeats, which ids make deadly in any other form than the right one (DESIGN fact 1).
QUIET = {"prefill": "0.06", "headers_then_wait": "0.06", "rate": "50"}
OFTEN = {"heartbeat_seconds": 0.01, "commit_after_seconds": 0.01}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The mock."""
    with standing() as stage:
        yield stage


@pytest.fixture(scope="module")
def clients(stage: Stage) -> Iterator[Desk]:
    """All SDKs."""
    with desk(stage) as clients:
        yield clients


def check(driver: Driver, answer: Answer) -> None:
    """The *answer* is whole."""
    text = expected_text(driver.dialect, TOKENS)
    assert (driver, answer.error, answer.text) == (driver, None, text)
    assert (driver, answer.finish, answer.output_tokens) == (driver, FINISH[driver.api], TOKENS)
    assert (driver, answer.final) == (driver, text if driver.is_helper else None)


def newest(proxy: Proxy, chat: int) -> httpx.Response:
    """The whole of the newest stream that is called *chat*."""
    return httpx.get(f"{proxy.url}/-/sse-proxy/streams?key={chat}", trust_env=False)


@pytest.mark.parametrize("in_js", [False, True])
def test_ids_disturb_no_sdk(stage: Stage, clients: Desk, in_js: bool) -> None:
    """Not with heartbeats between them; and what is told again, to the same request sent again, is whole as well."""
    drivers = [driver for driver in DRIVERS if (driver.runtime == "js") is in_js]
    # The id alone makes the caller, since each SDK has a key of its own.
    proxy = stage.proxy(resume="memory", resume_owner_headers=[], unchecked=OFTEN)
    before = stage.requests_at_the_mock()
    wishes = [{"X-SSE-Resume": f"on; key={number}"} for number, _ in enumerate(drivers)]
    tell(clients, drivers, [Case.of(proxy.url, QUIET, wish) for wish in wishes])
    assert sum(proxy.totals("heartbeats_total", "mode").values()) >= 3 * len(drivers)
    kept = [newest(proxy, number) for number, _ in enumerate(drivers)]
    ids = [answer.headers["x-stream-id"] for answer in kept]
    assert [answer.text.partition("\n")[0] for answer in kept] == [f"id: {stream}.1" for stream in ids]
    tell(clients, drivers, [Case.of(proxy.url, {}, {"Last-Event-ID": f"{stream}.0"}) for stream in ids])
    assert stage.requests_at_the_mock() - before == len(drivers)
    assert proxy.totals("resumes_total", "result") == {"replayed": 2 * len(drivers)}


def tell(clients: Desk, drivers: list[Driver], cases: list[Case]) -> None:
    """Each driver is told its case, to the end."""
    for driver, answer in zip(drivers, clients.ask(list(zip(drivers, cases, strict=True))), strict=True):
        check(driver, answer)
