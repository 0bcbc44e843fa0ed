"""The official SDKs, retries on: what reached the upstream is never sent twice, what did not is sent again.

The proxy says which is which with ``x-should-retry``; left alone, these SDKs repeat any 5xx, and so generate (and bill)
twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from .sdk_cases import DRIVERS, Case, Work
from .sdk_clients import Desk, desk
from .sdk_stage import Stage, standing

#: One call of each SDK in each runtime: all calls of one share its retries.
ONE_EACH = [driver for driver in DRIVERS if driver.call in {"chat", "messages"}]


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


#: Failures behind the point of no return, told as a status or in the stream.
REACHED = ({"die_after": "0"}, {"body": "html"}, {"error_first": "true"}, {"stall_after": "0"}, {"die_after": "9"})


def test_a_request_that_reached_the_upstream_is_sent_once(stage: Stage, clients: Desk) -> None:
    """Whatever became of it there."""
    before = stage.requests_at_the_mock()
    work: list[Work] = []
    proxies = []
    for knobs in REACHED:
        fresh = [stage.proxy(first_event_timeout_seconds=0.5, commit_after_seconds=0) for _ in ONE_EACH]
        work += asked([proxy.url for proxy in fresh], knobs, max_retries=2)
        proxies += fresh
    answers = clients.ask(work)
    assert None not in [answer.error for answer in answers]
    assert [proxy.requests for proxy in proxies] == [1] * len(work)
    assert stage.requests_at_the_mock() - before == len(work)


def test_without_the_proxy_it_is_sent_again(stage: Stage, clients: Desk) -> None:
    """The control: the 502 of any other proxy is repeated as often as the SDK may."""
    before = stage.requests_at_the_mock()
    answers = clients.ask(asked([stage.mock] * len(ONE_EACH), {"status": "502"}, max_retries=1))
    assert None not in [answer.error for answer in answers]
    assert stage.requests_at_the_mock() - before == 2 * len(ONE_EACH)


def test_a_request_that_nobody_took_is_sent_again(stage: Stage, clients: Desk) -> None:
    """A refused connection: after ``Retry-After``, as often as the SDK may."""
    proxies = [stage.proxy(upstream=stage.refusing) for _ in ONE_EACH]
    answers = clients.ask(asked([proxy.url for proxy in proxies], {}, max_retries=1))
    assert [answer.error and answer.error.status for answer in answers] == [502] * len(ONE_EACH)
    assert [proxy.requests for proxy in proxies] == [2] * len(ONE_EACH)


def asked(urls: Sequence[str], knobs: Mapping[str, str], *, max_retries: int) -> list[Work]:
    """The same case for each SDK, each at an address of its own."""
    cases = [replace(Case.of(url, knobs), max_retries=max_retries) for url in urls]
    return list(zip(ONE_EACH, cases, strict=True))
