"""The official SDKs through the proxy raise on every kind of upstream failure: none takes a cut answer for a whole one.

Each way of calling each SDK × each failure of the mock × two moments: ``early``, where the proxy has promised nothing
and may still answer with a status, and ``late``, where it has sent ``200`` and heartbeats before the upstream said
anything, so that everything has to be told in the stream. Retries are off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from sse_proxy.demo import expected_text

from .sdk_cases import DRIVERS, TOKENS, Answer, Case, Driver, Raised
from .sdk_clients import Desk, desk
from .sdk_stage import Proxy, Stage, standing

#: Events that pass before a failure in the middle, and how many of them hold no text.
BEFORE = 9
WITHOUT_TEXT = {"chat": 1, "completions": 0, "responses": 4, "messages": 2}

#: Bytes of an event, and the size of one that is over it.
MAX_EVENT_BYTES = 20_000
HUGE = "30000"

CLOSED = ("upstream_error", "the upstream closed the connection before its answer was complete")
CUT = ("upstream_truncated", "the upstream ended its stream before the answer was complete")
CORRUPT = ("upstream_error", "the upstream sent a corrupt content coding")
NO_STREAM = ("upstream_error", "where a stream was asked for")
TOO_LARGE = ("too_large", "the upstream sent an event over the size limit")
NOTHING = ("first_event_timeout", "the upstream sent nothing in time")
SILENT = ("idle_timeout", "the upstream fell silent")
#: What each silence is met with; nothing else is to run into a timeout, however busy the machine.
TIMEOUTS: dict[tuple[str | None, str], str] = {NOTHING: "first_event_timeout_seconds", SILENT: "idle_timeout_seconds"}
TIMEOUT_SECONDS = 1.5

#: The upstream's own errors have codes of their own, or none.
TOLD = (None, "the mock was told to fail")
STATUS = (None, "the mock was told this status")


@dataclass(frozen=True)
class Failure:
    """What the mock does, and what the SDK's exception has to tell of it."""

    knobs: Mapping[str, str]
    #: The code, None where it is not ours; and a part of the message.
    error: tuple[str | None, str]
    #: The HTTP status where nothing was promised; None: in the stream in any case.
    status: int | None
    #: Tokens that the client has by then; None: those in the first `BEFORE` events.
    tokens: int | None


def at_once(error: tuple[str | None, str], status: int = 502, **knobs: str) -> Failure:
    """A failure before the first event."""
    return Failure(knobs, error, status, 0)


def midway(error: tuple[str | None, str], tokens: int | None = None, **knobs: str) -> Failure:
    """A failure after some events."""
    return Failure(knobs, error, None, tokens)


FAILURES: dict[str, Failure] = {
    "die_at_once": at_once(CLOSED, die_after="0"),
    "die_in_the_first_event": at_once(CLOSED, die_mid_event="0"),
    "die_between_events": midway(CLOSED, die_after="9"),
    "die_in_an_event": midway(CLOSED, die_mid_event="9"),
    "cut_at_once": at_once(CUT, truncate_after="0"),
    "cut": midway(CUT, truncate_after="9"),
    "cut_just_before_the_end": midway(CUT, TOKENS, no_finish="true", no_done="true"),
    "empty": at_once(CUT, body="empty"),
    "html": at_once(NO_STREAM, body="html"),
    "error_first": at_once(TOLD, error_first="true"),
    "error_first_400": at_once(TOLD, 400, error_first="true", error_status="400"),
    "error_first_429": at_once(TOLD, 429, error_first="true", error_status="429"),
    "error_first_503": at_once(TOLD, 503, error_first="true", error_status="503"),
    "error_first_flat": at_once(TOLD, error_first="true", error_form="flat"),
    "error_later": midway(TOLD, error_after="9"),
    "error_later_503": midway(TOLD, error_after="9", error_status="503"),
    "error_later_flat": midway(TOLD, error_after="9", error_form="flat"),
    "error_later_unterminated": midway(TOLD, error_after="9", no_done="true"),
    **{f"status_{status}": at_once(STATUS, status) for status in (302, 400, 401, 429, 500, 529)},
    "status_204": at_once(CUT),
    "huge_event": midway(TOO_LARGE, 1, huge=HUGE),
    "gzip_cut": midway(CUT, encoding="gzip", truncate_after="9"),
    "gzip_die": midway(CLOSED, encoding="gzip", die_mid_event="9"),
    "gzip_corrupt": at_once(CORRUPT, header="content-encoding: gzip"),
    "br_corrupt": at_once(CORRUPT, header="content-encoding: br"),
    "zstd_corrupt": at_once(CORRUPT, header="content-encoding: zstd"),
    "no_headers": at_once(NOTHING, 504, prefill="60"),
    "no_event": at_once(NOTHING, 504, stall_after="0"),
    "only_pings": at_once(NOTHING, 504, stall_after="0", ping="comment", ping_seconds="0.2"),
    "silence": midway(SILENT, stall_after="9"),
    "silence_but_for_pings": midway(SILENT, stall_after="9", ping="event", ping_seconds="0.2"),
}

