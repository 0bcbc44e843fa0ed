"""The playground for everyone: keyboard, screen reader, phone, dark, forced colours, no motion."""

from __future__ import annotations

import re

import pytest

from .playground_browser import DESKTOP, PHONE, Driver, Page
from .playground_fixtures import make_driver, make_url
from .test_playground_page import QUICK, READY, counted, said

pytestmark = pytest.mark.asyncio(loop_scope="module")

url, driver = make_url(), make_driver()


@pytest.mark.parametrize(
    "size, scheme",
    [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light")],
    ids=["desktop, light", "desktop, dark", "phone, light"],
)
async def test_axe_finds_nothing_serious(url: str, driver: Driver, size: tuple[int, int], scheme: str) -> None:
    """After a run with every kind of trouble on the page, all of it shown; and nothing is wider than the window."""
    page = await driver.page(url, size=size, scheme=scheme, bypass=True)
    await page.until(READY)
    await page.run(defect="single_newline", fate="error_after", after="3", **QUICK)
    await page.marks()
    await said(page, "proxy", "repaired", ".after")
    violations = await page.do("axe")
    assert [found for found in violations if found["impact"] in {"serious", "critical"}] == []
    assert await page.value("return document.documentElement.scrollWidth") <= size[0]
    assert await page.complaints() == []
    await page.close()


async def test_the_keyboard_is_enough(url: str, driver: Driver) -> None:
    """From field to field, run, stop; where one is can be seen; the tabs of the code turn by arrow."""
    page = await driver.page(url)
    await page.until(READY)
    await page.value("document.querySelector('#resume').focus()")
    await page.do("press", key="Tab")
    assert await page.value("return document.activeElement.id") == "run"
    assert await page.value("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await page.set(fate="stall_after", after="2", **QUICK)
    await page.value("document.querySelector('#run').focus()")
    await page.do("press", key="Enter")
    await counted(page, "proxy", "Events", 2)
    await page.do("press", key="Tab")
    await page.do("press", key="Tab")
    assert await page.value("return document.activeElement.id") == "stop"
    await page.do("press", key="Space")
    await page.done()
    # Where one was: a button that cannot be used any more must not throw one back to the beginning.
    assert await page.value("return [document.activeElement.id, document.activeElement.ariaDisabled]") == [
        *("stop", "true")
    ]
    await page.value("document.querySelector('#tab-curl').focus()")
    await page.do("press", key="ArrowRight")
    assert await page.value("return [document.activeElement.id, document.activeElement.ariaSelected]") == [
        *("tab-js", "true")
    ]
    assert (await page.text("#code")).startswith("const response = await fetch(")
    await page.close()


async def test_who_wants_no_motion_gets_none(url: str, driver: Driver) -> None:
    """prefers-reduced-motion: nothing is animated."""
    page = await driver.page(url)
    for motion, duration in (("no-preference", "0.12s"), ("reduce", "0s")):
        await page.do("media", media={"reducedMotion": motion})
        found = await page.value("return getComputedStyle(document.querySelector('#run')).transitionDuration")
        assert found == duration
    await page.close()


async def test_forced_colours_leave_the_chosen_tab_to_be_seen(url: str, driver: Driver) -> None:
    """By its border, as all tabs have one colour then; and it takes no more room."""
    page = await driver.page(url)
    await page.until(READY)
    tabs = "return ['#tab-curl', '#tab-js'].map((tab) => getComputedStyle(document.querySelector(tab)).borderTopWidth)"
    assert await page.value(tabs) == ["1px", "1px"]
    width = "return document.querySelector('#tab-curl').getBoundingClientRect().width"
    before = await page.value(width)
    await page.do("media", media={"forcedColors": "active"})
    assert await page.value(tabs) == ["3px", "1px"]
    assert await page.value(width) == before
    await page.close()


async def listening(page: Page) -> None:
    """From now on what the live region says is written down as ``heard``."""
    await page.value("""
        window.heard = [];
        new MutationObserver(() => heard.push(document.querySelector("#status").textContent))
          .observe(document.querySelector("#status"), { childList: true, characterData: true, subtree: true });""")


async def test_a_screen_reader_hears_the_run_and_not_every_token(url: str, driver: Driver) -> None:
    """The one live region says that it runs, and how it ended; it is there before, or it would not be heard."""
    page = await driver.page(url)
    await page.until(READY)
    assert await page.value("return document.querySelector('#status').checkVisibility()")
    await listening(page)
    await page.run(**QUICK)
    ending = "Looks complete, and is, by its API’s own end."
    assert await page.value("return heard") == [
        "Both lanes are running.",
        f"Straight from the mock: {ending} Through sse-proxy: {ending}",
    ]
    assert await page.value("return document.querySelectorAll('[aria-live], [role=status], [role=log]').length") == 1
    await page.close()


async def test_a_screen_reader_hears_that_the_line_was_cut_and_is_back(url: str, driver: Driver) -> None:
    """Both lanes are cut, which is said once; then where the kept one goes on. The focus stays on the button."""
    page = await driver.page(url)
    await page.until(READY)
    await listening(page)
    await page.run(tokens="24", gap="60", to_the_end=False)
    await page.value("document.querySelector('#cut').focus()")
    await page.cut_after(3)
    await page.done()
    begun, cut, resumed, _ended = await page.value("return heard")
    assert (begun, cut) == ("Both lanes are running.", "The line was cut.")
    assert re.fullmatch(r"Through sse-proxy: resumed after event \d+\.", resumed)
    assert await page.value("return document.activeElement.id") == "cut"
    await page.close()
