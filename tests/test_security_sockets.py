"""Paths that are read in two ways, claims of strangers, text of others in our own lines: through a real ``serve``."""

from __future__ import annotations

import asyncio
import json
import re
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from .conftest import LIMIT_SECONDS
from .process import Process, serving
from .smuggling.case import ResponseCase
from .smuggling.upstream import Recorder, recording
from .wire import Answer, ask

#: Spellings of a reserved path that a server between here and there might take for it.
DISGUISES = (
    "/-/sse-proxy/../sse-proxy/readyz", "/%2d/sse-proxy/readyz", "/-%2fsse-proxy%2freadyz", "/-/sse-proxy%2freadyz",
    "//-/sse-proxy/readyz", "/-//sse-proxy//readyz", "/-/SSE-Proxy/readyz", "/x/../-/sse-proxy/readyz",
    "/x/%2e%2e/-/sse-proxy/readyz", "/-/./sse-proxy/readyz", "/-\\sse-proxy\\readyz", "/\\-/sse-proxy/readyz",
    "/%252d/sse-proxy/readyz", "/-%252fsse-proxy%252freadyz", "/-/sse-proxy", "/-/sse-proxy/", "/-/sse-proxy/%00",
    "/-/%73se-proxy/streams/x", "/-/sse%2Dproxy/probe", "/x/..%2f-/sse-proxy/readyz", "/-/sse-proxy/readyz/",
    "/-/sse-proxy/readyz%20", "/-/sse-proxy/streams/..%2f..%2fmetrics", "http://other/-/sse-proxy/nothing",
)  # fmt: skip
#: What looks like one and is the upstream's.
LOOKALIKES = ("/-/sse-proxyx", "/x/-/sse-proxy/readyz", "/-/streams", "/-/drain", "/metrics", "/healthz", "/readyz")


@asynccontextmanager
async def recorded(*flags: str) -> AsyncIterator[tuple[Process, Recorder]]:
    """The proxy in front of a recorder."""
    async with recording() as recorder, serving(recorder.port, "--readiness-upstream", "off", *flags) as proxy:
        yield proxy, recorder


async def test_reserved_paths_reach_the_upstream_in_no_spelling_and_admin_paths_are_on_the_admin_port() -> None:
    """A disguise is nobody's path; a lookalike is the upstream's; each port has only its own."""
    async with recorded() as (proxy, recorder):
        for target in DISGUISES:
            answer = await ask(proxy.port, target=target)
            # One decoding is what every server does, so that a probe may come out of it; nothing else does.
            is_ours = answer.status == 404 or answer.body == b'{"status": "ready"}'
            assert (target, recorder.seen, is_ours) == (target, [], True)
        for target in LOOKALIKES:
            await ask(proxy.port, target=target)
        assert [seen.target for seen in recorder.seen] == list(LOOKALIKES)
        for target in ("/-/sse-proxy/healthz", "/v1/models", "//metrics", "/metrics/", "/METRICS", "/%6detrics/x", "/"):
            assert (target, (await ask(proxy.admin_port, target=target)).status) == (target, 404)
        assert len(recorder.seen) == len(LOOKALIKES)


CLAIMS = [
    ("X-Forwarded-For", "192.0.2.9"), ("x_forwarded_for", "192.0.2.8"), ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "forged"), ("X-Forwarded-Port", "1"), ("Forwarded", "for=192.0.2.7"),
]  # fmt: skip


