"""What the shipped nginx site does besides passing streams on: errors, limits, sizes, headers, the log."""

from __future__ import annotations

import json
import re
import subprocess
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
from starlette.types import Receive, Scope, Send

from .conftest import require_component
from .hops_checks import CHAT, Metronome, asking, pace, raw_server, silent
from .hops_clients import fetch
from .hops_programs import ROOT, changed
from .hops_running import hop_running
from .hops_table import HOPS
from .nginx_site import FILES, NGINX, VERSIONS
from .streaming import DONE, Upstream, body, chunk, proxied, start, until
from .wire import ask

PAGE = "https://app.example.com"
JSON = {"Content-Type": "application/json"}
every_version = pytest.mark.parametrize("name", VERSIONS)


async def echo(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """Tell what came, as plain JSON."""
    fields = {name.decode(): value.decode() for name, value in scope["headers"]}
    await start(send, "application/json")
    await body(send, json.dumps({"fields": fields, "bytes": len(upstream.bodies[-1])}).encode(), more=False)


async def speak(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
    """A short stream."""
    await start(send)
    await body(send, chunk("hello", finish="stop") + DONE, more=False)


def logged(directory: Path, text: str) -> bool:
    """Whether nginx, which writes a line after the response, has written *text*."""
    return text in (directory / "access.log").read_text()


def test_every_directive_has_its_reason() -> None:
    """Each directive is followed by a comment on its line; the log format has its own above it."""
    bare = []
    for path in FILES:
        text = re.sub(r"log_format .*?';\n", "", path.read_text(), flags=re.DOTALL)
        bare += [f"{path.name}: {line}" for line in text.splitlines() if ";" in line and "#" not in line]
    assert [] == bare


def test_what_never_helps_is_not_there() -> None:
    """No directive hides a crash or repeats a POST, and the admin port has no way in."""
    directives = "\n".join(re.sub(r"#.*", "", path.read_text()) for path in FILES)
    for word in ("chunked_transfer_encoding", "non_idempotent", "7071", "proxy_ignore_headers"):
        assert word not in directives


@every_version
async def test_nginx_has_nothing_to_say_about_it(name: str, tmp_path: Path) -> None:
    """It starts without a warning, each version with its own way to HTTP/2."""
    async with raw_server() as (port, _raw), hop_running(HOPS[name], tmp_path, port) as hop:
        said = re.findall(r"\[(?:warn|error|crit|alert|emerg)\].*", hop.log)
    assert [] == [line for line in said if "RLIMIT_NOFILE" not in line]  # where the machine's hard limit is low


async def test_the_linter_finds_nothing(tmp_path: Path) -> None:
    """gixy, which looks for what goes wrong in nginx configurations, with all checks on."""
    gixy = require_component("gixy")
    async with raw_server() as (port, _raw), hop_running(NGINX, tmp_path, port):
        done = subprocess.run(
            [gixy, "--format", "json", str(tmp_path / "nginx.conf")],
            capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path,
        )  # fmt: skip
    assert [] == json.loads(done.stdout)


async def test_the_linter_sees_the_whole_site(tmp_path: Path) -> None:
    """It does find what is wrong in an included file."""
    gixy = require_component("gixy")
    change = {"proxy.conf": {"Host $host;": "Host $http_host;"}}
    async with raw_server() as (port, _raw), hop_running(NGINX, tmp_path, port, change=change):
        done = subprocess.run([gixy, str(tmp_path / "nginx.conf")], capture_output=True, check=False, cwd=tmp_path)
    assert b"[host_spoofing]" in done.stdout


@every_version
async def test_errors_are_json_that_sdks_understand(name: str, tmp_path: Path) -> None:
    """A refused connection may be tried again, a POST that was sent may not; the id leads to the log."""
    async with raw_server() as (port, raw), hop_running(HOPS[name], tmp_path, port) as hop:
        for path, retry, after in (("/mute/messages", "false", None), ("/dead/messages", "true", "1")):
            if "dead" in path:
                await raw.close()
            answer = await fetch(hop.port, hop.trust, path, method="POST", headers=JSON, body=b"{}")
            assert 502 == answer.status
            assert {"message": "the upstream failed", "type": "api_error", "code": "upstream_error"} == answer.error
            assert "application/json" == answer.headers["content-type"]
            assert (retry, after) == (answer.headers["x-should-retry"], answer.headers.get("retry-after"))
            await until(partial(logged, tmp_path, answer.headers["x-request-id"]))
            assert "access-control-allow-origin" not in answer.headers


async def test_a_timeout_tells_which_one(tmp_path: Path) -> None:
    """504 with the outcome's name; pages may read it where their origin is listed."""
    change = {
        "proxy.conf": {"proxy_read_timeout 620s;": "proxy_read_timeout 100ms;"},
        "http.conf": {'# "https://app.example.com" $http_origin;': '"https://app.example.com" $http_origin;'},
    }
    async with proxied(silent) as proxy, hop_running(NGINX, tmp_path, proxy.port, change=change) as hop:
        answers = [await fetch(hop.port, hop.trust, "/quiet", headers={"Origin": o}) for o in (PAGE, "https://evil")]
        assert [(504, "first_event_timeout")] * 2 == [(answer.status, answer.error["code"]) for answer in answers]
        assert [PAGE, None] == [answer.headers.get("access-control-allow-origin") for answer in answers]


async def test_the_snippets_of_the_page_work(tmp_path: Path) -> None:
    """docs/nginx.md: the probe for those inside, and a location of one's own; and nginx's own 500 is JSON, too."""
    page = (ROOT / "docs" / "nginx.md").read_text()
    own, probe = re.findall(r"```nginx\n(.*?)```", page, flags=re.DOTALL)
    port_of = "proxy_pass http://127.0.0.1:7070;"
    async with proxied(echo, readiness_upstream="off") as proxy:
        values = {port_of: f"proxy_pass http://127.0.0.1:{proxy.port};", "/v1/": "/mine/", "10.0.0.0/8": "127.0.0.1"}
        added = changed(own + probe, values, "docs/nginx.md") + "location = /broken { return 500; }\n"
        change = {"sse-proxy.conf": {"    location / {": f"{added}    location / {{"}}
        async with hop_running(NGINX, tmp_path, proxy.port, change=change) as hop:
            assert 200 == (await fetch(hop.port, hop.trust, "/-/sse-proxy/readyz")).status
            assert 200 == (await fetch(hop.port, hop.trust, "/mine/path")).status
            broken = await fetch(hop.port, hop.trust, "/broken")
            assert (503, "overloaded_error") == (broken.status, broken.error["type"])


async def test_too_many_streams_of_one_address_are_refused(tmp_path: Path) -> None:
    """429 with ``Retry-After``, and no harm to those that run; each stream of HTTP/2 counts."""
    change = {"sse-proxy.conf": {"limit_conn sse_streams 100;": "limit_conn sse_streams 4;"}}
    async with (
        proxied(silent) as proxy,
        hop_running(NGINX, tmp_path, proxy.port, change=change) as hop,
        AsyncExitStack() as opened,
    ):
        calls = [await opened.enter_async_context(asking(hop, "h2" if number % 2 else "h1")) for number in range(4)]
        for call in calls:
            await call.until(b"\n\n")
        refused = await fetch(hop.port, hop.trust, CHAT, method="POST", headers=JSON, body=b"{}")
        assert (429, "rate_limit_error") == (refused.status, refused.error["type"])
        assert ("1", "true") == (refused.headers["retry-after"], refused.headers["x-should-retry"])
        assert [None] * 4 == [call.complete for call in calls]


async def test_a_burst_of_requests_is_served_and_what_goes_over_it_refused(tmp_path: Path) -> None:
    """429 at once; nothing waits in a queue."""
    change = {
        "http.conf": {"rate=50r/s": "rate=1r/m"},
        "sse-proxy.conf": {"burst=200 nodelay;": "burst=3 nodelay;"},
    }
    async with proxied(echo) as proxy, hop_running(NGINX, tmp_path, proxy.port, change=change) as hop:
        statuses = [(await fetch(hop.port, hop.trust, "/v1/models")).status for _ in range(6)]
    assert [200] * 3 + [429] * 3 == statuses  # and one before, which asked whether nginx is up


async def test_prompts_may_be_large_but_not_endless(tmp_path: Path) -> None:
    """3 MB arrive whole; over 64 MB is 413 in JSON, from the announced length alone."""
    async with proxied(echo) as proxy, hop_running(NGINX, tmp_path, proxy.port) as hop:
        prompt = b'{"image": "' + b"x" * 3_000_000 + b'"}'
        answer = await fetch(hop.port, hop.trust, "/v1/responses", method="POST", headers=JSON, body=prompt)
        assert len(prompt) == answer.json["bytes"]
        head = {**JSON, "Content-Length": "67108865"}
        refused = await fetch(hop.port, hop.trust, "/v1/responses", method="POST", headers=head)
        assert (413, "request_too_large") == (refused.status, refused.error["type"])


async def test_lies_about_the_client_stay_where_they_can_be_told(tmp_path: Path) -> None:
    """Scheme and host are nginx's own word; of addresses, the client's claim stands left of what nginx saw."""
    lies = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "ftp", "X-Forwarded-Host": "evil.example"}
    async with proxied(echo, trusted_proxies=("127.0.0.1",)) as proxy, hop_running(NGINX, tmp_path, proxy.port) as hop:
        fields = (await fetch(hop.port, hop.trust, "/v1/models", headers=lies)).json["fields"]
    assert "192.0.2.1, 127.0.0.1, 127.0.0.1" == fields["x-forwarded-for"]  # the claim, the client, nginx
    assert ("https", "llm.example.com") == (fields["x-forwarded-proto"], fields["x-forwarded-host"])


async def test_cors_is_sse_proxys_business(tmp_path: Path) -> None:
    """A preflight and an event stream carry sse-proxy's own answers, once, through nginx."""
    async with proxied(speak, cors_origins=(PAGE,)) as proxy, hop_running(NGINX, tmp_path, proxy.port) as hop:
        asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-a"}
        preflight = await fetch(hop.port, hop.trust, CHAT, method="OPTIONS", headers=asked)
        assert PAGE == preflight.headers["access-control-allow-origin"]
        assert "x-a" in preflight.headers["access-control-allow-headers"]
        async with asking(hop, "h2", Origin=PAGE) as call:
            answer = await call.answer()
        assert PAGE == answer.headers["access-control-allow-origin"]
        assert "text/event-stream; charset=utf-8" == answer.headers["content-type"]
        assert "x-accel-buffering" not in answer.headers


@every_version
async def test_streams_on_other_paths_pass_one_by_one_too(name: str, tmp_path: Path) -> None:
    """Buffering is on there, and sse-proxy's own header turns it off for streams."""
    metronome = Metronome()
    async with proxied(metronome) as proxy, hop_running(HOPS[name], tmp_path, proxy.port) as hop:
        found = await pace(hop, "h2", metronome, "/some/other/path", Accept="text/event-stream")
    assert 0 == found.held_back


async def test_streams_are_not_compressed(tmp_path: Path) -> None:
    """Whatever the client takes and ``gzip_types`` says: a compressor holds events back."""
    metronome = Metronome()
    async with proxied(metronome) as proxy, hop_running(NGINX, tmp_path, proxy.port) as hop:
        assert 0 == (await pace(hop, "h1", metronome, Accept_Encoding="gzip")).held_back


async def test_the_log_tells_which_hop_was_slow(tmp_path: Path) -> None:
    """One JSON line a request, with the upstream's timings and sse-proxy's request id, and without the query."""
    async with proxied(speak) as proxy, hop_running(NGINX, tmp_path, proxy.port) as hop:
        async with asking(hop, "h2", f"{CHAT}?secret=1") as call:
            request_id = (await call.answer()).headers["x-request-id"]
        await until(partial(logged, tmp_path, request_id))
    log = (tmp_path / "access.log").read_text()
    line = next(entry for entry in map(json.loads, log.splitlines()) if entry["request_id"] == request_id)
    assert (CHAT, 200, "OK", "HTTP/2.0") == (line["path"], line["status"], line["complete"], line["protocol"])
    assert float(line["upstream_connect_seconds"]) <= float(line["upstream_header_seconds"])
    assert float(line["upstream_header_seconds"]) <= float(line["upstream_seconds"])
    assert "secret" not in log


async def test_plain_http_is_sent_to_tls_with_its_method(tmp_path: Path) -> None:
    """308 keeps a POST a POST."""
    async with raw_server() as (port, _raw), hop_running(NGINX, tmp_path, port) as hop:
        answer = await ask(hop.ground.spare_ports[0], "POST", "/v1/x?y=1", headers={"Host": "llm.example.com"})
    assert (308, "https://llm.example.com/v1/x?y=1") == (answer.status, answer.headers["location"])
