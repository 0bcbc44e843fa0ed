"""The general proxies, each set up as its manual says for event streams: nothing is held back, and one thread."""

from __future__ import annotations

from ..descriptors import open_files_limit
from .base import CACHE, OPENAI_AND_ANTHROPIC, Ground, Launch, Peer, binary, program_version

__all__ = ["CADDY", "HAPROXY", "NGINX", "TRAEFIK"]

_SYSTEM = CACHE / "system" / "usr"
_NGINX = _SYSTEM / "sbin" / "nginx"
_HAPROXY = _SYSTEM / "sbin" / "haproxy"
_CADDY = binary("proxies", "caddy")
_TRAEFIK = binary("proxies", "traefik")
#: Libraries that came with the programs, since the system lacks them.
_LIBRARIES = {"LD_LIBRARY_PATH": ":".join(str(path) for path in sorted(_SYSTEM.glob("lib/*-linux-gnu")))}
#: Go's word for one core.
_ONE_THREAD = {"GOMAXPROCS": "1"}

_NGINX_CONFIG = """
daemon off;
worker_processes 1;
worker_rlimit_nofile {descriptors};
pid {directory}/nginx.pid;
error_log stderr error;
events {{ worker_connections {descriptors}; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    upstream llm {{
        server {upstream};
        keepalive 1024;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://llm;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 1h;
            proxy_send_timeout 1h;
        }}
    }}
}}
"""

_HAPROXY_CONFIG = """
global
    nbthread 1
    maxconn {connections}
defaults
    mode http
    option http-no-delay
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend clients
    bind 127.0.0.1:{port} backlog 4096
    default_backend llm
backend llm
    server llm {upstream}
"""

_CADDYFILE = """
{{
    admin off
    auto_https off
    persist_config off
    log {{
        level ERROR
    }}
}}
http://127.0.0.1:{port} {{
    bind 127.0.0.1
    reverse_proxy {upstream} {{
        flush_interval -1
    }}
}}
"""

_TRAEFIK_CONFIG = """
global: {{checkNewVersion: false, sendAnonymousUsage: false}}
log: {{level: ERROR}}
entryPoints:
  web:
    address: "127.0.0.1:{port}"
    transport: {{respondingTimeouts: {{readTimeout: 0s, writeTimeout: 0s}}}}
providers:
  file: {{filename: "{directory}/routes.yml", watch: false}}
"""

_TRAEFIK_ROUTES = """
http:
  routers:
    llm: {{rule: "PathPrefix(`/`)", service: llm, entryPoints: [web]}}
  services:
    llm:
      loadBalancer:
        responseForwarding: {{flushInterval: "-1ms"}}
        servers: [{{url: "http://{upstream}"}}]
"""


def _config(template: str, ground: Ground) -> str:
    limit = open_files_limit()
    return template.format(
        directory=ground.directory,
        port=ground.port,
        upstream=ground.upstream,
        descriptors=limit,
        # Two descriptors a connection, and some for itself.
        connections=limit // 2 - 200,
    )


def _nginx(ground: Ground) -> Launch:
    config = ground.write("nginx.conf", _config(_NGINX_CONFIG, ground))
    return Launch(arguments=(str(_NGINX), "-e", "stderr", "-p", str(ground.directory), "-c", config))


def _haproxy(ground: Ground) -> Launch:
    config = ground.write("haproxy.cfg", _config(_HAPROXY_CONFIG, ground))
    return Launch(arguments=(str(_HAPROXY), "-db", "-f", config), environment=_LIBRARIES)


def _caddy(ground: Ground) -> Launch:
    config = ground.write("Caddyfile", _config(_CADDYFILE, ground))
    home = {"HOME": str(ground.directory), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": ""}
    return Launch(
        arguments=(str(_CADDY), "run", "--config", config, "--adapter", "caddyfile"),
        environment={**_ONE_THREAD, **home},
    )


def _traefik(ground: Ground) -> Launch:
    ground.write("routes.yml", _config(_TRAEFIK_ROUTES, ground))
    config = ground.write("traefik.yml", _config(_TRAEFIK_CONFIG, ground))
    return Launch(arguments=(str(_TRAEFIK), f"--configFile={config}"), environment=_ONE_THREAD)


NGINX = Peer(
    name="nginx",
    title="nginx (`proxy_buffering off`)",
    needs=_NGINX,
    launch=_nginx,
    version=program_version(str(_NGINX), "-v"),
    paths=OPENAI_AND_ANTHROPIC,
)
HAPROXY = Peer(
    name="haproxy",
    title="HAProxy",
    needs=_HAPROXY,
    launch=_haproxy,
    version=program_version(str(_HAPROXY), "-v", environment=_LIBRARIES),
    paths=OPENAI_AND_ANTHROPIC,
)
CADDY = Peer(
    name="caddy",
    title="Caddy (`flush_interval -1`)",
    needs=_CADDY,
    launch=_caddy,
    version=program_version(str(_CADDY), "version"),
    paths=OPENAI_AND_ANTHROPIC,
)
TRAEFIK = Peer(
    name="traefik",
    title="Traefik",
    needs=_TRAEFIK,
    launch=_traefik,
    version=program_version(str(_TRAEFIK), "version"),
    paths=OPENAI_AND_ANTHROPIC,
)
