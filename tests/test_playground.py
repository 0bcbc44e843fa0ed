"""`playground` in the whole proxy, over real sockets: its files, who may ask for more, and what it tells."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

import sse_proxy

from .streaming import DONE, Proxy, Upstream, body, chunk, proxied, proxying, start
from .wire import ask, chat

HOME = "/-/sse-proxy/"
BELOW = f"{HOME}playground/"
NOBODY = "http://127.0.0.1:1"
STATIC = Path(sse_proxy.__file__).parent / "playground" / "static"
FILES = sorted(path.name for path in STATIC.iterdir() if path.name != "page.html")
SECRETS = ("about", "figures", "lane/upstream/none/v1/models", "lane/proxy/all/v1/models")


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy with the playground on, and nothing behind it."""
    async with proxying(NOBODY, playground=True) as running:
        yield running


async def answers(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
    """A stream whose lines end as they should not: one repair an event."""
    await start(send)
    await body(send, (chunk("Hello") + chunk("", finish="stop") + DONE).replace(b"\n\n", b"\n"), more=False)


async def test_the_page_is_where_a_person_looks_first(proxy: Proxy) -> None:
    """At the reserved prefix itself, as HTML that nobody may frame and that runs nothing but its own files."""
    answer = await ask(proxy.port, target=HOME)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.body == (STATIC / "page.html").read_bytes()
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert proxy.value('requests_total{code="200",route="playground"}') == 1


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    """Else its own policy would break it, or the network would have to be there."""
    page = (STATIC / "page.html").read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", page) == []
    files = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sorted(files) == sorted(
        ["data:,", *(f"playground/{name}" for name in ("page.css", "parts.css", "shows.css", "main.js"))]
    )
    code = {path.name: path.read_text() for path in STATIC.glob("*.js")}
    examples = {"fetchStream.js", "eventSource.js", "useStreamingChat.vue.js"}
    imported = {name for text in code.values() for name in re.findall(r'(?m)^import .* from "\./(.+)";$', text)}
    assert imported | {"main.js"} | examples == set(code)
    assert [
        name for name, text in code.items() if re.search(r"innerHTML|insertAdjacentHTML|document\.write", text)
    ] == []


@pytest.mark.parametrize("name", FILES)
async def test_each_file_is_served_as_it_is(proxy: Proxy, name: str) -> None:
    """With its type, and a tag by which a browser need not load it again."""
    answer = await ask(proxy.port, target=BELOW + name)
    kind = {"css": "text/css", "js": "text/javascript", "tsx": "text/plain"}[name.rpartition(".")[2]]
    assert (answer.status, answer.headers["content-type"]) == (200, f"{kind}; charset=utf-8")
    assert answer.body == (STATIC / name).read_bytes()
    assert answer.headers["cache-control"] == "no-cache"


async def test_a_browser_that_has_a_file_is_told_so(proxy: Proxy) -> None:
    """RFC 9110 § 13.1.2: 304 for the same tag, weak or in a list, or for any; the file for another one."""
    tag = (await ask(proxy.port, target=HOME)).headers["etag"]
    for told, status in ((tag, 304), (f'"x", W/{tag}', 304), ("*", 304), ('"x"', 200)):
        answer = await ask(proxy.port, target=HOME, headers={"If-None-Match": told})
        assert (answer.status, answer.headers["etag"], bool(answer.body)) == (status, tag, status == 200)
    assert answer.headers["content-security-policy"]


async def test_head_tells_what_get_would(proxy: Proxy) -> None:
    """RFC 9110 § 9.3.2."""
    for target in (HOME, f"{BELOW}about"):
        whole, head = await ask(proxy.port, target=target), await ask(proxy.port, "HEAD", target)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(whole.body))


