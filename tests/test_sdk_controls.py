"""The controls of the SDK tests: the same SDKs against the same mock without the proxy, where they do fail.

They show that the other tests can fail at all. A release of an SDK that reads one of these streams right breaks its
control: good news, and a line less here.
"""

from __future__ import annotations

import pytest

from sse_proxy.demo import expected_text

from .sdk_cases import DRIVERS, FINISH, TOKENS, Answer, Case, Driver
from .sdk_clients import desk
from .sdk_stage import standing

#: What is asked of the mock, by name.
CONTROLS: dict[str, dict[str, str]] = {
    "good": {},
    **{
        defect: {"defect": defect}
        for defect in ("single_newline", "concatenated_json", "double_data", "comment_in_data", "empty_data")
    },
    "ids_and_comments": {"defect": "id_lines", "ping": "comment"},
    "cut": {"truncate_after": "9"},
    "cut_just_before_the_end": {"no_finish": "true", "no_done": "true"},
    "empty": {"body": "empty"},
    "html": {"body": "html"},
    "error_later_flat": {"error_after": "9", "error_form": "flat"},
}

OPENAI = [driver for driver in DRIVERS if driver.sdk == "openai"]
#: Calls that give out the events as they come; helpers want a whole answer in the end, most of them.
PLAIN = [driver for driver in DRIVERS if not driver.is_helper]

Answers = dict[tuple[str, Driver], Answer]


@pytest.fixture(scope="module")
def answers() -> Answers:
    """Of each SDK to each control."""
    keys = [(name, driver) for name in CONTROLS for driver in DRIVERS]
    with standing() as stage, desk(stage) as clients:
        work = [(driver, Case.of(stage.mock, CONTROLS[name])) for name, driver in keys]
        return dict(zip(keys, clients.ask(work), strict=True))


def is_whole(driver: Driver, answer: Answer) -> bool:
    """What the tests of framings ask for."""
    return (answer.error, answer.text, answer.finish) == (
        *(None, expected_text(driver.dialect, TOKENS)),
        FINISH[driver.api],
    )


def test_a_good_stream_is_whole(answers: Answers) -> None:
    """The SDKs, the mock and these tests agree on what that is."""
    assert [driver for driver in DRIVERS if is_whole(driver, answers["good", driver])] == list(DRIVERS)


@pytest.mark.parametrize("defect", ["single_newline", "concatenated_json", "double_data"])
def test_without_the_proxy_every_sdk_fails_on_it(answers: Answers, defect: str) -> None:
    """It raises, or loses text without a word."""
    assert [driver for driver in DRIVERS if is_whole(driver, answers[defect, driver])] == []


@pytest.mark.parametrize("defect", ["comment_in_data", "empty_data"])
def test_without_the_proxy_the_openai_sdks_raise_on_it(answers: Answers, defect: str) -> None:
    """They want JSON in every event with data."""
    assert [driver for driver in OPENAI if answers[defect, driver].error is None] == []


@pytest.mark.parametrize("name", ["cut", "cut_just_before_the_end", "empty", "html"])
def test_without_the_proxy_a_cut_answer_passes_for_a_whole_one(answers: Answers, name: str) -> None:
    """No exception, though the finish signal is missing, and most of the text."""
    found = [answers[name, driver] for driver in PLAIN]
    assert [(answer.error, answer.finish) for answer in found] == [(None, None)] * len(PLAIN)


def test_without_the_proxy_a_flat_error_passes_unnoticed(answers: Answers) -> None:
    """It is handed out as one event among others."""
    found = [answers["error_later_flat", driver] for driver in OPENAI if driver in PLAIN]
    assert [(answer.error, answer.finish) for answer in found] == [(None, None)] * len(found)


def test_without_the_proxy_a_comment_block_after_an_id_kills_openai_python(answers: Answers) -> None:
    """Why our heartbeats are a single line there."""
    found = [answers["ids_and_comments", driver] for driver in OPENAI if driver.runtime != "js"]
    assert [answer.error and answer.error.names[0] for answer in found] == ["JSONDecodeError"] * len(found)
