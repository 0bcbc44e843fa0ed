"""compose.yaml: Docker Compose takes it, it fits the files around it, and its services run, here without containers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from sse_proxy.drain import CUT_GRACE_SECONDS
from sse_proxy.settings import Settings

from .conftest import LIMIT_SECONDS, free_port, require_component
from .pod.streams import Stream, get
from .pod.timeline import Timeline

_ROOT = Path(__file__).resolve().parent.parent
_TOKENS, _RATE = 15, 10


def compose(*arguments: str, file: Path = _ROOT / "compose.yaml") -> subprocess.CompletedProcess[str]:
    """Ask the real Docker Compose, which needs no engine to read a file."""
    command = [require_component("docker-compose"), "--file", str(file), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as Docker Compose understands them."""
    asked = compose("config", "--format", "json")
    assert asked.returncode == 0, asked.stderr
    found: dict[str, Any] = json.loads(asked.stdout)["services"]
    return found


def environment(service: dict[str, Any], **changed: str) -> dict[str, str]:
    """The variables of *service*, and what a test has to have otherwise."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SSE_PROXY_")}
    return {**kept, **service.get("environment", {}), **changed}


def test_a_mistake_in_it_is_found(tmp_path: Path) -> None:
    """The control: Docker Compose refuses what it does not know."""
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((_ROOT / "compose.yaml").read_text().replace("stop_grace_period: 35s", "stop_grace: 35s", 1))
    asked = compose("config", "--quiet", file=wrong)
    assert asked.returncode != 0
    assert "stop_grace" in asked.stderr


def test_nobody_else_reaches_a_laptop(services: dict[str, Any]) -> None:
    """Every published port is on loopback."""
    published = [(name, port["host_ip"]) for name, one in services.items() for port in one.get("ports", [])]
    assert {host for _name, host in published} == {"127.0.0.1"}
    assert {name for name, _host in published} == {"proxy", "nginx", "prometheus", "grafana"}


def test_stopping_gives_streams_their_time(services: dict[str, Any]) -> None:
    """More than the drain takes at most, and the LLM server is stopped after the proxy."""
    settings = Settings()
    longest = settings.drain_delay_seconds + settings.drain_seconds + CUT_GRACE_SECONDS
    [seconds] = re.findall(r"^(\d+)s$", services["proxy"]["stop_grace_period"])
    assert int(seconds) > longest
    assert "llm" in services["proxy"]["depends_on"]


def test_the_containers_of_ours_may_nothing(services: dict[str, Any]) -> None:
    """No place to write, no capability, and none to be gained."""
    for name in ("llm", "proxy"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["security_opt"] == ["no-new-privileges:true"]


def test_what_is_mounted_is_there(services: dict[str, Any]) -> None:
    """Docker would make an empty folder of it instead, without a word."""
    mounted = [
        Path(one["source"])
        for service in services.values()
        for one in service.get("volumes", [])
        if one["type"] == "bind"
    ]
    assert mounted
    if not (_ROOT / "nginx").exists() or not (_ROOT / "helm").exists():
        _not_here("nginx/ and helm/")
    assert [path for path in mounted if not path.exists()] == []


def test_prometheus_and_grafana_are_told_where_to_look(services: dict[str, Any]) -> None:
    """Names, ports and paths of one file are those of the others."""
    prometheus = yaml.safe_load((_ROOT / "compose" / "prometheus.yml").read_text())
    [scrape] = prometheus["scrape_configs"]
    assert scrape["static_configs"][0]["targets"] == [f"proxy:{Settings().admin_port}"]
    assert prometheus["rule_files"][0] in _targets(services["prometheus"])
    [source] = yaml.safe_load((_ROOT / "compose" / "grafana" / "datasources.yaml").read_text())["datasources"]
    assert source["url"] == f"http://prometheus:{services['prometheus']['ports'][0]['target']}"
    assert source["jsonData"]["timeInterval"] == prometheus["global"]["scrape_interval"]
    [provider] = yaml.safe_load((_ROOT / "compose" / "grafana" / "dashboards.yaml").read_text())["providers"]
    assert provider["options"]["path"] in _targets(services["grafana"])


def test_prometheus_takes_its_configuration() -> None:
    """As promtool says."""
    command = [require_component("promtool"), "check", "config", "--syntax-only", "compose/prometheus.yml"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT)
    assert asked.returncode == 0, asked.stderr


async def test_the_mock_and_the_proxy_stream(services: dict[str, Any]) -> None:
    """Their commands and variables, with other addresses; and the mock's health check tells up from down."""
    async with _mock(services["llm"]) as mock, _proxy(services["proxy"], mock) as proxy:
        await _check_stream(proxy)
        assert await _health_of_the_mock(services["llm"], mock) == 0
        assert await _health_of_the_mock(services["llm"], free_port()) != 0


