"""What is told of a finished stream: one outcome, metrics that add up, one log line without a secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from sse_proxy import logs
from sse_proxy.errors import Outcome

from .streaming import DONE, Handler, Running, Upstream, body, chunk, event, proxied, proxying, start, until
from .upstream_peers import silent_listener
from .wire import Call, calling, chat

_STOP = chunk("", finish="stop")
_USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}\n\n'


def _sends(*pieces: bytes, open_end: bool = False) -> Handler:
    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send)
        for piece in pieces:
            await body(send, piece)
        if open_end:
            await upstream.go.wait()
        await body(send, b"", more=False)

    return handler


async def _leaves(call: Call, _proxy: Running) -> None:
    await call.until(chunk("x"))
    call.leave()


async def _drains(call: Call, proxy: Running) -> None:
    await call.until(chunk("x"))
    proxy.lifecycle.cut_all()
    await call.rest()


async def _reads(call: Call, _proxy: Running) -> None:
    await call.rest()


async def _reads_nothing(_call: Call, proxy: Running) -> None:
    await proxy.outcome()


_CASES: dict[str, tuple[Handler, dict[str, Any], Callable[[Call, Running], Any]]] = {
    "completed": (_sends(chunk("x"), _STOP, DONE), {}, _reads),
    "client_disconnected": (_sends(chunk("x"), open_end=True), {}, _leaves),
    "upstream_error": (_sends(chunk("x"), b'data: {"error":{"message":"no"}}\n\n'), {}, _reads),
    "upstream_truncated": (_sends(chunk("x")), {}, _reads),
    "first_event_timeout": (_sends(open_end=True), {"first_event_timeout_seconds": 0.05}, _reads),
    "idle_timeout": (_sends(chunk("x"), open_end=True), {"idle_timeout_seconds": 0.05}, _reads),
    "total_timeout": (_sends(chunk("x"), open_end=True), {"total_timeout_seconds": 0.05}, _reads),
    "client_stalled": (
        _sends(*[chunk("x" * 65536)] * 200, open_end=True),
        {"client_stall_timeout_seconds": 0.2},
        _reads_nothing,
    ),
    "too_large": (_sends(chunk("x"), chunk("x" * 2000)), {"max_event_bytes": 1000}, _reads),
    "drained": (_sends(chunk("x"), open_end=True), {}, _drains),
}


@pytest.mark.parametrize("outcome", _CASES)
async def test_each_stream_has_one_outcome(outcome: str, caplog: pytest.LogCaptureFixture) -> None:
    """Counted once, timed once, and told in one line."""
    caplog.set_level(logging.INFO, logger="sse_proxy.streams")
    handler, settings, client = _CASES[outcome]
    async with proxied(handler, **settings) as proxy:
        async with chat(proxy.port, receive_buffer_bytes=4096 if outcome == "client_stalled" else 0) as call:
            await client(call, proxy)
        await proxy.idle()
        assert proxy.outcomes() == {outcome: 1}
        assert proxy.value(f'streams_total{{dialect="openai_chat",outcome="{outcome}"}}') == 1
        assert proxy.value(f'stream_duration_seconds_count{{outcome="{outcome}"}}') == 1
        assert proxy.value("streams_active") == 0
    [record] = [record for record in caplog.records if record.name == "sse_proxy.streams"]
    assert vars(record)["outcome"] == outcome
    assert (record.levelname == "INFO") == (outcome in {"completed", "client_disconnected"})


async def test_an_upstream_that_does_not_accept_has_its_own_outcome() -> None:
    """``connect_timeout``."""
    with silent_listener() as (_host, port):
        async with proxying(f"http://127.0.0.1:{port}", connect_timeout_seconds=0.05) as proxy:
            async with chat(proxy.port) as call:
                await call.rest()
            assert await proxy.outcome() == "connect_timeout"


async def test_a_stream_that_is_not_let_in_is_rejected() -> None:
    """``max_streams``."""
    async with proxied(_sends(chunk("x"), open_end=True), max_streams=1) as proxy, AsyncExitStack() as stack:
        first = await stack.enter_async_context(chat(proxy.port))
        await first.until(chunk("x"))
        async with chat(proxy.port) as call:
            await call.rest()
        assert proxy.outcomes() == {"rejected": 1}
        first.leave()


def test_every_outcome_is_reached_by_a_test() -> None:
    """But ``stopped``, which a client asks for where streams can be resumed."""
    assert {*_CASES, "connect_timeout", "rejected", "stopped"} == {outcome.value for outcome in Outcome}


async def test_a_drained_stream_ends_cleanly() -> None:
    """With the dialect's error and its terminator; a generic one too, for its client is to come back."""
    cases = (("/v1/chat/completions", chunk("x"), DONE), ("/sse", b"data: x\n\n", b"}}\n\n"))
    for path, first, last in cases:
        async with proxied(_sends(first, open_end=True)) as proxy:
            async with chat(proxy.port, path) as call:
                await call.until(first)
                proxy.lifecycle.cut_all()
                stream = await call.rest()
            assert b'"code":"drained"' in stream
            assert stream.endswith(last)
            assert call.complete
            await event(proxy.upstream.left)
            assert await proxy.outcome() == "drained"


