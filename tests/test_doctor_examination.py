"""`doctor.examination` in front of the mock and of the proxy, with no hop between: what is asked, and what comes of it.

As in test_doctor_chains all are examined at the same time, once.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sse_proxy.doctor.asking import Asker
from sse_proxy.doctor.examination import Examination
from sse_proxy.doctor.examined import Report, Wish
from sse_proxy.doctor.observed import Answer, Request

from .conftest import free_port
from .doctor_cases import SSE, answer
from .doctor_chains import Chain, examined, verdicts

_CHAT = b'{"model": "m", "stream": true, "messages": []}'
_JSON = (("Content-Type", "application/json"),)
_PAGE = "https://app.example"


def chat(query: str, *, bare: bool = True, origin: str | None = None, **settings: object) -> Chain:
    """A chat asked of the mock, or through the proxy, with the mock's knobs.

    So slow that a loop which stands still for a moment, as one that does all this at once may, makes no bursts of it.
    """
    return Chain(
        bare=bare,
        settings=settings,
        method="POST",
        path=f"/v1/chat/completions?rate=10&{query}",
        headers=_JSON,
        body=_CHAT,
        origin=origin,
    )


CHAINS: dict[str, tuple[Chain, dict[str, str]]] = {
    "a server that is right": (chat("x=1"), {}),
    "malformed": (chat("defect=single_newline"), {"framing": ""}),
    "dies": (chat("die_after=5"), {"cut": ""}),
    "ends early": (chat("truncate_after=5"), {"truncated": ""}),
    "forgets the end": (chat("no_done=1"), {"terminator-missing": ""}),
    "fails": (chat("error_after=3"), {"in-stream-error": ""}),
    "a page": (chat("body=html"), {"not-a-stream": ""}),
    "one document": (chat("body=json"), {"not-a-stream": ""}),
    "another type": (chat("content_type=text/plain"), {"content-type": ""}),
    "compressed": (chat("encoding=gzip"), {"compressed": ""}),
    "busy": (chat("status=503"), {"http-status": ""}),
    "all at once": (chat("prefill=1&rate=0"), {"buffered": ""}),
    "all at once, with heartbeats": (
        chat("prefill=3&rate=0", bare=False, heartbeat_seconds=1, commit_after_seconds=1),
        {},
    ),
    "the proxy in front": (chat("defect=single_newline", bare=False), {}),
    "events with ids": (Chain(bare=True, path="/events?ids=1&rate=10"), {}),
    "no probe": (Chain(settings={"probe": False}, path="/health"), {"not-a-stream": ""}),
    "a path of the upstream": (Chain(path="/v1/models"), {}),
    "no page may": (chat("x=1", origin=_PAGE), {"cors": ""}),
    "a page may": (chat("x=1", bare=False, origin=_PAGE, cors_origins=(_PAGE,)), {}),
    "another page may": (chat("x=1", bare=False, origin="https://b.example", cors_origins=(_PAGE,)), {"cors": ""}),
    "no page may, by a probe": (Chain(origin=_PAGE, path="/v1/chat/completions"), {"cors": ""}),
    "a page may, by a probe": (
        Chain(origin=_PAGE, path="/v1/chat/completions", settings={"cors_origins": (_PAGE,)}),
        {},
    ),
}


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """What the doctor says of each."""
    directory = tmp_path_factory.mktemp("examinations")

    async def examine() -> list[Report]:
        return await asyncio.gather(*(examined(chain, {}, directory) for chain, _expected in CHAINS.values()))

    return dict(zip(CHAINS, asyncio.run(examine()), strict=True))


@pytest.mark.parametrize("name", CHAINS)
def test_each_server_gets_its_verdict(reports: dict[str, Report], name: str) -> None:
    """And what is right gets none."""
    assert verdicts(reports[name]) == CHAINS[name][1]


def test_a_defect_is_told_with_its_lines(reports: dict[str, Report]) -> None:
    """Where the server's developer has to look."""
    found = next(finding for finding in reports["malformed"].findings if finding.id == "framing")
    assert "one newline instead of two between events (lines " in found.seen


def test_a_proxy_without_its_probe_is_told_of_it(reports: dict[str, Report]) -> None:
    """More could be known."""
    assert "probe-off" in [finding.id for finding in reports["no probe"].findings]
    assert "probe-off" not in [finding.id for finding in reports["a server that is right"].findings]


