"""A secret in every place, every endpoint and command, failures too: none comes out where it should not.

What may be where: an answer reaches its client and who reads with `tail`; an upstream's refusal reaches the client too.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from .otlp_collector import Collector, collecting
from .process import Process, serving
from .redis_server import RedisServer, redis_server
from .secret_places import SECRETS, FailingUpstream, Outcome, failing_upstream, forms, run_commands
from .streaming import GENEROUS_SECONDS

KINDS = ("ok", "truncated", "malformed", "coded", "garbage", "refuse", "close", "hang")
#: Where a secret may be seen.
HOMES = {
    "answer": ("client ", "tail "),
    "garbage": ("client malformed", "client resumed"),
    "refusal": ("client refuse",),
    "upstream_field": ("client ", "tail ", "doctor"),
    "upstream_cookie": ("client ",),
}
BODY = {"model": "m", "stream": True, "messages": [{"role": "system", "content": SECRETS["system"]}]}
BODY["prompt"] = SECRETS["prompt"]


@dataclass
class Stage:
    """What runs, and what has come out."""

    proxy: Process
    upstream: FailingUpstream
    redis: RedisServer
    collector: Collector
    outcome: Outcome
    directory: Path

    async def ask(self, place: str, *fields: str, kind: str = "ok", sender: str = "token", **line: str) -> bytes:
        """A chat request with secrets in query, fields and body; the whole answer."""
        method, path = line.get("method", "POST"), line.get("path", "/v1/chat/completions")
        body = b"" if method != "POST" else json.dumps(BODY).encode() + b" " * int(line.get("padding", "0"))
        own = [f"Authorization: Bearer {SECRETS[sender]}"] if sender else []
        head = [
            f"{method} {path}?kind={kind}&q={SECRETS['query']} HTTP/1.1",
            *("Host: test", "Connection: close", "Content-Type: application/json", f"Content-Length: {len(body)}"),
            *(f"Cookie: session={SECRETS['cookie']}", f"X-Own: {SECRETS['field']}", *own, *fields),
        ]
        reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.port)
        writer.write("\r\n".join([*head, "", ""]).encode() + body)
        async with asyncio.timeout(4 * GENEROUS_SECONDS):  # one waits for all others
            answer = await reader.read()
        writer.close()
        self.outcome.add(f"client {place}", answer)
        return answer

    async def look(self, place: str, *, sender: str = "admin_token") -> None:
        """Ask the admin port for all that it tells."""
        for path in ("/metrics", "/healthz", "/readyz", "/-/streams", f"/nothing?q={SECRETS['query']}"):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.proxy.admin_port)
            fields = f"Host: a\r\nConnection: close\r\nAuthorization: Bearer {SECRETS[sender]}\r\n\r\n"
            writer.write(f"GET {path} HTTP/1.1\r\n{fields}".encode())
            async with asyncio.timeout(GENEROUS_SECONDS):
                self.outcome.add(f"admin {place} {path[:10]}", await reader.read())
            writer.close()


def planted(directory: Path) -> list[str]:
    """Files with secrets, and the flags that name them."""
    files = {
        "auth-tokens": SECRETS["token"],
        "admin-token": SECRETS["admin_token"],
        "upstream-headers": f"X-Upstream-Key: {SECRETS['upstream_key']}",
        "bad-tokens": f"{SECRETS['file_line']} is two words",
        "bad-headers": f"{SECRETS['file_line']} has no colon",
    }
    for name, text in files.items():
        (directory / name).write_text(f"{text}\n")
    return [
        *("--auth-tokens-file", str(directory / "auth-tokens"), "--admin-token-file", str(directory / "admin-token")),
        *("--upstream-headers-file", str(directory / "upstream-headers"), "--readiness-upstream", "off"),
        *("--first-event-timeout-seconds", "1", "--max-request-bytes", "50000", "--tracing", "--probe"),
        *("--drain-delay-seconds", "0", "--drain-seconds", "1"),
    ]


async def fail_everywhere(stage: Stage) -> None:
    """Requests that work and requests that do not."""
    await asyncio.gather(*(stage.ask(kind, kind=kind) for kind in KINDS))
    await stage.ask("without token", sender="")
    await stage.ask("wrong token", sender="wrong_token")
    await stage.ask("too large", padding="60000")
    await stage.ask("bad host", f"Host: {SECRETS['field']}@x")
    await stage.ask("bad framing", f"Transfer-Encoding: {SECRETS['field']}")
    await stage.ask("websocket", "Upgrade: websocket", "Connection: Upgrade", method="GET")
    await stage.ask("reserved", method="GET", path=f"/-/sse-proxy/{SECRETS['field']}")
    await stage.ask("not json", method="PUT")


async def resume(stage: Stage) -> None:
    """A stream that is kept in Redis: read by its owner, not by another, and not any more once Redis is gone."""
    wish = f"X-SSE-Resume: on; key={SECRETS['chat_key']}", f"Idempotency-Key: {SECRETS['idempotency']}"
    answer = await stage.ask("resumed", *wish)
    kept = re.search(rb"(?i)location: (/-/sse-proxy/streams/\S+)", answer)
    assert kept is not None, answer
    path = kept[1].decode()
    assert SECRETS["answer"] in (await stage.ask("resumed again", method="GET", path=path)).decode()
    await stage.ask("of another", method="GET", path=path, sender="wrong_token")
    await stage.ask("no such", method="GET", path="/-/sse-proxy/streams/" + "0" * 32)
    stage.redis.kill()
    await stage.ask("without store", *wish)


async def command_everything(stage: Stage, flags: Sequence[str]) -> None:
    """Every command that tells something, also of what is wrong."""
    url = f"http://127.0.0.1:{stage.proxy.port}/v1/chat/completions"
    dead = "http://127.0.0.1:9/v1/chat/completions"
    secret = f"?q={SECRETS['query']}"
    asked = "-H", f"Authorization: Bearer {SECRETS['token']}", "-d", json.dumps(BODY)
    admin = f"http://127.0.0.1:{stage.proxy.admin_port}"
    tokens = "--token-file", str(stage.directory / "admin-token")
    store = f"redis://:{SECRETS['redis_password']}@127.0.0.1:x"
    environment = {**os.environ, "SSE_PROXY_RESUME": f"redis://:{SECRETS['redis_password']}@127.0.0.1:1/0"}
    of_settings = [*flags, "--upstream", f"http://127.0.0.1:{stage.upstream.port}"]
    rows: list[tuple[str, int, tuple[str, ...]]] = [
        ("config", 0, ("config", *of_settings)),
        ("config audit", 1, ("config", "--audit", "--trusted-proxies", "*", *of_settings)),
        ("config wrong", 2, ("config", "--resume", store, "--upstream", f"http://u:{SECRETS['upstream_key']}@h")),
        ("config query", 2, ("config", "--upstream", f"http://h/?api_key={SECRETS['upstream_key']}")),
        ("healthcheck", 0, ("healthcheck", "--admin-port", str(stage.proxy.admin_port))),
        ("top", 0, ("top", "--once", "--admin", admin, *tokens)),
        ("top json", 0, ("top", "--once", "--json", "--admin", admin, *tokens)),
        ("top wrong", 1, ("top", "--once", "--admin", admin, "--token-file", str(stage.directory / "auth-tokens"))),
        ("tail ok", 0, ("tail", url + secret, *asked)),
        ("tail json", 0, ("tail", "--json", url + secret, *asked)),
        ("tail raw", 0, ("tail", "--raw", url + secret, *asked)),
        ("doctor", 0, ("doctor", url + secret, *asked)),
        ("doctor json", 0, ("doctor", "--json", url + secret, *asked)),
        ("failing tail", 1, ("tail", dead + secret, *asked)),
        ("failing doctor", 1, ("doctor", dead + secret, *asked)),
        ("failing doctor, refused", 1, ("doctor", url + secret, "-H", f"x-api-key: {SECRETS['wrong_token']}")),
        ("bad tokens", 2, ("serve", *of_settings, "--auth-tokens-file", str(stage.directory / "bad-tokens"))),
        ("bad headers", 2, ("serve", *of_settings, "--upstream-headers-file", str(stage.directory / "bad-headers"))),
        ("bad store", 2, ("serve", *of_settings, "--resume", store)),
    ]
    await run_commands(stage.outcome, rows, environment)


@pytest.mark.parametrize("log_format", ["json", "console"])
async def test_no_secret_comes_out(log_format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither itself, nor in base64, nor as its hash: not in logs, metrics, traces, errors, lists or commands."""
    flags = planted(tmp_path)
    outcome = Outcome()
    password = SECRETS["redis_password"]
    with redis_server(tmp_path, "--requirepass", password) as redis:
        async with collecting() as collector, failing_upstream() as upstream:
            for name, value in collector.environment.items():
                monkeypatch.setenv(name, value)
            store = "--resume", f"redis://:{password}@127.0.0.1:{redis.port}/0"
            async with serving(
                upstream.port, *flags, *store, "--log-format", log_format, "--log-level", "debug"
            ) as proxy:
                stage = Stage(proxy, upstream, redis, collector, outcome, tmp_path)
                held = asyncio.create_task(stage.ask("held", kind="hold"))
                await fail_everywhere(stage)
                await stage.look("busy")
                await stage.look("refused", sender="wrong_token")
                if log_format == "json":  # the commands do not depend on it
                    await command_everything(stage, flags)
                upstream.release.set()
                await held
                await resume(stage)
                await stage.look("after")
                proxy.process.terminate()
                await proxy.exit_code()
            outcome.add("log", bytes(proxy.log))
            outcome.add("traces", "".join(map(str, collector.requests)) + "".join(collector.heads))
    assert outcome.leaks(HOMES) == []
    _was_not_blind(stage)


