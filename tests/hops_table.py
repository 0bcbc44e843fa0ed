"""The rows: each hop with its negative controls, which are what people do to it by mistake.

A control is known by the promise that it breaks: ``pace`` (events are held back), ``cut`` (a long answer is ended),
``repeat`` (a POST is sent twice), ``crash`` (a torn answer ends like a whole one), ``leave`` (the upstream goes on for
nobody), ``reload`` (a new configuration ends running streams).
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping

from .hops_programs import (
    Change,
    Hop,
    prepare_caddy,
    prepare_envoy,
    prepare_haproxy,
    prepare_nginx,
    prepare_traefik,
    succeed_envoy,
)

__all__ = ["HOPS"]

_NGINX_CONTROLS: Mapping[str, Change] = {
    "pace": {
        "sse-location.conf": {
            "proxy_buffering off;": "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;",
            "gzip off;": "gzip on;",
        },
        "proxy.conf": {"proxy_http_version 1.1;": "proxy_http_version 1.0;"},
    },
    "repeat": {"proxy.conf": {"error timeout;": "error timeout non_idempotent;"}},
    "crash": {"sse-location.conf": {"gzip off;": "gzip off; chunked_transfer_encoding off;"}},
    "leave": {"proxy.conf": {"proxy_ignore_client_abort off;": "proxy_ignore_client_abort on;"}},
    "cut": {"proxy.conf": {"proxy_read_timeout 620s;": "proxy_read_timeout 200ms;"}},
    "reload": {"main.conf": {"worker_shutdown_timeout 1h;": "worker_shutdown_timeout 1s;"}},
}
_ROUTE = "timeout: 0s # the WHOLE answer"
_ENVOY_CONTROLS: Mapping[str, Change] = {
    # A filter that wants to see the whole body; ext_proc in BUFFERED mode does the same.
    "pace": {
        "envoy.yaml": {
            "http_filters:": "http_filters:\n"
            "          - name: envoy.filters.http.lua\n"
            "            typed_config:\n"
            '              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua\n'
            "              default_source_code:\n"
            '                inline_string: "function envoy_on_response(handle) handle:body() end"'
        }
    },
    "repeat": {"envoy.yaml": {_ROUTE: f"retry_policy: {{retry_on: reset, num_retries: 1}}\n{' ' * 18}{_ROUTE}"}},
    "cut": {"envoy.yaml": {_ROUTE: _ROUTE.replace("0s", "0.6s")}},
}
_HAPROXY_CONTROLS: Mapping[str, Change] = {
    "pace": {
        "haproxy.cfg": {"    balance leastconn": "    http-response wait-for-body time 60s\n    balance leastconn"}
    },
    "repeat": {"haproxy.cfg": {"retry-on conn-failure ": "retry-on all-retryable-errors "}},
    "cut": {"haproxy.cfg": {"timeout server 620s": "timeout server 200ms"}},
    "reload": {"haproxy.cfg": {"hard-stop-after 1h": "hard-stop-after 1s"}},
}
_HAPROXY_FLAWS = {"2.6.": frozenset({"h2 torn", "h2 mute"})}
_CADDY_CONTROLS: Mapping[str, Change] = {
    "pace": {"Caddyfile": {"lb_retries 0": "response_buffers 1MiB\n\t\tlb_retries 0"}},
    "repeat": {
        "Caddyfile": {
            "lb_retries 0 ": "request_buffers 1MiB\n\t\tlb_retries 1\n\t\tlb_retry_match {\n\t\t\tmethod POST\n\t\t}\n#"
        }
    },
}


def _traefik_middleware(text: str) -> Change:
    changes = {"      service: sse-proxy": "      service: sse-proxy\n      middlewares: [control]"}
    return {"sse-proxy.yml": {**changes, "http:\n": f"http:\n  middlewares: {{control: {text}}}\n"}}


_TRAEFIK_CONTROLS: Mapping[str, Change] = {
    "pace": _traefik_middleware("{buffering: {maxResponseBodyBytes: 1048576}}"),
    "repeat": _traefik_middleware('{retry: {attempts: 2, retryNonIdempotentMethod: true, status: ["502"]}}'),
    "cut": {"traefik.yml": {"writeTimeout: 0s": "writeTimeout: 600ms"}},
}


def _signal(number: signal.Signals) -> Callable[[asyncio.subprocess.Process], None]:
    return lambda process: process.send_signal(number)


HOPS: Mapping[str, Hop] = {
    hop.name: hop
    for hop in (
        Hop(
            name="nginx",
            title="nginx",
            program="nginx",
            version_flag="-v",
            prepare=prepare_nginx,
            controls=_NGINX_CONTROLS,
            reload=_signal(signal.SIGHUP),
        ),
        Hop(
            name="nginx-current",
            title="nginx",
            program="nginx-current",
            version_flag="-v",
            prepare=prepare_nginx,
            controls=_NGINX_CONTROLS,
            reload=_signal(signal.SIGHUP),
        ),
        Hop(
            name="envoy",
            title="Envoy",
            program="envoy",
            version_flag="--version",
            prepare=prepare_envoy,
            successor=succeed_envoy,
            controls=_ENVOY_CONTROLS,
        ),
        Hop(
            name="haproxy",
            title="HAProxy",
            program="haproxy",
            version_flag="-v",
            prepare=prepare_haproxy,
            controls=_HAPROXY_CONTROLS,
            reload=_signal(signal.SIGUSR2),
            flaws=_HAPROXY_FLAWS,
        ),
        Hop(
            name="haproxy-current",
            title="HAProxy",
            program="haproxy-current",
            version_flag="-v",
            prepare=prepare_haproxy,
            controls=_HAPROXY_CONTROLS,
            reload=_signal(signal.SIGUSR2),
            flaws=_HAPROXY_FLAWS,
        ),
        Hop(
            name="caddy",
            title="Caddy",
            program="caddy",
            version_flag="version",
            prepare=prepare_caddy,
            controls=_CADDY_CONTROLS,
            flaws={"2.": frozenset({"reload"})},
            reload=_signal(signal.SIGUSR1),
        ),
        Hop(
            name="traefik",
            title="Traefik",
            program="traefik",
            version_flag="version",
            prepare=prepare_traefik,
            controls=_TRAEFIK_CONTROLS,
            reload=lambda process: None,  # it watches the file
        ),
    )
}