async def test_a_server_that_is_not_there_is_not_asked_for_more() -> None:
    """Each question could take ten seconds to fail."""
    request = Request(url="http://a/events")
    failed = Answer(request=request, failure="no connection within 10 seconds")
    asker = Scripted(failed, failed)
    await Examination(Wish(request=request, url=request.url), asker).run()
    assert [question.partition("?")[0] for question in asker.asked] == [
        "GET http://a/-/sse-proxy/probe",
        "GET http://a/events",
    ]


async def test_a_server_that_is_not_there_is_told_once() -> None:
    """And nothing else about it."""
    url = f"http://127.0.0.1:{free_port()}/events"
    report = await Examination(Wish(request=Request(url=url), url=url), Asker()).run()
    assert [finding.id for finding in report.findings] == ["unreachable"]


async def test_a_token_opens_the_probe(tmp_path: Path) -> None:
    """The user's headers go with every question; without them the answer says what is missing."""
    tokens = tmp_path / "tokens"
    tokens.write_text("good\n")
    settings = {"auth_tokens_file": str(tokens)}
    closed, opened = await asyncio.gather(
        examined(Chain(settings=settings), {}, tmp_path),
        examined(Chain(settings=settings, headers=(("Authorization", "Bearer good"),)), {}, tmp_path),
    )
    assert [finding.id for finding in closed.findings] == ["http-status", "probe-off"]
    assert "Authorization" in closed.findings[0].fix
    assert opened.findings == []
    assert opened.case.probed is not None


class Scripted(Asker):
    """Gives *answers*, one for each question."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[str] = []

    async def ask(self, request: Request, *, seconds: float) -> Answer:
        self.asked.append(f"{request.method} {request.url}")
        return self.answers.pop(0)


def probe_answer() -> Answer:
    """A probe that came as it was written."""
    about = {"probe": 1, "http_version": "1.1", "headers": [["last-event-id", "2"]], "heartbeat_seconds": 15}
    pieces = []
    for n in range(10):
        data = json.dumps({"n": n, "offset": n / 10, **about})
        pieces.append((n / 10, f"event: {'end' if n == 9 else 'tick'}\ndata: {data}\n\n".encode()))
    return answer(pieces, headers=SSE, request=Request(url="http://a/-/sse-proxy/probe"))


async def test_a_hop_that_takes_the_proxy_for_down_is_waited_for() -> None:
    """After a POST that was broken on purpose the count comes later."""
    down, counted = answer(status=502), answer([(0.1, b'{"nonce": "x", "requests": 2}')], headers=())
    dropped = answer(status=502)
    asker = Scripted(probe_answer(), probe_answer(), probe_answer(), answer(status=204), dropped, down, counted)
    wish = Wish(request=Request(url="http://a"), url="http://a", break_post=True)
    report = await Examination(wish, asker).run()
    assert verdicts(report) == {"duplicate-post": ""}
    assert asker.asked[4].startswith("POST http://a/-/sse-proxy/probe?nonce=")
    assert asker.asked[5] == asker.asked[6]


async def test_no_post_is_broken_unasked() -> None:
    """A hop may take the proxy for down that has broken one."""
    asker = Scripted(probe_answer(), probe_answer(), probe_answer(), answer(status=204))
    told: list[str] = []
    await Examination(Wish(request=Request(url="http://a"), url="http://a"), asker, told.append).run()
    assert [question for question in asker.asked if not question.startswith("GET ")] == []
    assert told == ["looking for the probe of an sse-proxy", "coming back with Last-Event-ID"]


async def test_redirects_are_not_followed_for_ever() -> None:
    """Two servers may send a client to each other."""
    request = Request(method="POST", url="http://a/x", body=b"{}")
    around = answer(status=307, headers=(("location", "/x"),), request=request)
    report = await Examination(Wish(request=request, url=request.url, own_request=True), Scripted(*[around] * 6)).run()
    assert [finding.id for finding in report.findings] == ["redirected"]


async def test_a_probe_that_fails_is_no_clean_result() -> None:
    """What it would have shown is not known: a hop has answered in its place."""
    late = answer(status=504, headers=(("server", "nginx/1.22.1"),), ended_at=60.2)
    asker = Scripted(probe_answer(), probe_answer(), probe_answer(), answer(status=204), late, late)
    report = await Examination(Wish(request=Request(url="http://a"), url="http://a", idle=90), asker).run()
    assert verdicts(report) == {"probe-failed": "nginx"}
    assert report.findings[0].seen == "a probe got status 504 after 60.2 s, instead of its events"