#: The SDKs' classes for HTTP statuses; both languages use the same names.
CLASSES = {
    "openai": {400: "BadRequestError", 401: "AuthenticationError", 429: "RateLimitError"},
    "anthropic": {
        400: "BadRequestError",
        401: "AuthenticationError",
        429: "RateLimitError",
        503: "ServiceUnavailableError",
        504: "GatewayTimeoutError",
        529: "OverloadedError",
    },
}

Ask = Callable[[str, Driver, str], Answer]


def asked(url: str, moment: str, name: str) -> Case:
    """The case of one failure; ``late``, the headers come after the proxy's own, on a loaded machine too."""
    knobs = {"prefill": "0.6"} if moment == "late" else {}
    if name.startswith("status_"):
        knobs["status"] = name.removeprefix("status_")
    return Case.of(url, {**knobs, **FAILURES[name].knobs})


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The mock."""
    with standing() as stage:
        yield stage


@pytest.fixture(scope="module")
def proxies(stage: Stage) -> dict[tuple[str, str | None], Proxy]:
    """By moment, and by the timeout that is short."""
    manners: dict[str, dict[str, Any]] = {
        "early": {"heartbeat_seconds": 1, "commit_after_seconds": 0},
        "late": {"unchecked": {"commit_after_seconds": 0.01, "heartbeat_seconds": 0.05}},
    }
    short: dict[str | None, dict[str, Any]] = {name: {name: TIMEOUT_SECONDS} for name in TIMEOUTS.values()}
    return {
        (moment, timeout): stage.proxy(max_event_bytes=MAX_EVENT_BYTES, **manner, **limits)
        for moment, manner in manners.items()
        for timeout, limits in {None: {}, **short}.items()
    }


@pytest.fixture(scope="module")
def clients(stage: Stage) -> Iterator[Desk]:
    """All SDKs."""
    with desk(stage) as clients:
        yield clients


@pytest.fixture(scope="module")
def ask(clients: Desk, proxies: dict[tuple[str, str | None], Proxy]) -> Ask:
    """The answer to one case; all cases of a moment are asked together, since most of their time is waiting."""
    answers: dict[tuple[str, Driver, str], Answer] = {}

    def answer(moment: str, driver: Driver, name: str) -> Answer:
        if (moment, driver, name) not in answers:
            # Those that wait come last in the table, and first here.
            keys = [(moment, one, other) for other in reversed(FAILURES) for one in DRIVERS]
            place = {other: proxies[moment, TIMEOUTS.get(FAILURES[other].error)].url for other in FAILURES}
            work = [(one, asked(place[other], moment, other)) for _moment, one, other in keys]
            answers.update(zip(keys, clients.ask(work), strict=True))
        return answers[moment, driver, name]

    return answer


def kind_of(driver: Driver, status: int | None) -> tuple[str, int | None]:
    """Class and status of the exception for an HTTP status; None: for an error in the stream."""
    base = "APIError" if driver.runtime == "js" else "APIStatusError"
    if status is None:
        # Anthropic's Python SDK makes it one of the response, whose status was 200.
        return (base, 200) if (driver.sdk, base) == ("anthropic", "APIStatusError") else ("APIError", None)
    if status < 400:
        return base, status
    return CLASSES[driver.sdk].get(status, "InternalServerError"), status


def raised(answer: Answer) -> Raised:
    """The exception, which has to be there and must not tell where the upstream is."""
    assert answer.error is not None
    assert "127.0.0.1" not in answer.error.message
    return answer.error


@pytest.mark.parametrize("driver", DRIVERS, ids=str)
@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("moment", ["early", "late"])
def test_an_sdk_raises_on_every_failure(ask: Ask, moment: str, name: str, driver: Driver) -> None:
    """An exception of the SDK's own, with the status where there can be one, and our words or the upstream's."""
    failure = FAILURES[name]
    status = failure.status if moment == "early" else None
    answer = ask(moment, driver, name)
    error = raised(answer)
    assert (error.names[0], error.status) == kind_of(driver, status)
    code, message = failure.error
    if name == "status_204" and moment == "late":
        code, message = NO_STREAM
    assert message in error.message
    assert error.code == code or code is None
    tokens = BEFORE - WITHOUT_TEXT[driver.api] if failure.tokens is None else failure.tokens
    assert (answer.text, answer.finish) == (expected_text(driver.dialect, tokens), None)


@pytest.mark.parametrize("moment", ["early", "late"])
def test_no_failure_counts_as_completed(ask: Ask, proxies: dict[tuple[str, str | None], Proxy], moment: str) -> None:
    """Each outcome as often as there were failures of its kind; ordinary answers below 500 are no stream's outcome."""
    for driver in DRIVERS:
        ask(moment, driver, "cut")
    outcomes: Counter[str] = Counter()
    for (when, _), proxy in proxies.items():
        outcomes.update(proxy.totals("streams_total", "outcome") if when == moment else {})
    assert "completed" not in outcomes
    for outcome in ("too_large", "first_event_timeout", "idle_timeout"):
        kinds = sum(failure.error[0] == outcome for failure in FAILURES.values())
        assert outcomes[outcome] == kinds * len(DRIVERS)


