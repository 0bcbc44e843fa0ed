"""``sse-proxy serve``: the proxy."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import click

from ..settings import Loaded, Settings, SettingsError, risks_at_start
from .options import load, setting_options

__all__ = ["COMMANDS"]

logger = logging.getLogger("sse_proxy")

_EXIT_USAGE = 2


@click.command()
@setting_options()
def serve(config: str | None, **flags: Any) -> int:
    """Run the proxy in front of the LLM server at --upstream.

    Without one, the usual servers are looked for on this machine, and the line to type is told.

    SIGTERM drains: readiness fails at once, streams may end, exit code 0. A second signal ends at once.
    """
    try:
        loaded = load(config, flags, require_upstream=True)
    except SettingsError as error:
        settings = _without_upstream(config, flags)
        if settings is None:
            raise
        return _explain(error, settings)
    return _serve(loaded)


def _without_upstream(config: str | None, flags: dict[str, Any]) -> Settings | None:
    """The settings, if all that is wrong with them is that there is no upstream."""
    try:
        return load(config, flags, require_upstream=False).settings
    except SettingsError:
        return None


def _explain(error: SettingsError, settings: Settings) -> int:
    """Say what is missing, as any mistake is told, and then what could be given."""
    from .neighbours import DEFAULT_PORTS, find, suggestions

    click.echo(f"sse-proxy: {error}", err=True)
    own = {settings.port, settings.admin_port}
    found = asyncio.run(find(DEFAULT_PORTS.values(), avoid=own))
    looked_for = {name: port for name, port in DEFAULT_PORTS.items() if port not in own}
    for line in suggestions(found, looked_for):
        click.echo(line, err=True)
    return _EXIT_USAGE


def _serve(loaded: Loaded) -> int:
    from ..colours import wants_colours
    from ..server import Bound
    from ..sockets import format_address
    from .banner import banner, facts
    from .process import configure_logging, run

    settings = loaded.settings
    configure_logging(loaded)
    for risk in risks_at_start(settings):
        logger.warning("%s", risk)

    def tell(bound: Bound) -> None:
        scheme = "https" if settings.tls_cert_file else "http"
        proxy = f"{scheme}://{format_address(bound.traffic)}"
        admin = f"http://{format_address(bound.admin)}" if bound.admin else None
        if settings.log_format != "json" and sys.stderr.isatty():
            first, *others = banner(settings, proxy=proxy, admin=admin)
            click.echo(click.style(first, bold=True) if wants_colours(sys.stderr) else first, err=True)
            click.echo("\n".join(others), err=True)
            return
        where = f", admin on {admin}" if admin else ""
        told = facts(settings, proxy=proxy, admin=admin)
        logger.info("ready: %s for %s%s", proxy, told["upstream"], where, extra=told)

    return run(settings, on_ready=tell)


COMMANDS = {"serve": serve}