def _was_not_blind(stage: Stage) -> None:
    """Each secret was where it belongs, and each place had something to tell."""
    received = stage.upstream.received.decode("latin-1")
    for name in ("upstream_key", "query", "prompt", "system", "cookie", "field"):
        assert SECRETS[name] in received, name
    assert SECRETS["token"] not in received
    texts = stage.outcome.texts
    assert SECRETS["answer"] in texts["client ok"]
    assert SECRETS["refusal"] in texts["client refuse"]
    assert "x-stream-id" in texts["client resumed"]
    assert "x-sse-resume: unavailable" in texts["client without store"]
    for place, code in {"without token": 401, "too large": 413, "garbage": 502, "close": 502, "hang": 504}.items():
        assert texts[f"client {place}"].startswith(f"HTTP/1.1 {code} "), texts[f"client {place}"]
    assert '"dialect":"openai_chat"' in texts["admin busy /-/streams"]
    assert " 401 " in texts["admin refused /-/streams"]
    assert "stream finished" in texts["log"]
    assert "gen_ai" in texts["traces"]


def test_the_search_finds_what_is_there() -> None:
    """The control: in clear, in base64 or hashed, but not where it may be."""
    outcome = Outcome()
    for number, form in enumerate(forms(SECRETS["answer"])):
        outcome.add(f"place {number}", f"a {form} b")
    outcome.add("client x", SECRETS["answer"])
    assert outcome.leaks(HOMES) == [("answer", f"place {number}") for number in range(3)]
