"""`probe` in the whole proxy, over real sockets: who gets it, what it tells, and its bounds."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from sse_proxy.core.framers.event_stream import Framer
from sse_proxy.errors import ClientLeft
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.probe import MAX_PER_CLIENT, MAX_PROBES, Probe
from sse_proxy.settings import Settings

from .streaming import Proxy, event, proxying, until
from .wire import Answer, Call, ask, calling

PATH = "/-/sse-proxy/probe"
NOBODY = "http://127.0.0.1:1"  # a probe never asks the upstream
QUICK = "events=3&interval=0.01"


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy with the probe on, and nothing behind it."""
    async with proxying(NOBODY, probe=True) as running:
        yield running


def read(answer: Answer) -> list[tuple[str, str | None, Any]]:
    """Type, id and document of each event."""
    events = Framer(max_event_bytes=1 << 20).feed(answer.body)
    return [(e.event.decode(), None if e.id is None else e.id.decode(), json.loads(e.data)) for e in events]


async def test_a_probe_says_of_each_event_when_it_was_written(proxy: Proxy) -> None:
    """In the order of writing, a write never before its time, and the end at last."""
    answer = await ask(proxy.port, target=f"{PATH}?{QUICK}")
    events = read(answer)
    assert [(kind, number) for kind, number, _ in events] == [
        ("start", None),
        ("tick", None),
        ("tick", None),
        ("tick", None),
        ("end", None),
    ]
    offsets = [document["offset"] for _, _, document in events]
    assert offsets == sorted(offsets)
    assert all(offset >= turn * 0.01 for turn, offset in enumerate(offsets[1:4], start=1))
    walls = [document["wall"] for _, _, document in events]
    assert events[0][2]["arrived"] <= walls[0] <= walls[-1]
    assert answer.complete


async def test_a_probe_has_the_headers_of_every_stream_of_ours(proxy: Proxy) -> None:
    """Else hops would treat it in another way; and it tells what they were, so that changes are seen."""
    answer = await ask(proxy.port, target=f"{PATH}?{QUICK}")
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache, no-transform"
    assert answer.headers["x-accel-buffering"] == "no"
    told = read(answer)[0][2]["answered"]
    assert [pair for pair in told if answer.headers[pair[0]] != pair[1]] == []
    assert len(told) == 3


async def test_a_probe_tells_how_the_request_arrived(proxy: Proxy) -> None:
    """What hops have made of it, and nothing secret."""
    headers = {"Via": "1.1 hop", "Authorization": "Bearer secret", "Cookie": "secret", "Accept-Encoding": "gzip"}
    answer = await ask(proxy.port, target=f"{PATH}?{QUICK}", headers=headers)
    start = read(answer)[0][2]
    assert (start["probe"], start["method"], start["http_version"]) == (1, "GET", "1.1")
    assert {"via": "1.1 hop", "accept-encoding": "gzip"}.items() <= dict(start["headers"]).items()
    assert b"secret" not in answer.body
    assert start["heartbeat_seconds"] == 15


async def test_padding_bursts_ids_and_silence_are_as_asked(proxy: Proxy) -> None:
    """Each of the knobs."""
    answer = await ask(
        proxy.port, target=f"{PATH}?events=4&interval=0.02&burst=2&padding=100&ids=1&idle=0.1&heartbeat=0.04"
    )
    events = read(answer)
    assert [number for _, number, _ in events] == ["0", "1", "2", "3", "4", "5"]
    assert [len(document.get("padding", "")) for _, _, document in events] == [0, 100, 100, 100, 100, 0]
    assert answer.body.count(b": ping\n\n") == 2
    assert events[-1][2]["offset"] - events[-2][2]["offset"] >= 0.1


@pytest.mark.parametrize(
    "last, numbers", [("2", ["3", "4"]), ("0", ["1", "2", "3", "4"]), ("x", ["0", "1", "2", "3", "4"])]
)
async def test_a_reader_that_comes_back_gets_what_it_lacks(proxy: Proxy, last: str, numbers: list[str]) -> None:
    """By Last-Event-ID, so that the doctor sees whether hops let it through."""
    answer = await ask(proxy.port, target=f"{PATH}?{QUICK}&ids=1", headers={"Last-Event-ID": last})
    assert [number for _, number, _ in read(answer) if number is not None] == numbers


