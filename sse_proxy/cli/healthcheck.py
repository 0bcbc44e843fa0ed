"""``sse-proxy healthcheck``: for a container's HEALTHCHECK, where there may be no curl."""

from __future__ import annotations

import http.client
from typing import Any

import click

from ..settings import SettingsError
from ..sockets import format_address
from .options import load, setting_options
from .reach import admin_address

__all__ = ["COMMANDS"]

# Less than the intervals and timeouts that containers are probed with.
_TIMEOUT_SECONDS = 3.0


@click.command()
@setting_options(only=("admin_host", "admin_port"))
def healthcheck(config: str | None, **flags: Any) -> int:
    """Exit with 0 when the admin port says that the process is alive, else with 1."""
    try:
        settings = load(config, flags, require_upstream=False).settings
    except SettingsError as error:
        # A container runtime knows 0 and 1 only; 2 is reserved.
        click.echo(f"unhealthy: {error}", err=True)
        return 1
    host, port = admin_address(settings)
    connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        click.echo(f"unhealthy: http://{format_address((host, port))}/healthz: {error}", err=True)
        return 1
    finally:
        connection.close()
    if status != http.client.OK:
        click.echo(f"unhealthy: http://{format_address((host, port))}/healthz: status {status}", err=True)
        return 1
    click.echo("healthy")
    return 0


COMMANDS = {"healthcheck": healthcheck}
