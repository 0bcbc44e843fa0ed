"""Replicas behind each hop that asks whether they are ready, and what the LLM server learns of the client."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from .conftest import LIMIT_SECONDS
from .hops_checks import asking
from .hops_clients import fetch
from .hops_programs import Change
from .hops_running import hop_running
from .hops_table import HOPS
from .streaming import DONE, Upstream, body, chunk, event, proxied, start

#: Checks come ten times as often, so that a test need not wait for them.
QUICK_CHECKS: dict[str, Change] = {
    "envoy": {"envoy.yaml": {"interval: 5s": "interval: 0.5s"}},
    "haproxy": {"haproxy.cfg": {"check inter 5s": "check inter 500ms"}},
    "caddy": {"Caddyfile": {"health_interval 5s": "health_interval 500ms"}},
    "traefik": {"sse-proxy.yml": {"interval: 5s, timeout: 2s": "interval: 500ms, timeout: 400ms"}},
}


async def held(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """A stream that waits in its middle for the test, if it is named so."""
    await start(send)
    await body(send, chunk("token"))
    if dict(scope["headers"]).get(b"x-name") == b"held":
        await event(upstream.go)
    await body(send, chunk("", finish="stop") + DONE, more=False)


@pytest.mark.parametrize("name", QUICK_CHECKS)
async def test_a_draining_replica_gets_no_new_streams_and_keeps_its_old_ones(name: str, tmp_path: Path) -> None:
    """The check of ``/-/sse-proxy/readyz`` in the shipped file; no request fails meanwhile."""
    async with (
        proxied(held) as leaving,
        proxied(held) as staying,
        hop_running(HOPS[name], tmp_path, leaving.port, staying.port, change=QUICK_CHECKS[name]) as hop,
    ):
        both = (leaving, staying)
        async with asking(hop, "h2", X_Name="held") as call:
            await call.until(b"\n\n")
            busy, other = both if leaving.upstream.requests else both[::-1]
            busy.lifecycle.drain()
            without = 0
            async with asyncio.timeout(LIMIT_SECONDS):
                while without < 6:  # by taking turns it would have come to the other one by now
                    before = len(busy.upstream.requests)
                    async with asking(hop, "h2", X_Name="quick") as quick:
                        assert (await quick.answer()).body.endswith(DONE)
                    without = without + 1 if len(busy.upstream.requests) == before else 0
                    await asyncio.sleep(0.05)
            busy.upstream.go.set()
            assert (await call.rest()).endswith(DONE)
            assert call.complete
        assert len(other.upstream.requests) >= 6


async def echo(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """Tell what came, as plain JSON."""
    fields = {name.decode(): value.decode() for name, value in scope["headers"]}
    await start(send, "application/json")
    await body(send, json.dumps(fields).encode(), more=False)


@pytest.mark.parametrize("name", HOPS)
async def test_what_clients_send_along_arrives(name: str, tmp_path: Path) -> None:
    """Last-Event-ID, credentials, traces and Origin pass; the client's address and scheme are told by the hop."""
    sent = {
        "last-event-id": "7",
        "authorization": "Bearer t",
        "traceparent": "00-1-2-01",
        "origin": "https://a.example",
        "idempotency-key": "k",
    }
    async with (
        proxied(echo, trusted_proxies=("127.0.0.1",)) as proxy,
        hop_running(HOPS[name], tmp_path, proxy.port) as hop,
    ):
        fields = (await fetch(hop.port, hop.trust, "/v1/models?q=%2F", headers=sent)).json
        assert b"q=%2F" == proxy.upstream.requests[-1]["query_string"]
    assert sent == {name: fields[name] for name in sent}
    client, _, hop_address = fields["x-forwarded-for"].rpartition(", ")  # Envoy names itself for a loopback client
    assert ("127.0.0.1", "https") == (hop_address, fields["x-forwarded-proto"])
    assert client