async def test_a_drained_stream_that_has_not_begun_is_a_503() -> None:
    """The upstream had the request, so it is not for the client to send it again unasked."""
    async with proxied(_sends(open_end=True)) as proxy, chat(proxy.port) as call:
        await event(proxy.upstream.arrived)
        proxy.lifecycle.cut_all()
        answer = await call.answer()
        assert (answer.status, answer.error["code"], answer.headers["x-should-retry"]) == (503, "drained", "false")
        assert await proxy.outcome() == "drained"


async def test_a_drained_ordinary_answer_is_cut() -> None:
    """It has no way to tell."""

    async def handler(upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "text/plain")
        await body(send, b"some")
        await upstream.go.wait()

    async with proxied(handler) as proxy, calling(proxy.port) as call:
        await call.until(b"some")
        proxy.lifecycle.cut_all()
        assert (await call.rest(), call.complete) == (b"", False)
        await event(proxy.upstream.left)


async def test_the_numbers_of_a_stream_add_up() -> None:
    """Events, gaps, bytes both ways, tokens, repairs, the first event's time."""
    sent = [b"\xef\xbb\xbf" + chunk("Hel"), chunk("lo").replace(b"data: ", b"data:"), chunk("!"), _STOP, _USAGE, DONE]
    async with proxied(_sends(*sent)) as proxy:
        async with chat(proxy.port) as call:
            received = await call.rest()
        await proxy.idle()
        assert received == chunk("Hel") + chunk("lo") + chunk("!") + _STOP + _USAGE + DONE
        samples = proxy.samples()
    assert samples['events_total{dialect="openai_chat"}'] == 6
    assert samples["time_to_first_event_seconds_count"] == 1
    assert samples["inter_event_seconds_count"] == 5
    assert samples['stream_bytes_total{direction="in"}'] == sum(map(len, sent))
    assert samples['stream_bytes_total{direction="out"}'] == len(received)
    assert samples['tokens_total{type="input"}'] == 7
    assert samples['tokens_total{type="output"}'] == 3
    assert samples['repairs_total{kind="bom"}'] == 1
    assert samples['repairs_total{kind="missing_space"}'] == 1
    assert samples['requests_total{code="200",route="openai_chat"}'] == 1
    assert samples['stream_duration_seconds_count{outcome="completed"}'] == 1