async def test_a_reader_that_has_everything_gets_204(proxy: Proxy) -> None:
    """Which is what stops an EventSource."""
    answer = await ask(proxy.port, target=f"{PATH}?{QUICK}&ids=1", headers={"Last-Event-ID": "4"})
    assert (answer.status, answer.body) == (204, b"")


async def test_requests_of_one_nonce_are_counted(proxy: Proxy) -> None:
    """So that a hop is found that sends a POST again when the connection dies of it."""
    for turn in (1, 2):
        async with calling(proxy.port, "POST", f"{PATH}?nonce=n1&drop=1", body=b"{}") as call:
            assert (await call.rest(), call.complete) == (b"", False)
        counted = await ask(proxy.port, target=f"{PATH}?count=n1")
        assert counted.json == {"nonce": "n1", "requests": turn}
    answer = await ask(proxy.port, "POST", f"{PATH}?{QUICK}&nonce=n1", body=b"{}")
    assert read(answer)[0][2]["requests"] == 3
    assert (await ask(proxy.port, target=f"{PATH}?count=other")).json["requests"] == 0


async def test_no_more_nonces_are_remembered_than_a_process_can_keep(proxy: Proxy) -> None:
    """The oldest are forgotten."""
    probe = Probe(Settings(), lifecycle=Lifecycle())

    async def count(query: str, sent: list[Message]) -> None:
        async def receive() -> Message:
            return {"type": "http.request"}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": PATH, "query_string": query.encode(), "headers": []}
        with contextlib.suppress(ClientLeft):  # which is what a broken connection is told as
            await probe(scope, receive, send)

    for number in range(300):
        await count(f"nonce=n{number}&drop=1", [])
    sent: list[Message] = []
    await count("count=n0", sent)
    await count("count=n299", sent)
    assert [json.loads(m["body"])["requests"] for m in sent if m["type"] == "http.response.body"] == [0, 1]


@pytest.mark.parametrize(
    "method, target, status",
    [
        ("GET", f"{PATH}?events=0", 400),
        ("GET", f"{PATH}/x", 404),
        ("PUT", PATH, 405),
        ("HEAD", PATH, 405),
    ],
)
async def test_anything_else_is_refused(proxy: Proxy, method: str, target: str, status: int) -> None:
    """With the status that says why."""
    assert (await ask(proxy.port, method, target)).status == status


async def test_a_body_that_is_too_large_is_refused(proxy: Proxy) -> None:
    """Nothing is done with it, so there is no use in more."""
    assert (await ask(proxy.port, "POST", f"{PATH}?{QUICK}", body=b"x" * 70_000)).status == 413


async def test_without_the_setting_there_is_no_probe() -> None:
    """Off in serve."""
    async with proxying(NOBODY) as running:
        assert (await ask(running.port, target=PATH)).status == 404


async def test_a_probe_needs_a_token_where_the_upstream_does(tmp_path: Path) -> None:
    """It costs a connection, and tells how the proxy is reached."""
    tokens = tmp_path / "tokens"
    tokens.write_text("good\n")
    async with proxying(NOBODY, probe=True, auth_tokens_file=str(tokens)) as running:
        target = f"{PATH}?{QUICK}"
        assert (await ask(running.port, target=target)).status == 401
        assert (await ask(running.port, target=target, headers={"Authorization": "Bearer good"})).status == 200


async def test_a_probe_is_no_stream_in_the_metrics(proxy: Proxy) -> None:
    """It is a request on a route of its own, since its silences and cuts are made on purpose."""
    await ask(proxy.port, target=f"{PATH}?{QUICK}")
    assert proxy.outcomes() == {}
    assert proxy.value('requests_total{code="200",route="probe"}') == 1


