"""The proxies that stand in front of sse-proxy, each with the configuration that is shipped for it.

A test runs what a user runs: the shipped file, in which only what the file itself marks with SET (and the port 443) is
replaced. `Change`s on top make the negative controls; a text that is not there to be replaced is an error, so neither
can go stale in silence.
"""

from __future__ import annotations

import asyncio
import functools
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .conftest import require_component

__all__ = [
    "ROOT", "Change", "Ground", "Hop", "changed", "prepare_caddy", "prepare_envoy", "prepare_haproxy", "prepare_nginx",
    "prepare_traefik", "succeed_envoy",
]  # fmt: skip

ROOT = Path(__file__).resolve().parent.parent

#: What is put for what, in the file of this name.
Change = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a hop is given to stand on."""

    #: Of the program, which may have to be told things in another way.
    version: tuple[int, ...]
    #: Its own, with ``fullchain.pem``, ``privkey.pem`` and ``llm.pem`` (both) in it.
    directory: Path
    #: TLS towards clients.
    port: int
    #: Others that are free, for what has to listen besides.
    spare_ports: tuple[int, ...]
    upstreams: tuple[int, ...]
    change: Change = field(default_factory=dict)

    def ship(self, source: str, replacements: Mapping[str, str]) -> Path:
        """Put the file *source* of the project into the directory, with *replacements* and what `change` says."""
        name = Path(source).name
        text = changed((ROOT / source).read_text(), replacements, source)
        target = self.directory / name
        new = target.with_suffix(".new")
        new.write_text(changed(text, self.change.get(name, {}), source))
        return new.replace(target)  # at once, as who watches it may read it at any moment


def changed(text: str, replacements: Mapping[str, str], source: str) -> str:
    """*text* with each key replaced by its value, in one go: no key is looked for in what was put in for another.

    A key that is not in *text* is an error.
    """
    for old in replacements:
        assert old in text, f"{source} has no {old!r} any more"
    if not replacements:
        return text
    longest_first = sorted(replacements, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda found: replacements[found[0]], text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One program with its shipped configuration."""

    name: str
    title: str
    #: What `require_component` knows it by.
    program: str
    version_flag: str
    prepare: Callable[[Ground], Sequence[str]]
    #: Control → what makes the hop hold events back, send a POST twice, pass a crash off as an end.
    controls: Mapping[str, Change]
    #: What makes it take up a changed configuration; None: a `successor` does.
    reload: Callable[[asyncio.subprocess.Process], None] | None = None
    #: Arguments of another process, which takes over from the first.
    successor: Callable[[Ground], Sequence[str]] | None = None
    #: How a version begins → what is known to be wrong with it, check or ``HTTP version check``: told in docs/hops.md.
    flaws: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """What the program says of itself."""
        return _version(self.program, self.version_flag)

    def has_flaw(self, flaw: str) -> bool:
        """Whether *flaw* is known of this version."""
        return any(self.version.startswith(start) and flaw in names for start, names in self.flaws.items())


@functools.cache
def _version(program: str, flag: str) -> str:
    command = [require_component(program), flag]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    assert found is not None
    return found[0]


def _certificates(ground: Ground, place: str) -> dict[str, str]:
    return {f"{place}/{name}": str(ground.directory / name) for name in ("fullchain.pem", "privkey.pem")}


_NGINX_MAIN = """
include sse-proxy/main.conf;
{user}
daemon off;
pid {directory}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 1024; }}
http {{
    # As the distributions have it, to see that none of it reaches a stream.
    default_type application/octet-stream;
    access_log off;
    gzip on;
    gzip_types *;
    tcp_nopush on;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include sse-proxy/sse-proxy.conf;
}}
"""


