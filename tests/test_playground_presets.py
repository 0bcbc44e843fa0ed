"""The playground's presets at both widths, and its live figures, in a real Chromium against ``sse-proxy demo``."""

from __future__ import annotations

import pytest

from .playground_browser import DESKTOP, PHONE, Driver, Page, demo
from .playground_fixtures import make_driver, make_url
from .test_playground_page import BROKEN, GIVEN_UP, QUICK, READY, counted

pytestmark = pytest.mark.asyncio(loop_scope="module")

url, driver = make_url(), make_driver()

#: Preset → how the verdict begins, left and right.
VERDICTS = {
    "Clean": ("Looks complete, and is", "Looks complete, and is"),
    "Wrong line ends": ("Looks complete, yet 1 block could not be read", "Looks complete, and is"),
    "JSON cut in two": ("Looks complete, yet 84 blocks could not be read", "Looks complete, and is"),
    "Silent for 6 s": ("Looks complete, and is", "Looks complete, and is"),
    "Dies": ("Error: the connection was lost", "Error: the upstream closed"),
    "Ends early": ("Looks complete, yet its API’s own end never came", "Error: the upstream"),
    "Goes silent": ("Stopped by the user, after 12 events", "Stopped by the user, after 12 events"),
    "Buffering nginx": ("Looks complete, and is", "Looks complete, and is"),
    "Slow client": ("Stopped by the user", "Stopped by the user"),
}
#: Those of them that last until somebody stops them.
ENDLESS = {"Goes silent": 12, "Slow client": 1}

#: Presses a preset, and before it has begun Run, its pauses cut short; returns nothing where the button is in sight.
_PRESS = """
    const button = [...document.querySelectorAll("#presets button")].find((one) => one.textContent === given);
    const { left, right } = button.getBoundingClientRect();
    if (left < 0 || right > innerWidth) return ["the button"];
    button.click();
    for (const [name, value] of [["gap", "0"], ["prefill", Number(prefill.value) ? "0.1" : "0"]])
      document.getElementById(name).value = value;
    document.querySelector("#run").click();"""
_WIDE = """
    const parts = [...document.querySelectorAll("body *")].filter((one) => !one.closest(".scroll, .text, .raw, .code"));
    return parts.filter((one) => one.getBoundingClientRect().right > innerWidth + 1).map((one) => one.outerHTML);"""
_SAID = """
    return ["upstream", "proxy"].map((lane) =>
      ["b", ".more"].map((part) => document.querySelector(`#lane-${lane} ${part}`).textContent).join(", "));"""


async def figure(page: Page, label: str, pattern: str) -> None:
    """Return when the live figure *label* matches *pattern*."""
    source = """
        const terms = [...document.querySelectorAll("#figures dt")];
        return new RegExp(given[1]).test(terms.find((one) => one.textContent === given[0]).nextSibling.textContent);"""
    await page.until(source, [label, pattern])


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_each_preset_says_the_same_at_any_width(url: str, driver: Driver, size: tuple[int, int]) -> None:
    """And nothing is wider than the window, while it runs or afterwards."""
    page = await driver.page(url, size=size)
    await page.until(READY)
    labels = await page.value("return [...document.querySelectorAll('#presets button')].map((one) => one.textContent)")
    assert labels == list(VERDICTS)
    for label, expected in VERDICTS.items():
        assert await page.value(_PRESS, label) is None
        if label in ENDLESS:
            for lane in ("upstream", "proxy"):
                await counted(page, lane, "Events", ENDLESS[label])
            assert (label, await page.value(_WIDE)) == (label, [])
            await page.click("#stop")
        await page.done()
        found = await page.value(_SAID)
        assert [one[: len(start)] for one, start in zip(found, expected, strict=True)] == list(expected)
        assert (label, await page.value(_WIDE)) == (label, [])
    assert await page.value("return document.documentElement.scrollWidth") <= size[0]
    assert await page.complaints(but=f"{GIVEN_UP}|{BROKEN}") == []
    await page.close()


async def test_figures_count_a_stream_while_it_runs(driver: Driver) -> None:
    """Its events are there before its end, and the time to the first one is then told as the bucket that is known."""
    async with demo() as url:
        page = await driver.page(url)
        await page.until(READY)
        await figure(page, "Events", "^0$")
        await page.run(**QUICK, fate="stall_after", after="5", to_the_end=False)
        await figure(page, "Events", "^5$")
        await figure(page, "Streams ended", "^0$")
        await page.click("#stop")
        await figure(page, "Streams ended", "^1$")
        await figure(page, "Events", "^5$")
        await figure(page, "First event, median", r"^[\d.]+–[\d.]+ s$")
        await page.close()