@pytest.mark.parametrize(
    "method, target, allow",
    [("POST", HOME, "GET, HEAD"), ("PUT", f"{BELOW}main.js", "GET, HEAD"), ("DELETE", f"{BELOW}about", "GET, HEAD"),
     ("PUT", f"{BELOW}lane/upstream/none/v1/models", "GET, POST"), ("HEAD", f"{BELOW}lane/proxy/all/x", "GET, POST")],
)  # fmt: skip
async def test_other_methods_are_refused(proxy: Proxy, method: str, target: str, allow: str) -> None:
    """RFC 9110 § 15.5.6: with those that are taken."""
    answer = await ask(proxy.port, method, target)
    assert (answer.status, answer.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("name", ["nothing.js", "page.html", "../main.js", "static/main.js", "about/x", "lane", ""])
async def test_other_names_are_not_found(proxy: Proxy, name: str) -> None:
    """Nothing of the file system is there but the files of the page."""
    assert (await ask(proxy.port, target=BELOW + name)).status == 404


@pytest.mark.parametrize("target", [HOME, f"{BELOW}main.js", *(BELOW + name for name in SECRETS)])
async def test_it_is_off_unless_it_is_asked_for(target: str) -> None:
    """As every name of ours that there is not: 404, and the upstream never hears of it."""
    async with proxying(NOBODY) as off:
        assert (await ask(off.port, target=target)).status == 404


async def test_a_token_guards_everything_but_the_files(tmp_path: Path) -> None:
    """The page has the field for the token, so it comes without; and the token stays here."""
    tokens = tmp_path / "tokens"
    tokens.write_text("secret-token\n")
    async with proxied(answers, playground=True, auth_tokens_file=tokens) as locked:
        for target in (HOME, *(BELOW + name for name in FILES)):
            assert (await ask(locked.port, target=target)).status == 200
        for name in SECRETS:
            for headers in ({}, {"Authorization": "Bearer wrong"}):
                assert (await ask(locked.port, target=BELOW + name, headers=headers)).status == 401
        assert locked.upstream.requests == []
        for name in SECRETS:
            headers = {"Authorization": "Bearer secret-token"}
            assert (await ask(locked.port, target=BELOW + name, headers=headers)).status == 200
        assert (await ask(locked.port, "POST", HOME)).status == 405
        assert [fields for fields in map(_headers, locked.upstream.requests) if "authorization" in fields] == []


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in scope["headers"]}


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}])
async def test_pages_of_other_sites_get_no_more_than_the_files(proxy: Proxy, headers: dict[str, str]) -> None:
    """As at a bridge: what such a page makes a browser send starts nothing."""
    for name in SECRETS:
        assert (await ask(proxy.port, target=BELOW + name, headers=headers)).status == 403
    assert (await ask(proxy.port, target=HOME, headers=headers)).status == 200


async def test_about_tells_what_the_page_has_to_know() -> None:
    """And nothing of the upstream."""
    settings: dict[str, Any] = {"bridge": ("/chat/stream=/v1/chat/completions",), "bridge_model": "m"}
    async with proxying("http://127.0.0.1:9", playground=True, resume="memory", **settings) as running:
        told = await ask(running.port, target=f"{BELOW}about")
    assert (told.json["menu"], told.json["resume"], told.json["tokens"]) == (None, True, False)
    assert (told.json["heartbeat_seconds"], told.json["bridges"]) == (15.0, ["/chat/stream"])
    assert b"127.0.0.1" not in told.body
    assert told.headers["cache-control"] == "no-store"


async def test_figures_tell_of_the_process_and_of_the_pages_own_stream() -> None:
    """By the name that the page has given its request; others' are not told."""
    async with proxied(answers, playground=True) as running:
        for name in ("playground-1", "mine"):
            async with chat(running.port, headers={"X-Request-Id": name}) as call:
                assert b"Hello" in await call.rest()
        await running.idle()
        told = (await ask(running.port, target=f"{BELOW}figures?id=playground-1")).json
        assert told["totals"]["outcomes"] == {"completed": 2}
        assert told["ended"]["outcome"] == "completed"
        assert told["ended"]["repairs"]["single_newline"] >= 2
        assert told["open"] is None
        assert (await ask(running.port, target=f"{BELOW}figures?id=mine")).json["ended"] is None
        assert (await ask(running.port, target=f"{BELOW}figures")).json["ended"] is None


async def test_figures_tell_of_a_stream_while_it_runs() -> None:
    """With the repairs so far, which are among the totals too."""

    async def holds(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, (chunk("a") + chunk("b") + chunk("c")).replace(b"\n\n", b"\n"))
        await upstream.go.wait()

    name = "playground-2"
    async with proxied(holds, playground=True) as running, chat(running.port, headers={"X-Request-Id": name}) as call:
        await call.until(b"\n\n")
        told = (await ask(running.port, target=f"{BELOW}figures?id={name}")).json
        assert (told["open"]["dialect"], told["open"]["repairs"]) == ("openai_chat", {"single_newline": 2})
        assert (told["totals"]["events"], told["totals"]["repairs"]) == (2, {"single_newline": 2})
        assert told["ended"] is None
        running.upstream.go.set()


async def test_figures_tell_nothing_of_a_stream_that_is_not_the_pages() -> None:
    """Though it is open, and whoever asks knows its id."""

    async def holds(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("a"))
        await upstream.go.wait()

    async with proxied(holds, playground=True) as running, chat(running.port, headers={"X-Request-Id": "mine"}) as call:
        await call.until(b"\n\n")
        told = (await ask(running.port, target=f"{BELOW}figures?id=mine")).json
        assert (told["totals"]["active"], told["open"], told["ended"]) == (1, None, None)
        running.upstream.go.set()
