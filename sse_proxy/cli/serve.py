"""``sse-proxy serve``: the proxy."""

from __future__ import annotations

import logging
from typing import Any

import click

from .options import load, setting_options

__all__ = ["COMMANDS"]

logger = logging.getLogger("sse_proxy")


@click.command()
@setting_options()
def serve(config: str | None, **flags: Any) -> int:
    """Run the proxy in front of the LLM server at --upstream.

    SIGTERM drains: readiness fails at once, streams may end, exit code 0. A second signal ends at once.
    """
    loaded = load(config, flags, require_upstream=True)
    settings = loaded.settings

    from ..server import Bound
    from ..sockets import format_address
    from .process import configure_logging, run

    configure_logging(loaded)

    def tell(bound: Bound) -> None:
        scheme = "https" if settings.tls_cert_file else "http"
        admin = f", admin on http://{format_address(bound.admin)}" if bound.admin else ""
        logger.info("ready: %s://%s for %s%s", scheme, format_address(bound.traffic), settings.upstream, admin)

    return run(settings, on_ready=tell)


COMMANDS = {"serve": serve}
