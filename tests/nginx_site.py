"""The shipped nginx site for tests that are about nginx alone, and a second, ignorant nginx to put in front of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from .hops_programs import ROOT, Ground, Hop
from .hops_table import HOPS

__all__ = ["FILES", "NGINX", "NGINX_CURRENT", "VERSIONS", "ignorant", "located"]

NGINX = HOPS["nginx"]
NGINX_CURRENT = HOPS["nginx-current"]
VERSIONS = ("nginx", "nginx-current")
FILES = sorted((ROOT / "nginx").glob("*.conf"))

# What `nginx` does with a plain proxy_pass, as of before 1.29.7: buffered, HTTP/1.0.
_IGNORANT = """
daemon off;
pid {directory}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {directory}/fullchain.pem;
        ssl_certificate_key {directory}/privkey.pem;
        location / {{
            proxy_pass https://127.0.0.1:{upstream};
            proxy_ssl_name llm.example.com;
            proxy_ssl_server_name on;
            proxy_set_header Host llm.example.com;
        }}
    }}
}}
"""


def _prepare_ignorant(ground: Ground) -> Sequence[str]:
    config = ground.directory / "nginx.conf"
    config.write_text(_IGNORANT.format(directory=ground.directory, port=ground.port, upstream=ground.upstreams[0]))
    return ("-e", "stderr", "-p", str(ground.directory), "-c", str(config))


def ignorant() -> Hop:
    """An nginx that nobody has told of streams, with TLS on both sides."""
    return dataclasses.replace(NGINX, name="ignorant", prepare=_prepare_ignorant, controls={}, reload=None)


def located(include: str) -> dict[str, dict[str, str]]:
    """The change that includes one more of the shipped files in the locations of streams."""
    return {"sse-location.conf": {"proxy_buffering off;": f"include sse-proxy/{include};\nproxy_buffering off;"}}
