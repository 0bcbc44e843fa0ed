"""The playground in a real Chromium, against a real ``sse-proxy demo``: each switch, cut and resume, stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from sse_proxy.demo import expected_text
from sse_proxy.demo.defects import DEFECTS

from .playground_browser import DESKTOP, PHONE, Driver, Page
from .playground_fixtures import make_driver, make_url

pytestmark = pytest.mark.asyncio(loop_scope="module")

url, driver = make_url(), make_driver()

#: A lane that the page itself gave up, or that broke off as it was told.
GIVEN_UP = r"^failed: net::ERR_ABORTED http://127\.0\.0\.1"
BROKEN = r"ERR_INCOMPLETE_CHUNKED_ENCODING"
QUICK: dict[str, Any] = {"tokens": "8", "gap": "0"}
READY = "return document.body.dataset.ready"


@pytest_asyncio.fixture(loop_scope="module")
async def page(url: str, driver: Driver) -> AsyncIterator[Page]:
    """A fresh page."""
    opened = await driver.page(url)
    await opened.until(READY)
    yield opened
    await opened.close()


async def texts(page: Page, to_be: str, *lanes: str) -> None:
    """Return when the text of the *lanes* is *to_be*; it is drawn a frame after it came."""
    for lane in lanes:
        await page.until(
            "return document.querySelector(`#lane-${given[0]} .text`).textContent === given[1]", [lane, to_be]
        )


async def said(page: Page, lane: str, words: str, part: str = ".verdict") -> None:
    """Return when the *part* of a lane's card holds *words*."""
    await page.until(
        "return document.querySelector(`#lane-${given[0]} ${given[1]}`).textContent.includes(given[2])",
        [lane, part, words],
    )


async def counted(page: Page, lane: str, label: str, least: int) -> None:
    """Return when the number *label* of a lane is *least* or more."""
    source = """
        const terms = [...document.querySelectorAll(`#lane-${given[0]} dt`)];
        return Number(terms.find((term) => term.textContent === given[1]).nextSibling.textContent) >= given[2];"""
    await page.until(source, [lane, label, least])


async def test_every_dialect_reads_the_same_in_both_lanes(page: Page) -> None:
    """Where nothing is wrong the proxy changes nothing that a reader sees."""
    dialects = await page.value("return [...document.querySelector('#dialect').options].map((one) => one.value)")
    assert sorted(dialects) == sorted(
        ["openai_chat", "openai_completions", "openai_responses", "anthropic", "ollama", "gemini", "generic", "tokens"]
    )
    await page.set(**QUICK)
    whole = expected_text("openai_chat", 8)
    for dialect, (left, right) in zip(dialects, await page.sweep("dialect", dialects), strict=True):
        assert (dialect, right["head"]) == (dialect, "Looks complete")
        # A careless reader loses what line ends within plain text do to it, and all of what ends its lines in CR LF.
        if dialect != "generic":
            assert (dialect, right["text"]) == (dialect, whole)
        if dialect not in {"generic", "gemini"}:
            assert (dialect, left["head"], left["text"]) == (dialect, "Looks complete", whole)
    assert await page.complaints() == []


async def test_every_defect_is_repaired_on_the_right(page: Page) -> None:
    """And on the left most of them lose text, which the reader there does not notice."""
    defects = await page.value("return [...document.querySelector('#defect').options].map((one) => one.value)")
    assert sorted(defects) == sorted([*DEFECTS, "none"])
    await page.set(**QUICK)
    lost = set()
    for defect, (left, right) in zip(defects, await page.sweep("defect", defects), strict=True):
        whole = expected_text("openai_chat", 8, defect)
        assert (defect, right["text"], right["Unreadable"]) == (defect, whole, "0")
        if left["text"] != whole:
            lost.add(defect)
            assert "Looks complete" in left["head"]
            assert left["more"].startswith("yet ")
    harmless = {
        "none",
        "coalesced",
        "id_lines",
        "invalid_utf8",
        "retry_field",
        "split_bytes",
        "split_utf8",
        "empty_data",
    }
    assert lost.isdisjoint(harmless)
    assert {"single_newline", "crlf", "no_space", "double_data", "split_json", "bare_json", "cr"} <= lost
    assert await page.complaints() == []


async def test_a_repair_is_a_mark_and_a_figure(page: Page) -> None:
    """Told by the proxy: of the stream below its lane, of the process among the figures."""
    await page.run(defect="single_newline", **QUICK)
    await said(page, "proxy", "repaired: single_newline", ".after")
    await page.until("return document.querySelector('#figures').textContent.includes('single newline')")
    rows = await page.marks()
    assert {row[2] for row in rows if row[1] == "Through sse-proxy"} == {"event", "repaired", "end"}
    assert [row[2] for row in rows if row[1] == "Straight from the mock"] == ["unreadable", "end"]
    assert (await page.lane("proxy"))["outcome"] == "completed"
    assert "one line end between events" in await page.text("#defect-text")


async def test_a_silence_is_filled_with_heartbeats(page: Page) -> None:
    """Before the answer begins and in its middle; without the proxy nobody can tell whether anything is alive."""
    await page.run(prefill="2.5", fate="stall_after", after="3", to_the_end=False, **QUICK)
    await counted(page, "proxy", "Heartbeats", 2)
    await counted(page, "proxy", "Events", 3)
    await counted(page, "upstream", "Events", 3)
    await said(page, "upstream", "nobody can tell whether it is alive")
    await said(page, "proxy", "alive: a heartbeat")
    assert (await page.lane("upstream"))["Heartbeats"] == "0"
    assert float((await page.lane("upstream"))["First token"].removesuffix(" s")) >= 2.5
    await page.click("#stop")
    await page.done()
    for lane in ("upstream", "proxy"):
        await said(page, lane, "Stopped by the user")
        await said(page, lane, "noticed that its client had left, after 3 events", ".after")
    assert (await page.marks())[-1][2] == "stopped"
    assert await page.complaints(but=GIVEN_UP) == []


