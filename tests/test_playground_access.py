"""The playground for nobody else: tokens, a real upstream, hostile text, and rest while nobody looks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from .playground_browser import Driver, Page, demo
from .playground_fixtures import make_driver, make_url
from .streaming import DONE, Upstream, body, chunk, proxied, start
from .test_playground_page import QUICK, READY, said, texts

pytestmark = pytest.mark.asyncio(loop_scope="module")

url, driver = make_url(), make_driver()

HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


async def hostile(upstream: Upstream, scope: Scope, _receive: Receive, send: Send) -> None:
    """An answer that would like to be a page; or one that sends its client elsewhere."""
    if scope["path"] == "/moved":
        await send({"type": "http.response.start", "status": 307, "headers": [(b"location", b"/v1/chat/completions")]})
        await body(send, b"", more=False)
        return
    await start(send)
    await body(send, chunk(HOSTILE) + chunk("", finish="stop") + DONE, more=False)


async def test_the_door_takes_a_token(driver: Driver, tmp_path: Path) -> None:
    """The page opens with the right one only, keeps it in its memory, and both lanes come through with it."""
    tokens = tmp_path / "tokens"
    tokens.write_text("the-secret\n")
    async with demo("--auth-tokens-file", str(tokens)) as url:
        page = await driver.page(url)
        await page.until("return !document.querySelector('#door').hidden")
        assert await page.value("return document.querySelector('#run').disabled")
        await page.set(token="wrong")
        await page.click("#door-form button")
        await page.until("return document.querySelector('#door-error').textContent !== ''")
        await page.set(token="the-secret")
        await page.click("#door-form button")
        await page.until(READY)
        assert await page.value("return document.activeElement.id") == "run"
        await page.run(**QUICK)
        for lane in ("upstream", "proxy"):
            assert (await page.lane(lane))["head"] == "Looks complete"
        assert await page.value("return localStorage.length + sessionStorage.length + document.cookie.length") == 0
        assert "the-secret" not in await page.text("body")
        assert "Bearer YOUR_TOKEN" in await page.text("#code")
        assert all("the-secret" not in asked["url"] for asked in await page.do("asked"))
        # Without a token everything but the page is refused, which the browser's console tells.
        assert await page.complaints(but=r"status of 401") == []
        await page.close()


async def test_in_front_of_a_real_upstream_a_person_types_the_request(driver: Driver) -> None:
    """`serve` with `playground`: no mock's switches, and what the upstream writes becomes text and nothing else."""
    async with proxied(hostile, playground=True) as proxy:
        page = await driver.page(f"{proxy.url}/-/sse-proxy/")
        await page.until(READY)
        assert await page.value("return [defect, tokens, presets].every((part) => !part.checkVisibility())")
        assert json.loads(await page.value("return body.value"))["model"] == "MODEL"
        await sdk_of_google(page)
        await page.set(dialect="openai_chat")
        await page.click("#tab-curl")
        await page.set(path="//v1/chat/completions?mine=1", body="{not yet")
        assert "The body above is no JSON" in await page.text("#code-note")
        await page.set(body='{"model": "m", "stream": true, "messages": []}')
        await page.run()
        await texts(page, HOSTILE, "upstream", "proxy")
        assert await page.value("return [document.title, document.images.length, document.scripts.length]") == [
            *("sse-proxy playground", 0, 1)
        ]
        assert "costs two generations" in await page.text("#left-note")
        await said(page, "proxy", "completed", ".after")
        asked = [(request["path"], request["query_string"]) for request in proxy.upstream.requests]
        assert asked == [("/v1/chat/completions", b"mine=1")] * 2
        assert [json.loads(body)["model"] for body in proxy.upstream.bodies] == ["m", "m"]
        assert await page.value("return resume.disabled")
        await redirected(page)
        assert [request["path"] for request in proxy.upstream.requests[2:]] == ["/moved"] * 2
        # A redirect that is not followed is an end before its time to the browser.
        assert await page.complaints(but=r"ERR_ABORTED \S+/moved$") == []
        await page.close()


async def sdk_of_google(page: Page) -> None:
    """It has the model of the path and the settings of the body, and says that it can send no query."""
    await page.set(dialect="gemini")
    await page.click("#tab-genai")
    assert await page.text("#code-note") == ""
    await page.set(path="/v1beta/models/mine:streamGenerateContent?alt=sse&key=1")
    assert await page.text("#code-note") == "The query above is not in it: the SDK has its own."
    await page.set(body='{"contents": "Hello", "generationConfig": {"topK": 1}, "systemInstruction": "Be brief."}')
    code = await page.text("#code")
    for line in ('model="mine",', 'contents="Hello",', 'config={"topK": 1, "systemInstruction": "Be brief."},'):
        assert f"    {line}\n" in code
    # A GET has no body, which an SDK sends anyway.
    await page.set(method="GET")
    assert "    contents=[],\n" in await page.text("#code")


async def looked(page: Page, times: int) -> None:
    """Have the page ask for its figures so often, one time after the other, as when somebody comes back to it."""
    source = """
        const isLook = ({ name }) => name.includes("/figures?");
        const count = () => performance.getEntriesByType("resource").filter(isLook).length;
        const least = count() + given;
        return (async () => {
          while (count() < least) {
            document.dispatchEvent(new Event("visibilitychange"));
            await new Promise(requestAnimationFrame);
          }
        })();"""
    await page.value(source, times)


async def redirected(page: Page) -> None:
    """A redirect is told in both lanes and followed in none; there is no verdict on it, and the table is left alone."""
    await page.run(path="/moved")
    for lane in ("upstream", "proxy"):
        await said(page, lane, "Error: redirected elsewhere")
    await page.marks()
    await looked(page, 3)
    await page.value("window.row = document.querySelector('#rows').lastChild")
    await looked(page, 3)
    assert await page.value("return row.isConnected")
    assert (await page.lane("proxy"))["after"] == ""


async def test_figures_rest_while_nobody_looks(url: str, driver: Driver) -> None:
    """Once a second while the page is seen, not at all while it is hidden."""
    page = await driver.page(url)
    await page.until(READY)
    figures = "return performance.getEntriesByType('resource').filter((one) => one.name.includes('/figures')).length"
    await page.until(f"{figures} >= 2")
    await page.value("Object.defineProperty(document, 'hidden', { value: true, configurable: true })")
    await page.run(**QUICK)
    before = await page.value(figures)
    await page.run(**QUICK)
    await page.run(**QUICK)
    assert await page.value(figures) <= before + 1  # one may have been on its way
    await page.value("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    await page.until(f"{figures} > {before + 1}")
    await page.close()
