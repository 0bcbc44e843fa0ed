"""What the chart renders, run here: the proxy's container as a process, its probes, the drain hook, the test pod."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sse_proxy.demo.mock import create_mock

from .conftest import LIMIT_SECONDS, free_port
from .helm_charts import Object, Rendered, containers, render
from .streaming import served


@dataclass(frozen=True, slots=True)
class Pod:
    """A rendered sidecar pod whose proxy runs."""

    rendered: Rendered
    port: int
    admin_port: int

    def ask(self, request: Object, method: str = "GET") -> tuple[int, bytes]:
        """The answer to an ``httpGet`` of the pod, as the kubelet sends it."""
        port = request["port"] if isinstance(request["port"], int) else self.port_named(request["port"])
        headers = {one["name"]: one["value"] for one in request.get("httpHeaders", [])}
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_SECONDS)
        with contextlib.closing(connection):
            connection.request(method, request["path"], headers=headers)
            response = connection.getresponse()
            return response.status, response.read()

    def port_named(self, name: str) -> int:
        """The number of a port of the proxy's container."""
        (found,) = (one["containerPort"] for one in self.rendered.proxy["ports"] if one["name"] == name)
        return int(found)

    @property
    def hook(self) -> Object:
        """The LLM's preStop hook."""
        (llm,) = (one for one in containers(self.rendered.pod) if one["name"] == "llm")
        return dict(llm["lifecycle"]["preStop"]["httpGet"])


@contextlib.asynccontextmanager
async def running(**values: Any) -> AsyncIterator[Pod]:
    """A sidecar pod with *values*, its container's arguments and variables given to a process, its LLM the mock."""
    port, admin_port = free_port(), free_port()
    async with served(create_mock()) as llm_port:
        config = {"port": port, "admin_port": admin_port, "drain_delay_seconds": 0.2, **values.pop("config", {})}
        rendered = render("sidecar", proxy={"llm": {"port": llm_port}, "config": config, **values})
        environment = {**os.environ, **rendered.environment}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sse_proxy", *rendered.proxy["args"]),
            env=environment,
            stderr=asyncio.subprocess.DEVNULL,
        )
        pod = Pod(rendered, port, admin_port)
        try:
            await until(pod, "startupProbe", 200)
            await until(pod, "readinessProbe", 200)
            yield pod
        finally:
            process.kill()
            await process.wait()


async def until(pod: Pod, probe: str, status: int) -> None:
    """Ask *probe* as often as the kubelet may, until it gives *status*."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        with contextlib.suppress(OSError):
            found, _ = await asyncio.to_thread(pod.ask, pod.rendered.proxy[probe]["httpGet"])
            if found == status:
                return
        assert time.monotonic() < deadline, f"{probe} never gave {status}"
        await asyncio.sleep(0.05)


async def test_the_rendered_container_gets_ready_and_drains() -> None:
    """With the rendered arguments and variables the proxy starts, its probes succeed, and the LLM's hook drains it."""
    async with running() as pod:
        assert await asyncio.to_thread(pod.ask, pod.rendered.proxy["livenessProbe"]["httpGet"]) == (200, b"ok")
        # What the autoscalers count is there under that name.
        status, metrics = await asyncio.to_thread(pod.ask, {"port": "sse-admin", "path": "/metrics"})
        assert (status, b"\nsse_proxy_streams_active 0" in metrics) == (200, True)
        status, _ = await asyncio.to_thread(pod.ask, pod.hook)
        assert status == 200
        status, body = await asyncio.to_thread(pod.ask, pod.rendered.proxy["readinessProbe"]["httpGet"])
        assert (status, b"draining" in body) == (503, True)
        # A drain is no reason to restart the container.
        assert await asyncio.to_thread(pod.ask, pod.rendered.proxy["livenessProbe"]["httpGet"]) == (200, b"ok")


async def test_the_hook_waits_for_an_open_stream() -> None:
    """The LLM's SIGTERM comes after the hook, and the hook comes back after the last stream."""
    async with running(config={"drain_seconds": 60}) as pod:
        reader, writer = await asyncio.open_connection("127.0.0.1", pod.port)
        body = b'{"model": "mock", "stream": true, "messages": []}'
        head = b"POST /v1/chat/completions?tokens=20&rate=10 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        writer.write(head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        async with asyncio.timeout(LIMIT_SECONDS):
            await reader.readuntil(b"data: ")
        hook = asyncio.create_task(asyncio.to_thread(pod.ask, pod.hook))
        async with asyncio.timeout(LIMIT_SECONDS):
            rest = await reader.read()
        assert b"[DONE]" in rest
        async with asyncio.timeout(LIMIT_SECONDS):
            status, answer = await hook
        assert (status, b'"streams":0' in answer) == (200, True)
        writer.close()