@pytest.mark.parametrize(
    "fate, left, right",
    [
        ("die_after", "Error: the connection was lost", "Error: the upstream closed"),
        ("die_mid_event", "Error: the connection was lost", "Error: the upstream closed"),
        ("truncate_after", "Looks complete", "Error: the upstream"),
        ("error_after", "Error: the mock was told to fail", "Error: the mock was told to fail"),
    ],
)
async def test_a_broken_answer_is_told_as_one(page: Page, fate: str, left: str, right: str) -> None:
    """On the right in words; on the left as a lost connection, or not at all."""
    await page.run(fate=fate, after="5", **QUICK)
    await said(page, "upstream", left)
    await said(page, "proxy", right)
    if fate == "truncate_after":
        await said(page, "upstream", "its API’s own end never came; the client notices nothing")
    kinds = {row[2] for row in await page.marks() if row[1] == "Through sse-proxy"}
    assert kinds == {"event", "error told", "end"}
    assert await page.complaints(but=BROKEN) == []


async def test_a_hop_that_buffers_is_told_not_to(page: Page) -> None:
    """By X-Accel-Buffering, which nginx heeds; a hop that holds everything holds both lanes up."""
    stalls: dict[str, Any] = {"fate": "stall_after", "after": "8", "to_the_end": False, **QUICK}
    await page.run(hop="nginx", **stalls)
    await counted(page, "proxy", "Events", 8)
    left = await page.lane("upstream")
    assert (left["Events"], left["Bytes"]) == ("0", "0 B")
    assert "mock → hop that collects 4 KiB, unless told X-Accel-Buffering: no → this page" in left["chain"]
    await page.set(hop="all")
    assert (await page.lane("upstream"))["chain"] == left["chain"]  # as it is of the run that is shown
    await page.click("#run")
    for lane in ("upstream", "proxy"):
        await said(page, lane, "Hangs: no answer yet")
        assert (await page.lane(lane))["Bytes"] == "0 B"
    await page.click("#stop")
    await page.done()
    await page.run(hop="all", fate="none", **QUICK)
    await texts(page, expected_text("openai_chat", 8), "upstream", "proxy")
    assert await page.complaints(but=GIVEN_UP) == []


async def test_a_slow_client_makes_the_upstream_wait(page: Page) -> None:
    """Through the proxy as without it: what is not read is not generated."""
    await page.run(pace="slow", to_the_end=False)
    assert "line that takes 64 KiB a second" in (await page.lane("upstream"))["chain"]
    for lane in ("upstream", "proxy"):
        await said(page, lane, "it waits now", ".after")
        assert (await page.lane(lane))["phase"] == "streaming"
    await page.click("#stop")
    await page.done()
    for lane in ("upstream", "proxy"):
        await said(page, lane, "noticed that its client had left", ".after")
    assert await page.complaints(but=GIVEN_UP) == []


@pytest.mark.parametrize(
    "size, dialect", [(DESKTOP, "openai_chat"), (PHONE, "tokens")], ids=["desktop", "phone, a bridge"]
)
async def test_a_line_that_was_cut_is_resumed(url: str, driver: Driver, size: tuple[int, int], dialect: str) -> None:
    """From the event that came last, word for word, and the mock has generated once; on the left the rest is lost."""
    page = await driver.page(url, size=size)
    await page.until(READY)
    await page.run(dialect=dialect, tokens="24", gap="60", to_the_end=False)
    await page.cut_after(5)
    await page.done()
    await said(page, "upstream", "The line was cut, and the rest is lost")
    await said(page, "proxy", "cut, and continued after event")
    await texts(page, expected_text("openai_chat", 24), "proxy")
    await said(page, "proxy", "It generated once.", ".after")
    rows = [row for row in await page.marks() if row[1] == "Through sse-proxy"]
    kinds = [row[2] for row in rows]
    assert kinds.index("cut here") < kinds.index("resumed") < kinds.index("end")
    resumed = rows[kinds.index("resumed")][3]
    assert resumed.startswith("after event ")
    assert f"continued {resumed}: nothing is missing" in (await page.lane("proxy"))["more"]
    assert await page.complaints(but=GIVEN_UP) == []
    await page.close()


async def test_a_line_that_was_cut_is_lost_where_nothing_is_kept(page: Page) -> None:
    """On both sides, and both upstreams are told to stop."""
    await page.run(resume=False, fate="stall_after", after="6", to_the_end=False, **QUICK)
    for lane in ("upstream", "proxy"):
        await counted(page, lane, "Events", 6)
    await page.click("#cut")
    await page.done()
    for lane in ("upstream", "proxy"):
        await said(page, lane, "nothing was kept for a reconnect")
        await said(page, lane, "noticed that its client had left", ".after")


async def test_a_preset_sets_the_switches_and_runs(page: Page) -> None:
    """One press, and the case is there; two quick ones in the middle of a run start one."""
    await page.run(fate="stall_after", after="2", to_the_end=False, **QUICK, defect="crlf")
    await page.until("return document.querySelectorAll('.lane[data-phase=streaming]').length === 2")
    press = "[...document.querySelectorAll('#presets button')].find((b) => b.textContent === 'Dies').click()"
    await page.value(f"{press}; return new Promise((done) => setTimeout(() => done({press}), 1));")
    await page.done()
    await said(page, "proxy", "Error: the upstream closed")
    assert await page.value("return [defect.value, fate.value, tokens.value]") == ["none", "die_after", "40"]
    assert [asked["method"] for asked in await page.do("asked")].count("POST") == 4
