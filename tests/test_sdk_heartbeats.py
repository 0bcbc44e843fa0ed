"""The official SDKs under heartbeats: the right form for each, and nothing of the answer changed by any form.

What an SDK yields tells the forms apart: a comment is no item for anyone, a no-op event is one for OpenAI's SDKs, and
``event: ping`` is swallowed by Anthropic's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import httpx
import pytest

from sse_proxy.core import pacing
from sse_proxy.demo import expected_text

from .sdk_cases import DRIVERS, FINISH, Answer, Case, Driver
from .sdk_clients import Desk, desk
from .sdk_stage import Proxy, Stage, standing

#: Of silence; less than users may choose, but for one test.
HEARTBEAT_SECONDS = 0.01
OFTEN = {"heartbeat_seconds": HEARTBEAT_SECONDS, "commit_after_seconds": HEARTBEAT_SECONDS}

#: What makes a page's script known.
BROWSER = {"Sec-Fetch-Mode": "cors"}

TOKENS = 6
#: Silence before the headers, before the first event and between tokens, of 60, 60 and 30 ms.
QUIET = {"tokens": str(TOKENS), "prefill": "0.06", "headers_then_wait": "0.06", "rate": "33"}

PYTHON = [driver for driver in DRIVERS if driver.runtime != "js"]
#: Calls that yield every event as it comes.
OPENAI = [driver for driver in PYTHON if driver.sdk == "openai" and not driver.is_helper]
ANTHROPIC = [driver for driver in DRIVERS if driver.sdk == "anthropic"]


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


def asked(
    clients: Desk,
    proxy: Proxy,
    drivers: list[Driver],
    knobs: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
) -> dict[Driver, Answer]:
    """The answers to one case, each checked to be whole."""
    case = Case.of(proxy.url, knobs, headers)
    answers = dict(zip(drivers, clients.ask([(driver, case) for driver in drivers]), strict=True))
    for driver, answer in answers.items():
        check(driver, answer)
    return answers


def check(driver: Driver, answer: Answer) -> None:
    """The *answer* is whole."""
    text = expected_text(driver.dialect, TOKENS)
    assert (driver, answer.error, answer.text) == (driver, None, text)
    assert (driver, answer.finish, answer.output_tokens) == (driver, FINISH[driver.api], TOKENS)
    assert (driver, answer.final) == (driver, text if driver.is_helper else None)


def events(driver: Driver) -> int:
    """Items that one of `OPENAI` yields of a stream without heartbeats; ``[DONE]`` is none."""
    return TOKENS + {"chat": 3, "completions": 2, "responses": 8}[driver.api]


def test_heartbeats_at_the_shortest_interval_that_users_may_choose(stage: Stage, clients: Desk) -> None:
    """A second, with real silences: before the headers, before the first event and between two."""
    proxy = stage.proxy(heartbeat_seconds=1, commit_after_seconds=1)
    knobs = {"tokens": str(TOKENS), "prefill": "1.2", "headers_then_wait": "1.2", "rate": "2.4"}
    # Three events in one write: so that six tokens take two pauses of 1.25 s and not five.
    knobs["defect"] = "coalesced"
    answers = asked(clients, proxy, list(DRIVERS), knobs)
    assert [answers[driver].events for driver in OPENAI] == [events(driver) for driver in OPENAI]
    assert proxy.totals("streams_total", "outcome") == {"completed": len(DRIVERS)}
    heartbeats = proxy.totals("heartbeats_total", "mode")
    assert heartbeats["comment"] >= 3 * len(OPENAI)
    assert heartbeats["data"] >= 3 * len(ANTHROPIC)


def test_openai_gets_comments(stage: Stage, clients: Desk) -> None:
    """One line each, which no SDK yields, and no other form."""
    proxy = stage.proxy(unchecked=OFTEN)
    drivers = [driver for driver in PYTHON if driver.sdk == "openai"]
    answers = asked(clients, proxy, drivers, QUIET)
    assert [answers[driver].events for driver in OPENAI] == [events(driver) for driver in OPENAI]
    heartbeats = proxy.totals("heartbeats_total", "mode")
    assert list(heartbeats) == ["comment"]
    assert heartbeats["comment"] >= 3 * len(drivers)


def test_an_sdk_in_a_browser_gets_comments_too(stage: Stage, clients: Desk) -> None:
    """Page scripts get no-op events, told by ``Sec-Fetch-Mode``; but an SDK has a real parser there as well."""
    proxy = stage.proxy(unchecked=OFTEN)
    drivers = [driver for driver in PYTHON if driver.sdk == "openai"]
    answers = asked(clients, proxy, drivers, QUIET, BROWSER)
    assert [answers[driver].events for driver in OPENAI] == [events(driver) for driver in OPENAI]
    assert list(proxy.totals("heartbeats_total", "mode")) == ["comment"]


def test_the_javascript_sdks_of_openai_on_node_get_comments(stage: Stage, clients: Desk) -> None:
    """Node's ``fetch`` sends ``Sec-Fetch-Mode``, as the standard has it."""
    proxy = stage.proxy(unchecked=OFTEN)
    drivers = [driver for driver in DRIVERS if (driver.sdk, driver.runtime) == ("openai", "js")]
    asked(clients, proxy, drivers, QUIET)
    assert list(proxy.totals("heartbeats_total", "mode")) == ["comment"]