async def test_a_connection_broken_on_purpose_is_no_failure_of_ours(proxy: Proxy) -> None:
    """The doctor's ``--break-post`` counts as a client that left, not as a 500 that somebody is woken up by."""
    async with calling(proxy.port, "POST", f"{PATH}?nonce=n1&drop=1", body=b"{}") as call:
        assert (await call.rest(), call.complete) == (b"", False)

    def counted() -> dict[str, float]:
        return {name: value for name, value in proxy.samples().items() if name.startswith("requests_total")}

    await until(lambda: bool(counted()))
    assert counted() == {'requests_total{code="499",route="probe"}': 1}


async def test_probes_of_one_client_are_bounded_in_number(proxy: Proxy) -> None:
    """503 above, and a place is free as soon as a client has left, in the middle of a silence too."""
    target = f"{PATH}?events=1&interval=0.01&idle=600"
    async with AsyncExitStack() as stack:
        calls = [await stack.enter_async_context(calling(proxy.port, target=target)) for _ in range(MAX_PER_CLIENT)]
        for call in calls:
            await call.until(b"event: tick")
        refused = await ask(proxy.port, target=target)
        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        calls[0].leave()

        async def admitted() -> bool:
            return (await ask(proxy.port, target=f"{PATH}?{QUICK}")).status == 200

        async with asyncio.timeout(20):
            while not await admitted():
                await asyncio.sleep(0.01)
        for call in calls[1:]:
            call.leave()
        await until(lambda: proxy.value('requests_total{code="200",route="probe"}') == MAX_PER_CLIENT + 1)


async def test_probes_of_all_clients_are_bounded_in_number() -> None:
    """Whoever they are."""
    addresses = [f"192.0.2.{number}" for number in range(MAX_PROBES // MAX_PER_CLIENT + 1)]
    async with proxying(NOBODY, probe=True, trusted_proxies=("127.0.0.1",)) as running, AsyncExitStack() as stack:
        calls: list[Call] = []
        for number in range(MAX_PROBES):
            headers = {"X-Forwarded-For": addresses[number // MAX_PER_CLIENT]}
            wanted = calling(running.port, target=f"{PATH}?events=1&interval=0.01&idle=600", headers=headers)
            calls.append(await stack.enter_async_context(wanted))
            await calls[-1].until(b"event: tick")
        headers = {"X-Forwarded-For": addresses[-1]}
        assert (await ask(running.port, target=f"{PATH}?{QUICK}", headers=headers)).status == 503
        for call in calls:
            call.leave()
        await until(lambda: running.value('requests_total{code="200",route="probe"}') == MAX_PROBES)


@pytest.mark.parametrize(
    "first, rest",
    [
        ("tick", "idle=600"),
        ("tick", "idle=600&heartbeat=600"),
        ("start", "events=20&interval=60"),
    ],
)
async def test_a_drain_ends_a_probe(proxy: Proxy, first: str, rest: str) -> None:
    """In whatever it is doing; it says so, so that the doctor does not take it for a cut."""
    async with calling(proxy.port, target=f"{PATH}?interval=0.01&events=1&{rest}") as call:
        await call.until(b"event: " + first.encode())
        proxy.lifecycle.refuse()
        body = await call.rest()
    assert b'"drained":true' in body
    assert call.complete


async def test_a_client_that_reads_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe is bounded in time whatever its client does."""
    monkeypatch.setattr("sse_proxy.probe.run._GRACE_SECONDS", 0.0)
    aborted = asyncio.Event()
    probe = Probe(Settings(), lifecycle=Lifecycle())
    messages = [{"type": "http.request"}]

    async def receive() -> Message:
        return messages.pop() if messages else await asyncio.Future[Message]()

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Future[None]()

    scope = {
        "type": "http", "method": "GET", "path": PATH, "query_string": QUICK.encode(), "headers": [],
        "http_version": "1.1", "extensions": {"sse_proxy.abort": aborted.set},
    }  # fmt: skip
    await probe(scope, receive, send)
    await event(aborted)


async def test_a_client_that_leaves_before_its_body_ends_has_no_probe(proxy: Proxy) -> None:
    """Nobody is left to read it."""
    async with calling(proxy.port, "POST", f"{PATH}?{QUICK}", headers={"Content-Length": "9"}, body=None) as call:
        await call.write(b"half")
        call.leave()
    await until(lambda: proxy.value('requests_total{code="499",route="probe"}') == 1)
