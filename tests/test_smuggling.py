"""The whole corpus of `tests.smuggling` through a real ``sse-proxy serve``, judged on the upstream's side."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from .conftest import LIMIT_SECONDS
from .process import serving
from .smuggling import REQUESTS, RESPONSES
from .smuggling.__main__ import PAGE, escaped
from .smuggling.answers import STOLEN
from .smuggling.case import AFTER, REFUSED, Seen, request
from .smuggling.drive import Answers, play_request, play_response, victim_is_well
from .smuggling.upstream import Recorder, recording
from .smuggling.verdict import broken_by_request, broken_by_response

#: For a request without an end there is nothing to wait for; a longer wait could only find more.
UNFINISHED_SECONDS = 0.15
WHOLE = 1 << 20
#: Cases of many bytes are not sent in small pieces: the length is their point.
LONG_BYTES = 5000


@pytest.mark.parametrize("step", [WHOLE, 5], ids=["whole", "in pieces"])
async def test_no_request_desynchronises_the_proxy_and_its_upstream(step: int) -> None:
    """The upstream sees what RFC 9112 allows and no more, and other clients get their own answers."""
    broken: dict[str, list[str]] = {}
    async with recording() as recorder, serving(recorder.port, "--readiness-upstream", "off") as proxy:
        for case in REQUESTS:
            if step != WHOLE and len(case.sent) > LONG_BYTES:
                continue
            recorder.reset()
            patience = UNFINISHED_SECONDS if case.unfinished else LIMIT_SECONDS
            played = await play_request(proxy.port, case, step=step, patience=patience)
            found = broken_by_request(case, recorder)
            if not (played.closed or AFTER in recorder.seen or case.unfinished):
                found.append("neither answered nor closed")
            if not await victim_is_well(proxy.port, patience=LIMIT_SECONDS):
                found.append("another client did not get its own answer")
            if found:
                broken[case.name] = [str(played), *found]
    assert broken == {}


async def test_no_response_reaches_whom_it_was_not_for() -> None:
    """What an upstream sends beyond its answer is lost with the connection; the client's next request is answered."""
    broken: dict[str, list[str]] = {}
    reused = set()
    async with recording() as recorder, serving(recorder.port, "--readiness-upstream", "off") as proxy:
        for case in RESPONSES:
            recorder.reset(case)
            answers = await play_response(proxy.port, case, recorder.answered, patience=LIMIT_SECONDS)
            found = broken_by_response(case, answers, recorder)
            if recorder.reused:
                reused.add(case.name)
            if not await victim_is_well(proxy.port, patience=LIMIT_SECONDS):
                found.append("another client did not get its own answer")
            if found:
                broken[case.name] = [str(answers), *found]
    assert broken == {}
    assert "an ordinary answer" in reused  # or else nothing was shown of the others


def test_the_corpus_is_as_large_as_it_is_said_to_be() -> None:
    """And each case has a name of its own, for the tables."""
    for names in ([case.name for case in REQUESTS], [case.name for case in RESPONSES]):
        assert [name for name, times in Counter(names).items() if times > 1] == []
    assert len(REQUESTS) >= 200
    assert len(RESPONSES) >= 60


def test_the_page_has_every_case_and_what_it_says_of_us_is_true() -> None:
    """`make smuggling` has to follow a change of the corpus; a rule that we break would stand there in bold."""
    rows = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    ours = {row[0].removeprefix("| "): row[2] for row in rows if len(row) == 5}
    names = [escaped(name) for name in (*(case.name for case in REQUESTS), *(case.name for case in RESPONSES))]
    assert set(names) == set(ours) - {"request", "response"}
    assert [name for name in names if "**" in ours[name]] == []


def test_every_case_allows_no_poison() -> None:
    """A case that allowed it would prove nothing."""
    assert not [case.name for case in REQUESTS for seen in case.allowed if Seen("GET", "/poison") in seen]


async def test_the_judge_sees_a_smuggled_request() -> None:
    """The control: an upstream that got the poison as a request, two framings and a bare LF says so."""
    poison = b"GET /poison HTTP/1.1\r\nHost: poison\nX: y\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"
    case = replace(REQUESTS[0], sent=poison + b"0\r\n\r\n", allowed=REFUSED, has=(("x", "z"),), lacks=("host",))
    async with recording() as recorder:
        await play_request(recorder.port, case, step=WHOLE, patience=LIMIT_SECONDS)
        found = " ".join(broken_by_request(case, recorder))
    for sign in (
        "poison became a request",
        "several framings",
        "sloppy head",
        "upstream saw",
        "x is y",
        "host went on",
    ):
        assert sign in found


def test_the_judge_sees_a_stolen_answer() -> None:
    """The control: a proxy that used the connection again, and gave the next client what was left on it."""
    (case,) = (one for one in RESPONSES if one.name == "more than said: by length")
    stolen = Answers(status=500, body=b"", fields=(("x", "stolen"),), after=b"stolen")
    found = " ".join(broken_by_response(case, stolen, Recorder(reused=True)))
    for sign in ("client got 500", "used again", "not its own", "not the next request's"):
        assert sign in found
    longer = Answers(status=200, body=b"hello" + STOLEN, fields=(), after=None)
    assert len(broken_by_response(case, longer, Recorder())) == 1


def test_a_case_is_written_as_it_is_sent() -> None:
    """The helper adds nothing of its own: what is sent is what stands in the case."""
    assert request(b"A: b", body=b"x", method=b"GET", target=b"/t", host=b"") == b"GET /t HTTP/1.1\r\nA: b\r\n\r\nx"
