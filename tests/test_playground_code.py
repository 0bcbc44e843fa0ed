"""The code that the playground shows to be copied runs as it stands, and is what the repository's examples are."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import sse_proxy
from sse_proxy.core.framers.event_stream import Framer
from sse_proxy.demo import expected_text

from .conftest import LIMIT_SECONDS, require_component
from .playground_browser import Driver
from .playground_fixtures import make_driver, make_url
from .test_playground_page import QUICK, READY

pytestmark = pytest.mark.asyncio(loop_scope="module")

url, driver = make_url(), make_driver()

STATIC = Path(sse_proxy.__file__).parent / "playground" / "static"
JS = Path(__file__).parent / "js"

#: Dialect -> the tabs whose code is run; each prints the answer, as text or, by curl, as it is on the wire.
RUN = {
    "openai_chat": ("curl", "js", "httpx", "openai", "openai-js"),
    "openai_responses": ("js", "httpx", "openai", "openai-js"),
    "openai_completions": ("js", "httpx", "openai", "openai-js"),
    "anthropic": ("js", "httpx", "anthropic", "anthropic-js"),
    "gemini": ("js", "httpx", "genai", "genai-js"),
    "ollama": ("js", "httpx", "ollama", "ollama-js"),
    "generic": ("js", "httpx"),
    "tokens": ("curl", "js", "fetch", "httpx"),
}
NODE = {"js", "fetch", "openai-js", "anthropic-js", "genai-js", "ollama-js"}
#: Tabs that are the same for every dialect, or run elsewhere: in `test_frontends`.
ELSEWHERE = {"curl", "eventsource", "fetch", "react", "vue"}
#: What uses a composable of Vue's outside of a component.
VUE = """\
import { effectScope } from "vue";
import { useStreamingChat } from "./useStreamingChat.vue.js";
const { response, isStreaming, sendMessage } = effectScope().run(() => useStreamingChat(URL));
await sendMessage("Hello");
console.log(isStreaming.value ? "it still streams" : response.value);
"""

Job = tuple[str, str]


async def shown(driver: Driver, url: str) -> dict[Job, str]:
    """The code of every dialect and tab of `RUN`, for a quick answer of 8 tokens."""
    page = await driver.page(url)
    await page.until(READY)
    await page.set(**QUICK)
    source = """
        return (async () => {
          const told = [];
          for (const [name, tabs] of Object.entries(given)) {
            const select = document.querySelector("#dialect");
            select.value = name;
            for (const kind of ["input", "change"]) select.dispatchEvent(new Event(kind, { bubbles: true }));
            for (const tab of tabs) {
              document.querySelector(`#tab-${tab}`).click();
              while (!document.querySelector("#code").textContent) await new Promise(requestAnimationFrame);
              told.push([name, tab, document.querySelector("#code").textContent]);
            }
          }
          return told;
        })();"""
    told = await page.value(source, RUN)
    await page.close()
    return {(dialect, tab): code for dialect, tab, code in told}


def by_shell(code: str) -> str:
    """What a line of curl puts together, its events read by our own parser."""
    require_component("curl")
    done = subprocess.run(["sh", "-c", code], capture_output=True, check=True, timeout=LIMIT_SECONDS)
    payloads = [event.data for event in Framer(max_event_bytes=1 << 20).feed(done.stdout)]
    documents = [json.loads(payload) for payload in payloads if payload != b"[DONE]"]
    return "".join(
        document.get("token") or "".join(choice["delta"].get("content", "") for choice in document.get("choices", ()))
        for document in documents
    )


def by_python(code: str) -> str:
    """What a program prints, run here: to start a Python that imports an SDK takes a second."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "<copied>", "exec"), {"__name__": "__main__"})  # noqa: S102  what is shown is what is run
    return printed.getvalue().removesuffix("\n")


