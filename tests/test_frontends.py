"""Frontends in a real Chromium, behind a bridge and without a backend of their own: the guide's and those of the docs.

Five of them: the guide's React hook (``hook``) and its fetch reader (``reader``), to the letter, and those of
docs/frontends.md: React, plain `EventSource` and fetch (``react``, ``eventSource``, ``fetchStream``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from sse_proxy import Settings, create_app
from sse_proxy.demo import answer

from .browser import Browser, Visit, browsing
from .frontends import PROMPT, TARGETS, Scene, Site, behind, scene
from .sdk_stage import Stage, standing
from .seed_servers import hono_server

FRONTENDS = ("hook", "reader", "react", "eventSource", "fetchStream")
#: Those of them with an `EventSource`.
BY_EVENT_SOURCE = ("hook", "react", "eventSource")
TOKENS = 17
QUICK = {"tokens": TOKENS, "rate": 0}
CHAT = TARGETS["openai_chat"]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Where the servers live."""
    with standing() as stage:
        yield stage


@pytest.fixture(scope="module")
def browser(stage: Stage) -> Browser:
    """One Chromium for all tests."""
    return stage.enter(browsing())


@dataclass(frozen=True)
class Elsewhere:
    """A page whose origin is not the proxy's."""

    port: int
    host: str = "localhost"

    @property
    def origin(self) -> str:
        return f"http://{self.host}:{self.port}"

    def visit(self, call: str, **argument: object) -> Visit:
        """A visit of it."""
        return Visit(f"{self.origin}/", call, {"prompt": PROMPT, **argument})


@pytest.fixture(scope="module")
def elsewhere(stage: Stage) -> Elsewhere:
    """On another site, as proxies here are at 127.0.0.1; by that name only on another port."""
    return Elsewhere(int(stage.serve(Site()).rpartition(":")[2]))


def visit(stage: Stage, browser: Browser, *visits: Visit) -> list[Any]:
    """What came of the *visits*."""
    return stage.run(browser.visit(*visits))


def visit_all(stage: Stage, browser: Browser, scene: Scene) -> dict[str, Any]:
    """What came of each of the frontends, all on one page of *scene*."""
    results: dict[str, Any] = visit(stage, browser, scene.visit("all", frontends=FRONTENDS))[0]
    return results