async def test_an_ordinary_request_is_counted_as_a_request_only() -> None:
    """Its route is "other": no path is ever a label."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, "text/plain", 404)
        await body(send, b"no", more=False)

    async with proxied(handler) as proxy:
        for stream in (True, False):
            async with chat(proxy.port, "/secret/path", stream=stream) as call:
                await call.rest()
        await proxy.idle()
        assert proxy.value('requests_total{code="404",route="other"}') == 2
        assert proxy.outcomes() == {}
        assert not [name for name in proxy.samples() if "secret" in name]


_FIELDS = {
    "request_id", "route", "dialect", "status", "outcome", "ttft_seconds", "duration_seconds", "events", "bytes_in",
    "bytes_out", "last_event_age_seconds", "last_write_age_seconds",
}  # fmt: skip


async def test_the_log_line_has_the_facts_and_nothing_secret(caplog: pytest.LogCaptureFixture) -> None:
    """INTERFACE "log_format": never bodies, queries or secrets."""
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": "Bearer hidden-key", "Cookie": "hidden=cookie", "X-Request-Id": "of-the-client"}
    async with proxied(_sends(chunk("hidden answer"), _STOP, DONE)) as proxy:
        path = "/v1/chat/completions?hidden=query"
        async with chat(proxy.port, path, headers=headers, messages=["hidden prompt"]) as call:
            received = await call.rest()
        await proxy.idle()
    [record] = [record for record in caplog.records if record.name == "sse_proxy.streams"]
    facts = {name: value for name, value in vars(record).items() if name in _FIELDS}
    assert facts.keys() == _FIELDS
    assert (facts["request_id"], facts["route"], facts["dialect"]) == ("of-the-client", "openai_chat", "openai_chat")
    assert (facts["status"], facts["outcome"], facts["events"]) == (200, "completed", 3)
    assert facts["bytes_out"] == len(received)
    assert facts["duration_seconds"] >= facts["ttft_seconds"] > 0
    assert facts["last_event_age_seconds"] >= 0
    told = "".join(str(vars(record)) for record in caplog.records if record.name.startswith("sse_proxy"))
    assert "hidden" not in told


async def test_the_log_line_has_the_request_id_that_the_client_was_given(caplog: pytest.LogCaptureFixture) -> None:
    """The upstream's own is the stronger one."""

    async def handler(_upstream: Upstream, _scope: Scope, _receive: Receive, send: Send) -> None:
        await start(send, x_request_id="of-the-upstream")
        await body(send, _STOP + DONE, more=False)

    caplog.set_level(logging.INFO, logger="sse_proxy.streams")
    async with proxied(handler) as proxy, chat(proxy.port, headers={"X-Request-Id": "of-the-client"}) as call:
        await call.rest()
        await proxy.idle()
    assert call.headers["x-request-id"] == "of-the-upstream"
    assert [vars(record)["request_id"] for record in caplog.records] == ["of-the-upstream"]


async def test_an_open_stream_can_be_described() -> None:
    """For ``/-/streams``: facts that are ready for JSON, none of them a path or a secret."""
    async with proxied(_sends(chunk("x"), open_end=True)) as proxy:
        async with chat(proxy.port, "/v1/chat/completions?key=hidden") as call:
            await call.until(chunk("x"))
            [stream] = proxy.lifecycle.streams
            facts = stream.describe()
            assert json.loads(json.dumps(facts)) == facts
            assert (facts["dialect"], facts["status"], facts["events"]) == ("openai_chat", 200, 1)
            assert "hidden" not in str(facts)
            call.leave()
        await until(lambda: not proxy.lifecycle.streams)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_the_formats_of_the_log(log_format: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """One JSON object a line, or text for people; both with the facts of the record."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure("info", log_format)
        logging.getLogger("sse_proxy.test").info("stream finished", extra={"outcome": "completed"})
        logging.getLogger("sse_proxy.test").debug("too fine")
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    if log_format == "json":
        facts = json.loads(line)
        assert (facts["event"], facts["outcome"], facts["level"]) == ("stream finished", "completed", "info")
        assert facts["timestamp"].endswith("Z")
    else:
        assert "outcome=completed" in line