def test_an_sdk_raises_when_the_stream_takes_too_long(clients: Desk, stage: Stage) -> None:
    """``total_timeout``, in the stream, however lively it was; what came before is there."""
    proxy = stage.proxy(total_timeout_seconds=1)
    case = Case.of(proxy.url, {"tokens": "1000", "rate": "20"})
    for driver, answer in zip(DRIVERS, clients.ask([(driver, case) for driver in DRIVERS]), strict=True):
        error = raised(answer)
        assert (error.names[0], error.status) == kind_of(driver, None)
        assert (error.code, answer.finish) == ("total_timeout", None)
        assert expected_text(driver.dialect, 1000).startswith(answer.text)
        assert answer.text


@pytest.mark.parametrize("commit_after_seconds", [0, 15])
def test_an_sdk_raises_when_nobody_listens(clients: Desk, stage: Stage, commit_after_seconds: int) -> None:
    """A 502, at once."""
    proxy = stage.proxy(upstream=stage.refusing, commit_after_seconds=commit_after_seconds)
    answers = clients.ask([(driver, Case.of(proxy.url, {})) for driver in DRIVERS])
    for driver, answer in zip(DRIVERS, answers, strict=True):
        error = raised(answer)
        assert (error.names[0], error.status, error.code) == ("InternalServerError", 502, "upstream_error")
        assert "the upstream refused the connection" in error.message
        assert (driver, answer.text) == (driver, "")