def prepare_nginx(ground: Ground) -> Sequence[str]:
    """The site, in a main file as distributions have it; returns its arguments, as all these do."""
    listen = "listen-1.25.conf" if ground.version >= (1, 25, 1) else "listen.conf"
    folder = ground.directory / "sse-proxy"
    folder.mkdir(exist_ok=True)
    servers = "\n    ".join(f"server 127.0.0.1:{port};" for port in ground.upstreams)
    ports = [f"127.0.0.1:{port}" for port in (ground.port, *ground.spare_ports)]
    site = {
        "server 127.0.0.1:7070;": servers,
        "listen 80;": f"listen {ports[1]};",
        "listen [::]:80;": f"listen {ports[2]};",
        "include sse-proxy/listen.conf;": f"include sse-proxy/{listen};",
        "/var/log/nginx/sse-proxy.log": str(ground.directory / "access.log"),
        **_certificates(ground, "/etc/nginx/tls"),
    }
    listening = {"[::]:443": ports[3], "listen 443": f"listen {ports[0]}"}
    values = {"sse-proxy.conf": site, listen: listening}
    for path in sorted((ROOT / "nginx").glob("*.conf")):
        shipped = ground.ship(str(path.relative_to(ROOT)), values.get(path.name, {}))
        shutil.move(shipped, folder / path.name)
    config = ground.directory / "nginx.conf"
    # Workers of root's nginx would be "nobody", who cannot enter the directories of tests.
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(_NGINX_MAIN.format(directory=ground.directory, user=user))
    return ("-e", "stderr", "-p", str(ground.directory), "-c", str(config))


def prepare_envoy(ground: Ground) -> Sequence[str]:
    """One thread, and nothing shared with other Envoys of this machine."""
    endpoint = "- endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {}}}}}}}"
    config = ground.ship(
        "hops/envoy/envoy.yaml",
        {
            'address: "::", ipv4_compat: true, port_value: 443': f"address: 127.0.0.1, port_value: {ground.port}",
            endpoint.format(7070): f"\n{' ' * 8}".join(endpoint.format(port) for port in ground.upstreams),
            **_certificates(ground, "/etc/envoy/tls"),
        },
    )
    base = ("--use-dynamic-base-id", "--base-id-path", str(ground.directory / "base-id"))
    return ("-c", str(config), "--concurrency", "1", "--log-level", "warning", *base)


def succeed_envoy(ground: Ground) -> Sequence[str]:
    """Hot restart: the second of two that share a base id takes over the sockets."""
    base_id = (ground.directory / "base-id").read_text()
    again = ("--base-id", base_id, "--restart-epoch", "1", "--parent-shutdown-time-s", "3600")
    return ("-c", str(ground.directory / "envoy.yaml"), "--concurrency", "1", "--log-level", "warning", *again)


def prepare_haproxy(ground: Ground) -> Sequence[str]:
    """A master with a worker, as distributions start it, but in the foreground."""
    servers = "\n".join(f"    server s{n} 127.0.0.1:{port}" for n, port in enumerate(ground.upstreams))
    config = ground.ship(
        "hops/haproxy/haproxy.cfg",
        {
            ":::443 v4v6": f"127.0.0.1:{ground.port}",
            "/etc/haproxy/llm.pem": str(ground.directory / "llm.pem"),
            "    server one 127.0.0.1:7070": servers,
        },
    )
    return ("-W", "-db", "-f", str(config))


def prepare_caddy(ground: Ground) -> Sequence[str]:
    """Without what it would listen on besides."""
    config = ground.ship(
        "hops/caddy/Caddyfile",
        {
            # Not a value of the shipped file: Caddy would take ports 80 and 2019 of this machine besides.
            "{\n\tservers": "{\n\tauto_https disable_redirects\n\tpersist_config off\n"
            f"\tadmin 127.0.0.1:{ground.spare_ports[0]}\n\tdefault_bind 127.0.0.1\n\tservers",
            ":443": f":{ground.port}",
            "reverse_proxy 127.0.0.1:7070": "reverse_proxy " + " ".join(f"127.0.0.1:{p}" for p in ground.upstreams),
            **_certificates(ground, "/etc/caddy/tls"),
        },
    )
    return ("run", "--config", str(config), "--adapter", "caddyfile")


def prepare_traefik(ground: Ground) -> Sequence[str]:
    """The static and the dynamic part."""
    servers = (f"- url: http://127.0.0.1:{port}" for port in ground.upstreams)
    dynamic = ground.ship(
        "hops/traefik/sse-proxy.yml",
        {
            "- url: http://127.0.0.1:7070": f"\n{' ' * 8}".join(servers),
            **_certificates(ground, "/etc/traefik/tls"),
        },
    )
    static = ground.ship(
        "hops/traefik/traefik.yml",
        {'":443"': f'"127.0.0.1:{ground.port}"', "/etc/traefik/sse-proxy.yml": str(dynamic)},
    )
    return (f"--configFile={static}",)