async def test_the_llms_start_ends_the_drain() -> None:
    """Its postStart hook makes the pod ready again."""
    async with running() as pod:
        (llm,) = pod.rendered.pod["containers"]
        await asyncio.to_thread(pod.ask, pod.hook)
        await until(pod, "readinessProbe", 503)
        status, _ = await asyncio.to_thread(pod.ask, llm["lifecycle"]["postStart"]["httpGet"])
        assert status == 200
        await until(pod, "readinessProbe", 200)


async def stream_test(url: str, path: str, **variables: str) -> tuple[int, str]:
    """Exit code and output of the test pod's program with its rendered variables, but against *url* and *path*."""
    (container,) = render("standalone", test={"path": path, "timeoutSeconds": 20}).one("Pod")["spec"]["containers"]
    assert container["command"][:2] == ["python", "-c"]
    rendered = {one["name"]: one["value"] for one in container["env"]}
    assert rendered["URL"] == "http://rel-sse-proxy:80"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *container["command"][1:]),
        env={**os.environ, **rendered, "URL": url, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_helm_test_succeeds_where_a_stream_flows() -> None:
    """The program asks for the first model, then for a stream, and tells how many events came."""
    async with running() as pod:
        code, output = await stream_test(f"http://127.0.0.1:{pod.port}", "/v1/chat/completions?rate=0&tokens=5")
        assert (code, "last one [DONE]" in output) == (0, True), output
        assert "events of mock" in output


# Path of the mock → what the program says of it.
FAILURES = {
    "/v1/chat/completions?rate=0&truncate_after=3": "the stream failed",
    "/v1/chat/completions?rate=0&error_after=2": "the stream failed",
    "/v1/chat/completions?status=429": "status 429",
    "/download?bytes=10": "status 405",
    "/v1/chat/completions?body=html": "status 502",
}


async def test_helm_test_fails_where_none_does() -> None:
    """A cut stream, an error in it or instead of it, an answer that is no stream: exit code 1 and what was wrong."""
    async with running() as pod:
        for path, said in FAILURES.items():
            code, output = await stream_test(f"http://127.0.0.1:{pod.port}", path, MODEL="mock")
            assert (path, code, said in output) == (path, 1, True), output


async def test_helm_test_fails_where_something_else_answers() -> None:
    """A document in place of the stream is told with its type; here nothing stands between the program and the mock."""
    async with served(create_mock()) as port:
        code, output = await stream_test(f"http://127.0.0.1:{port}", "/echo", MODEL="mock")
    assert (code, output.strip()) == (1, "no stream: content type application/json")


async def test_helm_test_fails_where_nobody_answers() -> None:
    """A proxy that is not there is one line, not a traceback."""
    code, output = await stream_test(f"http://127.0.0.1:{free_port()}", "/v1/chat/completions")
    assert (code, len(output.splitlines())) == (1, 1), output


async def test_helm_test_sends_a_token_that_is_let_in(tmp_path: Path) -> None:
    """Where callers need a token, the test has the first of the Secret that is not a hash."""
    tokens = tmp_path / "tokens"
    tokens.write_text("sha256:" + "0" * 64 + "\nopen-sesame\n")
    async with running(config={"auth_tokens_file": str(tokens)}) as pod:
        url, path = f"http://127.0.0.1:{pod.port}", "/v1/chat/completions?rate=0"
        code, output = await stream_test(url, path, TOKENS=tokens.read_text())
        assert code == 0, output
        code, output = await stream_test(url, path)
        assert (code, "status 401" in output) == (1, True), output


def test_helm_test_gets_its_token_from_the_secret() -> None:
    """The token is in no manifest; where clients need a certificate there is no test, as it has none."""
    values = {"secrets": {"authTokens": {"name": "proxy-tokens"}, "serverTls": {"name": "proxy-tls"}}}
    (container,) = render("standalone", proxy=values).one("Pod")["spec"]["containers"]
    by_name = {one["name"]: one for one in container["env"]}
    assert by_name["TOKENS"]["valueFrom"] == {"secretKeyRef": {"name": "proxy-tokens", "key": "tokens"}}
    assert by_name["URL"]["value"] == "https://rel-sse-proxy:80"
    assert render("secrets").all("Pod") == []


def test_helm_test_runs_as_the_proxy_does() -> None:
    """The test pod is restricted too, is a hook, and uses the proxy's own image."""
    pod = render("standalone").one("Pod")
    (container,) = pod["spec"]["containers"]
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert container["image"] == render("standalone").proxy["image"]
    assert container["securityContext"] == render("standalone").proxy["securityContext"]
    assert pod["spec"]["automountServiceAccountToken"] is False