async def test_a_stream_passes_nginx(services: dict[str, Any], tmp_path: Path) -> None:
    """The whole way of a request: the real nginx with compose/nginx.conf, the proxy, the mock."""
    if not (_ROOT / "nginx").exists():
        _not_here("nginx/")
    async with (
        _mock(services["llm"]) as mock,
        _proxy(services["proxy"], mock) as proxy,
        _nginx(tmp_path, proxy) as port,
    ):
        await _check_stream(port)


def _not_here(what: str) -> None:
    """These folders are in the repository and not in the sdist."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what} is missing")
    pytest.skip(f"{what} is not in this copy of the project")


def _targets(service: dict[str, Any]) -> list[str]:
    return [one["target"] for one in service["volumes"]]


async def _check_stream(port: int) -> None:
    """A stream on *port* is whole, and comes token by token."""
    stream = Stream(_TOKENS, _RATE)
    async with asyncio.timeout(LIMIT_SECONDS):
        await stream.run(port, Timeline())
    assert stream.verdict == "whole"
    assert len(stream.arrivals) > _TOKENS // 2, "tokens came in few pieces: something buffers"


async def _health_of_the_mock(service: dict[str, Any], port: int) -> int:
    kind, *command = service["healthcheck"]["test"]
    assert kind == "CMD"
    assert "127.0.0.1:8000" in command[-1]
    moved = [part.replace("127.0.0.1:8000", f"127.0.0.1:{port}") for part in command]
    process = await asyncio.create_subprocess_exec(sys.executable, *moved[1:], stderr=asyncio.subprocess.DEVNULL)
    return await process.wait()


@asynccontextmanager
async def _mock(service: dict[str, Any]) -> AsyncIterator[int]:
    command = [*service["entrypoint"], *service["command"]]
    assert (command[0], command[command.index("--port") + 1]) == ("python3", "8000")
    port = free_port()
    command[command.index("--port") + 1] = str(port)
    command[command.index("--host") + 1] = "127.0.0.1"
    async with _running([sys.executable, *command[1:]], environment(service), port, "/health"):
        yield port


@asynccontextmanager
async def _proxy(service: dict[str, Any], upstream: int) -> AsyncIterator[int]:
    port, admin = free_port(), free_port()
    variables = environment(
        service,
        SSE_PROXY_UPSTREAM=f"http://127.0.0.1:{upstream}",
        SSE_PROXY_PORT=str(port),
        SSE_PROXY_ADMIN_PORT=str(admin),
    )
    async with _running([sys.executable, "-m", "sse_proxy", "serve"], variables, port, "/-/sse-proxy/readyz"):
        yield port


@asynccontextmanager
async def _nginx(folder: Path, upstream: int) -> AsyncIterator[int]:
    port = free_port()
    site = (_ROOT / "compose" / "nginx.conf").read_text()
    for written, here in (
        ("listen 8080;", f"listen 127.0.0.1:{port};"),
        ("server proxy:7070;", f"server 127.0.0.1:{upstream};"),
        ("/dev/stdout", f"{folder}/access.log"),
    ):
        assert site.count(written) == 1
        site = site.replace(written, here)
    (folder / "site.conf").write_text(site)
    (folder / "sse-proxy").symlink_to(_ROOT / "nginx")
    places = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/pid;\nevents {{}}\nhttp {{\n{places}include site.conf;\n}}\n"
    )
    command = [require_component("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    async with _running(command, dict(os.environ), port, "/-/sse-proxy/healthz"):
        yield port


@asynccontextmanager
async def _running(command: Sequence[str], variables: dict[str, str], port: int, path: str) -> AsyncIterator[None]:
    """The program *command*, as soon as GET *path* on *port* is 200; it gets SIGTERM and then SIGKILL in the end."""
    process = await asyncio.create_subprocess_exec(*command, env=variables, cwd=_ROOT)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not await _answers(port, path):
                assert process.returncode is None, shlex.join(command)
                await asyncio.sleep(0.05)
        yield
    finally:
        if process.returncode is None:
            process.kill() if "sse_proxy" in command else process.terminate()
        await process.wait()


async def _answers(port: int, path: str) -> bool:
    try:
        return await get(port, path) == 200
    except OSError:
        return False