def by_node(programs: Mapping[Job, str], directory: Path) -> dict[Job, str]:
    """What the *programs* print, beside which the packages of the tests are."""
    require_component("js-sdks")
    (directory / "node_modules").symlink_to(JS / "node_modules")
    files = {job: directory / f"{number}.mjs" for number, job in enumerate(programs)}
    for job, file in files.items():
        file.write_text(programs[job])
    done = subprocess.run(
        [require_component("node"), str(JS / "run-all.mjs"), *map(str, files.values())],
        capture_output=True,
        check=True,
        timeout=LIMIT_SECONDS * 2,
    )
    return dict(zip(programs, json.loads(done.stdout), strict=True))


async def test_the_code_runs_as_it_stands(url: str, driver: Driver, tmp_path: Path) -> None:
    """And prints the answer, word for word."""
    code = await shown(driver, url)
    assert list(code) == [(dialect, tab) for dialect, tabs in RUN.items() for tab in tabs]
    programs = {job: text for job, text in code.items() if job[1] in NODE}
    bridge = json.dumps(f"http://{urlsplit(url).netloc}/chat/stream")
    for name in ("fetchStream.js", "useStreamingChat.vue.js"):
        (tmp_path / name).write_bytes((STATIC / name).read_bytes())
    (tmp_path / "package.json").write_text('{"type": "module"}')
    programs["tokens", "vue"] = VUE.replace("URL", bridge)
    printed = await asyncio.to_thread(by_node, programs, tmp_path)
    for job, text in code.items():
        if job[1] not in NODE:
            printed[job] = await asyncio.to_thread(by_shell if job[1] == "curl" else by_python, text)
    # A bridge takes nothing but a prompt, so that its answer has the mock's usual length.
    usual = {("tokens", "fetch"), ("tokens", "vue")}
    assert printed == {job: expected_text("openai_chat", 20 if job in usual else 8) for job in printed}


async def test_every_program_that_is_offered_is_run(url: str, driver: Driver) -> None:
    """Of each dialect, every SDK that has a tab for it; and all tabs are named in one manner, the language first."""
    page = await driver.page(url)
    await page.until(READY)
    source = """
        return Object.fromEntries([...dialect.options].map(({ value }) => {
          dialect.value = value;
          dialect.dispatchEvent(new Event("change", { bubbles: true }));
          const tabs = [...document.querySelectorAll("#tabs button")];
          return [value, tabs.filter((tab) => (tab.click(), !code.hidden)).map((tab) => tab.id.slice("tab-".length))];
        }));"""
    offered = await page.value(source)
    assert {name: set(tabs) - ELSEWHERE for name, tabs in offered.items()} == {
        name: set(tabs) - ELSEWHERE for name, tabs in RUN.items()
    }
    labels = await page.value("return [...document.querySelectorAll('#tabs button')].map((one) => one.textContent)")
    sdks = [label for label in labels if re.search(r"openai|anthropic|genai|ollama", label)]
    assert len(sdks) == 8
    assert [label for label in sdks if not re.fullmatch(r"(Python|JavaScript), [a-z-]+", label)] == []
    await page.close()


async def test_what_does_not_fit_says_so(url: str, driver: Driver) -> None:
    """An SDK speaks its own dialect only; the frontends ask the bridge; what is copied is what is shown.

    A preset's defect may be none of the dialect's: it would show a clean stream, without a word.
    """
    page = await driver.page(url)
    await page.until(READY)
    away = "return [...document.querySelectorAll('#presets button:disabled')].map((one) => one.textContent)"
    for dialect, presets in (("ollama", ["Wrong line ends", "JSON cut in two"]), ("gemini", [])):
        await page.set(dialect=dialect)
        assert await page.value(away) == presets
    await page.click("#tab-anthropic")
    assert "does not speak this dialect" in await page.text("#code-note")
    assert await page.value("return code.hidden && copy.hidden")
    for tab in ("eventsource", "react", "vue"):
        await page.click(f"#tab-{tab}")
        await page.until(
            "return document.querySelector('#code').textContent.includes('streamChat') || given", tab == "react"
        )
        assert "By the bridge at /chat/stream" in await page.text("#code-note")
    await page.click("#tab-curl")
    await page.click("#copy")
    await page.until("return document.querySelector('#copy').textContent !== 'Copy'")
    await page.close()