def answers(results: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Text and error of each frontend."""
    return [(result["text"], result["error"]) for result in results.values()]


def spoken(seen: list[dict[str, Any]]) -> str:
    """The text of the tokens among events."""
    return "".join(json.loads(event["data"])["token"] for event in seen if event["type"] == "message")


def types(seen: list[dict[str, Any]]) -> list[str]:
    """The types of the events that were dispatched, in a row of the same only the first."""
    found = [event["type"] for event in seen]
    return [kind for at, kind in enumerate(found) if found[at - 1 : at] != [kind]]


def said(tokens: int = TOKENS) -> str:
    """The answer of the mock."""
    return "".join(answer(tokens))


@pytest.mark.parametrize("dialect", TARGETS)
def test_every_frontend_has_the_whole_answer_of_every_api(stage: Stage, browser: Browser, dialect: str) -> None:
    """Whatever the upstream speaks, a page has its text and its end, and has asked once."""
    found = scene(stage, TARGETS[dialect], knobs=QUICK)
    results = visit_all(stage, browser, found)
    assert answers(results) == [(said(), None)] * 5
    for name in BY_EVENT_SOURCE:
        assert (name, types(results[name]["seen"])) == (name, ["open", "message", "done"])
    assert found.site.generations() == {"started": 5, "completed": 5}
    assert [json.dumps(body).count(PROMPT) for body in found.site.asked] == [1] * 5


def test_the_guides_frontends_work_on_the_guides_server(stage: Stage, browser: Browser) -> None:
    """Hono's takes no GET, and its events begin with ``event:``; the hook and the reader expect neither."""
    hono = stage.enter(hono_server())
    route = {"path": "/chat/stream", "upstream_path": "/chat/stream", "body": {"prompt": "{prompt}"}}
    # The page has to be of the same origin: the site, which has it, hands the rest on to Hono.
    found = behind(stage, Site(rest=create_app(Settings(upstream=hono.url))), routes=(route,))
    assert answers(visit_all(stage, browser, found)) == [(f"{PROMPT} ", None)] * 5


def test_heartbeats_leave_every_frontend_alone(stage: Stage, browser: Browser) -> None:
    """Fifty a second, before the upstream's head, before the first event and between two: nothing is lost or added."""
    often = {"heartbeat_seconds": 0.02, "commit_after_seconds": 0.02}
    silent = {"tokens": 6, "prefill": 0.3, "headers_then_wait": 0.3, "rate": 10}
    found = scene(stage, CHAT, knobs=silent, unchecked=often)
    results = visit_all(stage, browser, found)
    assert answers(results) == [(said(6), None)] * 5
    assert types(results["hook"]["seen"]) == ["open", "message", "done"]
    # 1.1 s of silence each; a busy machine may be late with some.
    assert sum(found.proxy.totals("heartbeats_total", "mode").values()) > 5 * 20


#: What goes wrong after five events → what of it the page is told.
FAILURES = {
    "error_after": "upstream_error",
    "die_after": "upstream_error",
    "truncate_after": "upstream_truncated",
    "stall_after": "idle_timeout",
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_answer_that_breaks_is_an_error_on_the_page(stage: Stage, browser: Browser, failure: str) -> None:
    """``event: error`` reaches ``onerror`` with what happened, ``done`` never comes, and nobody asks again."""
    knobs = {**QUICK, failure: 5}
    found = scene(stage, CHAT, knobs=knobs, idle_timeout_seconds=0.3)
    results = visit_all(stage, browser, found)
    told = results["react"]["seen"][-1]
    error = json.loads(told["data"])["error"]
    assert (told["type"], told["state"], error["code"]) == ("error", 1, FAILURES[failure])
    for name in BY_EVENT_SOURCE:
        assert (name, types(results[name]["seen"])) == (name, ["open", "message", "error"])
    # The first of the five events has no text. The guide's own two have no way to tell; the reader does not even look.
    shown = f"The answer is not whole: {error['message']}"
    assert answers(results) == [(said(4), None)] * 2 + [(said(4), shown)] + [(said(4), error["message"])] * 2
    assert found.site.generations()["started"] == 5


def test_a_refusal_is_an_error_on_the_page(stage: Stage, browser: Browser) -> None:
    """An upstream that fails at once is a real status: `EventSource` gives up for good, fetch reads why."""
    found = scene(stage, CHAT, knobs={**QUICK, "error_first": "true", "error_status": 429})
    results = visit_all(stage, browser, found)
    assert results["hook"]["seen"] == [{"type": "error", "data": None, "id": None, "state": 2}]
    assert results["react"]["error"] == "The answer is not whole: the connection was lost"
    assert results["eventSource"]["error"] == "the connection was lost"
    assert results["fetchStream"]["error"] == "the mock was told to fail"
    assert found.proxy.totals("requests_total", "code")["429"] == 5
    assert found.site.generations()["started"] == 5


def test_a_page_that_leaves_ends_the_generation(stage: Stage, browser: Browser) -> None:
    """By closing its `EventSource`, by taking its component away, and by the `AbortSignal` of its fetch."""
    found = scene(stage, CHAT, knobs={"tokens": 5000, "rate": 50})
    assert visit(stage, browser, found.visit("leaving")) == [3]


def test_a_browser_that_connects_again_starts_no_second_generation(
    stage: Stage, browser: Browser, elsewhere: Elsewhere
) -> None:
    """After a whole answer, an error in the stream and a cut line alike, its reconnect gets 204, and it gives up."""
    long = {"tokens": 500, "rate": 50}
    whole = scene(stage, CHAT, knobs=QUICK)
    broken = scene(stage, CHAT, knobs={**QUICK, "die_after": 5})
    cut = scene(stage, CHAT, knobs=long, cut_after=6)
    foreign = scene(stage, CHAT, knobs=long, cut_after=6, cors_origins=(elsewhere.origin,))
    asked = f"/chat/stream?prompt={PROMPT}"
    results = visit(
        stage,
        browser,
        *(found.visit("persistent", url=asked) for found in (whole, broken, cut)),
        elsewhere.visit("persistent", url=f"{foreign.url}{asked}"),
    )
    kinds = [types(result["seen"]) for result in results]
    assert kinds == [
        ["open", "message", "done", "error"],
        *[["open", "message", "error"]] * 3,
    ]
    states = [[event["state"] for event in result["seen"] if event["type"] == "error"] for result in results]
    assert states == [[0, 2], [1, 0, 2], [0, 2], [0, 2]]
    texts = [spoken(result["seen"]) for result in results]
    assert texts[:2] == [said(), said(4)]
    assert all(text and said(500).startswith(text) for text in texts[2:])
    generations = [found.site.generations() for found in (whole, broken, cut, foreign)]
    assert generations == [
        {"started": 1, "completed": 1},
        {"started": 1, "died": 1},
        *[{"started": 1, "disconnected": 1}] * 2,
    ]
    assert [found.proxy.totals("requests_total", "code")["204"] for found in (whole, broken, cut, foreign)] == [1] * 4


def test_a_browser_that_connects_again_finds_an_upstream_that_resumes(stage: Stage, browser: Browser) -> None:
    """Ids of the upstream's own and the `Last-Event-ID` of the browser go through: each event comes once."""
    found = scene(stage, CHAT, knobs=QUICK, cut_after=4)
    result = visit(stage, browser, found.visit("persistent", url="/events?ids=true&tokens=8&rate=50", enough=8))[0]
    messages = [event for event in result["seen"] if event["type"] == "message"]
    assert [event["id"] for event in messages] == [str(number) for number in range(1, 9)]
    assert result["text"] == said(8)
    assert types(result["seen"]) == ["open", "message", "error", "open", "message"]
    assert found.site.generations()["started"] == 2


def test_pages_of_other_sites_start_nothing(stage: Stage, browser: Browser, elsewhere: Elsewhere) -> None:
    """What a page can send unasked, an image for example, is refused; so is another port of the same host."""
    found = scene(stage, CHAT, knobs=QUICK)
    pages = (elsewhere, replace(elsewhere, host="127.0.0.1"))
    visits = [page.visit("all", frontends=["eventSource", "fetchStream"], url=found.chat) for page in pages]
    results = visit(stage, browser, *visits, *(page.visit("uninvited", url=f"{found.chat}?prompt=x") for page in pages))
    errors = [{name: result["error"] for name, result in page.items()} for page in results[:2]]
    assert errors == [{"eventSource": "the connection was lost", "fetchStream": "Failed to fetch"}] * 2
    assert found.site.generations() == {}
    # A preflight, which a bridge has no answer to; one EventSource; a GET, a POST and an image.
    assert found.proxy.totals("requests_total", "code") == {"405": 2, "403": 2 * 4}


def test_pages_of_cors_origins_are_let_in(stage: Stage, browser: Browser, elsewhere: Elsewhere) -> None:
    """They have the whole answer, and the reason of a refusal; a page of any other origin is still refused."""
    found = scene(stage, CHAT, knobs=QUICK, cors_origins=(elsewhere.origin,))
    failing = scene(stage, CHAT, knobs={"status": 429}, cors_origins=(elsewhere.origin,))
    frontends = {"frontends": ["eventSource", "fetchStream"]}
    whole, refused, unlisted = visit(
        stage,
        browser,
        elsewhere.visit("all", url=found.chat, **frontends),
        elsewhere.visit("all", url=failing.chat, **frontends),
        replace(elsewhere, host="127.0.0.1").visit("all", url=found.chat, **frontends),
    )
    assert answers(whole) == [(said(), None)] * 2
    assert refused["fetchStream"]["error"] == "the mock was told this status"
    assert [(result["text"], result["error"] is None) for result in unlisted.values()] == [("", False)] * 2
    assert found.site.generations() == {"started": 2, "completed": 2}
