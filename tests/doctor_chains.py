"""Shared parts of the doctor's tests: real hops in front of a real proxy, and an examination of the whole chain."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sse_proxy.demo import create_mock
from sse_proxy.doctor.asking import Asker
from sse_proxy.doctor.examination import Examination
from sse_proxy.doctor.examined import Report, Wish
from sse_proxy.doctor.observed import Request

from .conftest import LIMIT_SECONDS, free_port
from .streaming import proxying, served

__all__ = ["Chain", "Hop", "envoy", "examined", "haproxy", "nginx", "verdicts"]

_NGINX = """
daemon off; worker_processes 1; pid {directory}/pid; {user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
    upstream backend {{ server 127.0.0.1:{behind} max_fails=0; {server} }}
    server {{
        listen 127.0.0.1:{port};
        {locations}
    }}
}}
"""

_ENVOY = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: clients
          route_config:
            virtual_hosts:
            - name: llm
              domains: ["*"]
              routes:
              - match: {{prefix: "/"}}
                route: {{cluster: llm{timeout}}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: llm
    type: STATIC
    load_assignment:
      cluster_name: llm
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {behind}}}}}}}
"""


_HAPROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
    {option}
listen llm
    bind 127.0.0.1:{port}
    server llm 127.0.0.1:{behind}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One program in front of whatever listens behind it."""

    program: str
    config: str
    values: dict[str, str]

    def command(self, program: str, directory: Path, port: int, behind: int) -> list[str]:
        """Write its configuration; how to start it."""
        user = "user root;" if os.geteuid() == 0 else ""  # else its worker is nobody, who may not use the directory
        path = directory / f"{self.program}.yaml"  # Envoy goes by the ending; nginx takes any
        known = {"directory": str(directory), "port": port, "behind": behind, "user": user}
        values = {name: value.replace("BEHIND", str(behind)) for name, value in self.values.items()}
        path.write_text(self.config.format(**known, **values))
        if self.program == "envoy":
            return [program, "-c", str(path), "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        if self.program == "haproxy":
            return [program, "-f", str(path), "-db"]
        return [program, "-c", str(path), "-e", str(directory / "error.log")]


def nginx(*directives: str, server: str = "", locations: str = "") -> Hop:
    """An nginx with these *directives* in its one location, or other *locations*; *server* is a second one behind."""
    inside = " ".join(directives)
    values = {
        "server": server,
        "locations": locations or f"location / {{ proxy_pass http://backend; {inside} }}",
    }
    return Hop(program="nginx", config=_NGINX, values=values)


def envoy(timeout: str = "") -> Hop:
    """Envoy with this *timeout* on its route; empty for its default."""
    return Hop(program="envoy", config=_ENVOY, values={"timeout": f", timeout: {timeout}" if timeout else ""})


def haproxy(option: str = "") -> Hop:
    """An HAProxy with this *option*."""
    return Hop(program="haproxy", config=_HAPROXY, values={"option": option})


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What is examined: *hops* from the outermost inwards, in front of the proxy, or of the mock if *bare*."""

    hops: Sequence[Hop] = ()
    bare: bool = False
    #: Settings of the proxy.
    settings: dict[str, Any] = field(default_factory=dict)
    path: str = ""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    own_request: bool = False
    origin: str | None = None
    idle: float = 0.0
    total: float = 0.0
    break_post: bool = False


async def examined(chain: Chain, programs: dict[str, str], directory: Path) -> Report:
    """What the doctor says of *chain*; *programs* are the paths of what its hops need."""
    async with AsyncExitStack() as stack:
        mock = await stack.enter_async_context(served(create_mock()))
        port = mock
        if not chain.bare:
            settings = {"probe": True, **chain.settings}
            proxy = await stack.enter_async_context(proxying(f"http://127.0.0.1:{mock}", **settings))
            port = proxy.port
        for number, hop in enumerate(reversed(chain.hops)):
            own = directory / str(number)
            own.mkdir(parents=True)
            port = await stack.enter_async_context(_running(hop, programs[hop.program], own, port))
        url = f"http://127.0.0.1:{port}{chain.path}"
        request = Request(method=chain.method, url=url, headers=chain.headers, body=chain.body)
        wish = Wish(
            request=request,
            url=url,
            own_request=chain.own_request or bool(chain.body),
            origin=chain.origin,
            idle=chain.idle,
            total=chain.total,
            break_post=chain.break_post,
        )
        return await Examination(wish, Asker()).run()


def verdicts(report: Report) -> dict[str, str]:
    """The culprit of each finding that is more than a note, by its id."""
    return {finding.id: finding.culprit for finding in report.findings if finding.severity.value != "note"}


@asynccontextmanager
async def _running(hop: Hop, program: str, directory: Path, behind: int) -> AsyncIterator[int]:
    port = free_port()
    with (directory / "output").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *hop.command(program, directory, port, behind), stdout=output, stderr=output
        )
    try:
        await _listening(port, process, directory)
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process, directory: Path) -> None:
    async with asyncio.timeout(LIMIT_SECONDS * 2):
        while True:
            assert process.returncode is None, (directory / "output").read_text()
            with socket.socket() as client:
                client.setblocking(False)
                try:
                    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
                except OSError:
                    await asyncio.sleep(0.02)
                else:
                    return
