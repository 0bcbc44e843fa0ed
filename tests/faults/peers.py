"""The same cells put to nginx and Envoy: what they give the client, and whether they let the upstream go.

Both have the timeouts of the hasty world and pass streams on unbuffered, as their own pages recommend. Only faults of
the upstream and of the client are played: the rest of the table is about parts that they do not have, or not here.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from ..conftest import free_port, require_component
from .cells import Cell
from .client import Got, play_client
from .driver import named
from .ends import LIMIT_SECONDS
from .proxies import end
from .relay import Relay
from .steps import Ask, Read
from .upstream import Seen, Upstream, upstream
from .worlds import deaf_port, refused_port

__all__ = ["PEERS", "Peer", "PeerFacts", "play_peer"]

_AT_ONCE = 20
#: World → which of the four upstreams it has; all others have the plain one.
_BACKENDS = {"refused": "refused", "deaf": "deaf", "front": "front"}
_NAMES = ("plain", "refused", "deaf", "front")
#: Between a client's end and the upstream's notice of it.
_NOTICE_SECONDS = 3.0

_NGINX = """
daemon off;
worker_processes 1;
pid {directory}/nginx.pid;
error_log {directory}/error.log crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffering off;
    proxy_request_buffering off;
    proxy_connect_timeout 2s;
    proxy_read_timeout 4s;
    proxy_send_timeout 4s;
    send_timeout 4s;
    client_header_timeout 4s;
    client_body_timeout 4s;
    keepalive_timeout 4s;
    client_max_body_size 16000000;
{servers}}}
"""
_NGINX_SERVER = """    upstream {name} {{ server 127.0.0.1:{target}; keepalive 8; }}
    server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://{name}; }} }}
"""
_ENVOY = "static_resources:\n  listeners:\n{listeners}  clusters:\n{clusters}"
_ENVOY_LISTENER = """  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {name}
          request_headers_timeout: 4s
          stream_idle_timeout: 4s
          common_http_protocol_options: {{idle_timeout: 4s}}
          route_config:
            virtual_hosts:
            - {{name: all, domains: ["*"], routes: [{{match: {{prefix: /}}, route: {{cluster: {name}, timeout: 0s}}}}]}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
"""
_ENVOY_CLUSTER = """  - name: {name}
    type: STATIC
    connect_timeout: 2s
    load_assignment:
      cluster_name: {name}
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {target}}}}}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Another proxy."""

    title: str
    #: What `require_component` knows it by.
    program: str
    version_flag: str

    @property
    def version(self) -> str:
        """What it says of itself."""
        done = subprocess.run(
            [require_component(self.program), self.version_flag], capture_output=True, text=True, check=True, timeout=60
        )
        found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
        assert found is not None
        return found[0]


PEERS = (
    Peer(title="nginx", program="nginx-current", version_flag="-v"),
    Peer(title="Envoy", program="envoy", version_flag="--version"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerFacts:
    """What came of one cell."""

    got: Got
    seen: Seen


def _arguments(peer: Peer, directory: Path, targets: dict[str, int], ports: dict[str, int]) -> list[str]:
    """Write its configuration, and how to start it with that."""
    each = [{"name": name, "target": targets[name], "port": ports[name]} for name in _NAMES]
    if peer.program == "envoy":
        config = directory / "envoy.yaml"
        listeners = "".join(_ENVOY_LISTENER.format(**one) for one in each)
        config.write_text(
            _ENVOY.format(listeners=listeners, clusters="".join(_ENVOY_CLUSTER.format(**one) for one in each))
        )
        return ["-c", str(config), "--concurrency", "1", "--log-level", "critical", "--use-dynamic-base-id"]
    config = directory / "nginx.conf"
    config.write_text(_NGINX.format(directory=directory, servers="".join(_NGINX_SERVER.format(**one) for one in each)))
    return ["-p", str(directory), "-e", str(directory / "error.log"), "-c", str(config)]


@dataclass(frozen=True, slots=True)
class _Ground:
    upstream: Upstream
    relay: Relay
    ports: dict[str, int]


@asynccontextmanager
async def _running(peer: Peer) -> AsyncIterator[_Ground]:
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sse-proxy-faults-")))
        directory.chmod(0o755)  # the workers of a root's nginx are somebody else
        playing = await stack.enter_async_context(upstream())
        relay = await stack.enter_async_context(Relay(playing.port))
        targets = {
            "plain": playing.port,
            "refused": stack.enter_context(refused_port()),
            "deaf": stack.enter_context(deaf_port()),
            "front": relay.port,
        }
        ports = {name: free_port() for name in _NAMES}
        process = await asyncio.create_subprocess_exec(
            require_component(peer.program), *_arguments(peer, directory, targets, ports)
        )
        stack.push_async_callback(end, process)
        async with asyncio.timeout(LIMIT_SECONDS):
            for port in ports.values():
                await _listens(port)
        yield _Ground(playing, relay, ports)


async def _listens(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


async def _play(cell: Cell, ground: _Ground) -> PeerFacts:
    stage = ground.upstream.put_on(cell.name, cell.upstream, reads=cell.reads)
    ground.relay.manner = cell.manner
    steps = cell.client or (Ask(cell.kind), Read())
    got = await play_client(
        ground.ports[_BACKENDS.get(cell.world, "plain")],
        tuple(named(step, cell.name) for step in steps),
        stage,
        receive_buffer_bytes=cell.receive_buffer_bytes,
    )
    seen = ground.upstream.seen[cell.name]
    if cell.expected.cancels and not seen.was_left:
        await asyncio.sleep(_NOTICE_SECONDS)
    return PeerFacts(got=got, seen=replace(seen))


async def play_peer(peer: Peer, cells: Iterable[Cell]) -> dict[str, PeerFacts]:
    """Play those *cells* that can be, which have no `Do` and no process in them."""
    concerned = [cell for cell in cells if cell.fault.part in {"upstream", "client"}]
    facts: dict[str, PeerFacts] = {}
    async with _running(peer) as ground:
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(cell: Cell) -> None:
            async with places:
                facts[cell.name] = await _play(cell, ground)

        together = [cell for cell in concerned if cell.world not in {"front", "pool"}]
        apart = [cell for cell in concerned if cell.world in {"front", "pool"}]
        async with asyncio.TaskGroup() as tasks:
            for cell in together:
                tasks.create_task(one(cell))
        for _, group in groupby(apart, key=lambda cell: (str(cell.fault), cell.kind)):
            for cell in group:
                await one(cell)
    return facts