@pytest.mark.parametrize(
    "trusted",
    ["127.0.0.1", "127.0.0.0/8", "::ffff:127.0.0.1", "::ffff:127.0.0.0/104", "127.0.0.2", "::1", "10.0.0.0/8", ""],
)
async def test_claims_of_a_peer_are_believed_only_where_it_is_trusted(trusted: str) -> None:
    """By its address however that is written; another's claims are replaced by what we see."""
    flags = ("--trusted-proxies", trusted) if trusted else ()
    async with recorded(*flags) as (proxy, recorder):
        await ask(proxy.port, headers=[("Host", "real"), *CLAIMS])
        found = {name: value for name, value in recorder.fields[0] if "forwarded" in name}
    seen = {"x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "real"}
    told = {"x-forwarded-for": "192.0.2.9, 127.0.0.1", "x-forwarded-proto": "https", "x-forwarded-host": "forged"}
    is_trusted = trusted in {"127.0.0.1", "127.0.0.0/8", "::ffff:127.0.0.1", "::ffff:127.0.0.0/104"}
    believed = {**told, "x-forwarded-port": "1", "forwarded": "for=192.0.2.7"}
    assert found == (believed if is_trusted else seen)


#: Text that ends a line, begins a record or is obeyed by a terminal.
EVIL = '\x1b[31m\x9b2J\r\nx-injected: 1\r\n\r\n{"level": "critical"}\u2028'


#: With an id of the upstream's own, which goes into the log line.
_EVENT = ResponseCase(
    name="event",
    sent=b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Request-Id: own\x9b2J\r\n"
    b"Connection: close\r\n\r\ndata: {}\n\n",
    allowed=(200,),
    why="",
    source="",
    closes=True,
)


def _clean(answer: Answer) -> None:
    assert "x-injected" not in answer.headers
    assert b"\x1b" not in b"".join(value for _, value in answer.headers.raw)


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_nothing_of_a_request_begins_a_line_or_moves_a_terminal(log_format: str) -> None:
    """Ids, routes, models, paths and origins of others: in one log line, or none, as text."""
    flags = (
        "--log-format",
        log_format,
        "--log-level",
        "debug",
        "--cors-origins",
        "https://app.example",
        "--resume",
        "memory",
    )
    body = json.dumps({"model": EVIL, "stream": True, "messages": []}).encode()
    high = "a\x9b31mb\x85c\xadd"  # controls of the upper half, which a field may hold
    async with recorded(*flags) as (proxy, recorder):
        recorder.reset(_EVENT)
        await ask(proxy.port, target="/case", headers=[("Accept", "text/event-stream")])
        for target in ("/v1/chat/completions", "/%1b[31m%0d%0aforged", "/-/sse-proxy/streams/%0d%0aforged"):
            headers = [
                ("Content-Type", "application/json"), ("X-Request-Id", high), ("Origin", f"https://{high}"),
                ("Last-Event-ID", high), ("X-SSE-Resume", f"on; key={high}"), ("Idempotency-Key", high),
            ]  # fmt: skip
            answer = await ask(proxy.port, "POST", target, headers=headers, body=body)
            _clean(answer)
            assert high not in answer.headers.values()
        preflight = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "POST")]
        asked = ("Access-Control-Request-Headers", "a, b: c")
        answer = await ask(proxy.port, "OPTIONS", headers=[*preflight, asked])
        assert "access-control-allow-headers" not in answer.headers
        _, metrics = await proxy.admin("/metrics")
    log = proxy.log.decode()
    assert "own\\x9b2J" in log.replace("\\\\", "\\")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", log)
    assert "forged" not in re.sub(r"POST|GET", "", log)
    assert b"forged" not in metrics
    if log_format == "json":
        assert all(json.loads(line)["level"] != "critical" for line in log.splitlines())


async def test_more_connections_than_open_files_wait_and_are_served_later() -> None:
    """The limit of open files bounds them: those beyond it are not accepted, and nothing breaks or fills the log."""
    async with recorded() as (proxy, _recorder):
        resource.prlimit(proxy.pid, resource.RLIMIT_NOFILE, (64, 64))
        logged = len(proxy.log)
        idle = [await asyncio.open_connection("127.0.0.1", proxy.port) for _ in range(150)]
        async with asyncio.timeout(LIMIT_SECONDS):
            while proxy.descriptors() < 60:
                await asyncio.sleep(0.02)
        for _, writer in idle:
            writer.transport.abort()
        async with asyncio.timeout(LIMIT_SECONDS):
            while proxy.descriptors() > 40:
                await asyncio.sleep(0.02)
        assert (await ask(proxy.port)).status == 200
        assert len(proxy.log) - logged < 2000