def test_anthropic_gets_pings(stage: Stage, clients: Desk) -> None:
    """The API's own events, before ``message_start`` as well, which its SDKs swallow."""
    proxy = stage.proxy(unchecked=OFTEN)
    answers = asked(clients, proxy, ANTHROPIC, QUIET)
    plain = [answer for driver, answer in answers.items() if not driver.is_helper]
    assert [answer.events for answer in plain] == [TOKENS + 5] * len(plain)
    heartbeats = proxy.totals("heartbeats_total", "mode")
    assert list(heartbeats) == ["data"]
    assert heartbeats["data"] >= 3 * len(ANTHROPIC)


def test_ids_on_the_wire_and_heartbeats_go_together(stage: Stage, clients: Desk) -> None:
    """After an ``id`` a blank line behind a comment kills openai-python: there is none."""
    proxy = stage.proxy(unchecked=OFTEN)
    asked(clients, proxy, list(DRIVERS), {**QUIET, "defect": "id_lines"})
    assert "comment-block" not in proxy.totals("heartbeats_total", "mode")


@pytest.mark.parametrize("defect", ["none", "id_lines"])
def test_every_heartbeat_mode_suits_every_sdk(stage: Stage, clients: Desk, defect: str) -> None:
    """Whatever the user has chosen; with ids on the wire too."""
    proxies = {mode: stage.proxy(heartbeat_mode=mode, unchecked=OFTEN) for mode in ("comment", "comment-block", "data")}
    knobs = {**QUIET, "defect": defect}
    work = [(driver, Case.of(proxy.url, knobs)) for proxy in proxies.values() for driver in DRIVERS]
    for (driver, _case), answer in zip(work, clients.ask(work), strict=True):
        check(driver, answer)
    forms = {mode: set(proxy.totals("heartbeats_total", "mode")) for mode, proxy in proxies.items()}
    assert forms["comment"] == {"comment"}
    # Once an id is on the wire, a block becomes a line; before ``response.created`` there is no no-op event.
    assert forms["comment-block"] - {"comment"} == {"comment-block"}
    assert forms["data"] - {"comment"} == {"data"}


def test_clients_that_count_events_get_data_now_and_then(
    stage: Stage, clients: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a minute without data the comment becomes the no-op event; here the minute is short."""
    monkeypatch.setattr(pacing, "DATA_HEARTBEAT_SECONDS", 4 * HEARTBEAT_SECONDS)
    proxy = stage.proxy(unchecked=OFTEN)
    answers = asked(clients, proxy, list(DRIVERS), {**QUIET, "rate": "8"})
    assert [driver for driver in OPENAI if answers[driver].events <= events(driver)] == []
    assert set(proxy.totals("heartbeats_total", "mode")) == {"comment", "data"}


def test_the_wire_before_the_first_event_holds_heartbeats(stage: Stage) -> None:
    """Sent before the upstream's headers, and between those and the first event."""
    proxy = stage.proxy(unchecked=OFTEN)
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    wire = {
        "/v1/chat/completions": (b": ping\n", b'data: {"id"'),
        "/v1/completions": (b": ping\n", b'data: {"id"'),
        "/v1/responses": (b": ping\n", b"event: response.created"),
        "/v1/messages": (ping, b"event: message_start"),
    }
    for path, (heartbeat, first) in wire.items():
        headers = Case.of(proxy.url, QUIET).headers
        answer = httpx.post(proxy.url + path, json={"stream": True}, headers=headers, trust_env=False)
        before, _, _after = answer.content.partition(first)
        assert (answer.status_code, before.replace(heartbeat, b"")) == (200, b"")
        assert before.count(heartbeat) >= 2
