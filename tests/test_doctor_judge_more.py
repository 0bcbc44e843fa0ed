"""`doctor.judge_more`: redirects, HTTP/2, CORS, coming back, and requests sent twice."""

from __future__ import annotations

import pytest

from sse_proxy.doctor.judge_more import (
    judge_cors,
    judge_duplicates,
    judge_http2,
    judge_probe_resume,
    judge_redirects,
    judge_resume,
)
from sse_proxy.doctor.observed import Answer, End, Request

from .doctor_cases import SSE, answer, case, ids, probe, told

PAGE = "https://app.example"
NGINX = (*SSE, ("server", "nginx/1.22.1"))


def redirect(status: int, method: str = "GET") -> Answer:
    """A redirect of a request by *method*."""
    request = Request(method=method, url="http://test/a")
    return answer(status=status, headers=(("location", "/b"),), request=request)


def test_redirects_are_told_with_their_way() -> None:
    """Each costs a round trip, and some clients do not follow."""
    assert list(judge_redirects([])) == []
    found = told(judge_redirects([redirect(307), redirect(301)]))
    assert (found.severity.value, found.seen) == ("warning", "redirected: 307 to /b, then 301 to /b")


@pytest.mark.parametrize("status, severity", [(301, "error"), (302, "error"), (303, "error"), (308, "warning")])
def test_a_redirect_that_loses_a_body_is_an_error(status: int, severity: str) -> None:
    """Clients make a GET of a POST."""
    found = told(judge_redirects([redirect(status, "POST")]))
    assert found.severity.value == severity
    assert ("without its body" in found.seen) == (severity == "error")


@pytest.mark.parametrize("offered, expected", [(True, []), (None, []), (False, ["note: http2-missing"])])
def test_an_edge_without_http_2_is_a_note(offered: bool | None, expected: list[str]) -> None:
    """Six open streams, and a browser's page stands still."""
    assert ids(judge_http2(offered=offered)) == expected


def allowing(**headers: str) -> Answer:
    """An answer with these ``Access-Control-Allow-…`` headers."""
    fields = tuple((f"access-control-allow-{name}", value) for name, value in headers.items())
    asked = (
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    )
    return answer(headers=fields, request=Request(method="OPTIONS", url="http://test/", headers=asked))


GOOD = allowing(origin=PAGE, headers="Content-Type, Authorization")
BARE = answer()
DELETE = Request(method="OPTIONS", url="http://test/", headers=(("access-control-request-method", "DELETE"),))


@pytest.mark.parametrize(
    "preflight, reply, problem",
    [
        (GOOD, allowing(origin="*"), ""),
        (None, allowing(origin=PAGE), ""),
        (None, None, ""),
        (None, BARE, "no Access-Control-Allow-Origin"),
        (GOOD, BARE, "no Access-Control-Allow-Origin"),
        (GOOD, allowing(origin="https://other.example"), "Access-Control-Allow-Origin is https://other.example"),
        (GOOD, allowing(origin="*, *"), "more than once"),
        (BARE, None, "to the preflight: no Access-Control-Allow-Origin"),
        (allowing(origin=PAGE, headers="content-type"), None, "does not allow: authorization"),
        (allowing(origin=PAGE, headers="*"), None, "does not allow: authorization"),
        (answer(status=405), None, "the preflight got status 405"),
        (Answer(request=Request(url="http://test/"), failure="the connection was refused"), None, "refused"),
        (answer(headers=(("access-control-allow-origin", "*"),), request=DELETE), None, "method DELETE is not allowed"),
    ],
)
def test_a_page_is_told_why_it_cannot_read(preflight: Answer | None, reply: Answer | None, problem: str) -> None:
    """By the preflight, and by the answer itself."""
    found = list(judge_cors(PAGE, preflight, reply))
    assert ids(found) == (["error: cors"] if problem else [])
    assert all(problem in finding.seen and PAGE in finding.fix for finding in found)


def test_an_answer_that_did_not_come_says_nothing_of_cors() -> None:
    """It is told as unreachable."""
    failed = Answer(request=Request(url="http://test/"), failure="the connection was refused")
    assert list(judge_cors(PAGE, None, failed)) == []


STEPS = [(n / 10, n / 10) for n in range(4)]
NONE_LEFT = answer(status=204)


def test_a_probe_that_goes_on_where_it_was_left_is_right() -> None:
    """With Last-Event-ID, and 204 at the end."""
    again = probe(STEPS, seen=(("last-event-id", "2"),))
    assert list(judge_probe_resume(probe(STEPS), again, NONE_LEFT)) == []
    endless = told(judge_probe_resume(probe(STEPS), again, answer()))
    assert "got status 200 instead of 204" in endless.seen
    lost = told(judge_probe_resume(probe(STEPS), probe(STEPS, headers=NGINX), answer()))
    assert (lost.id, lost.culprit) == ("last-event-id-lost", "nginx")


def test_a_probe_that_did_not_answer_says_nothing_of_resume() -> None:
    """What went wrong is told elsewhere."""
    assert list(judge_probe_resume(probe(STEPS), case(status=503), NONE_LEFT)) == []


NUMBERED = [(n / 10, b"id: %d\ndata: %d\n\n" % (n, n)) for n in range(1, 4)]


@pytest.mark.parametrize(
    "again, expected",
    [
        (case(status=204), []),
        (case([(0.1, b"id: 4\ndata: 4\n\n")]), []),
        (case([(0.1, b": ping\n\n")]), []),
        (case(NUMBERED), ["warning: resume"]),
        (case(status=404), ["warning: resume"]),
        (case(status=0, end=End.NONE, failure="the connection was refused"), ["warning: resume"]),
    ],
    ids=["nothing left", "the rest", "silence", "anew", "unknown", "refused"],
)
def test_a_stream_asked_for_again_goes_on(again: object, expected: list[str]) -> None:
    """One that begins anew is a second generation."""
    assert ids(judge_resume(case(NUMBERED), again)) == expected  # type: ignore[arg-type]  # each is a case


@pytest.mark.parametrize("requests, expected", [(None, []), (0, []), (1, []), (2, ["error: duplicate-post"])])
def test_a_post_that_came_twice_is_an_error(requests: int | None, expected: list[str]) -> None:
    """Each is a generation that somebody pays for."""
    assert ids(judge_duplicates(requests, probe(STEPS, headers=NGINX))) == expected
