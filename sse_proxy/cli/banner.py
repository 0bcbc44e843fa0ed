"""What is on, told when `serve` is ready: for people as a few lines, for machines as the fields of one log record."""

from __future__ import annotations

from typing import Any

from ..core.probing import PROBE
from ..core.target import RESERVED_PREFIX
from ..settings import Settings, mask
from ..version import version

__all__ = ["banner", "facts"]

_LIMITS = ("max_streams", "max_streams_per_client", "max_request_bytes")


def banner(settings: Settings, *, proxy: str, admin: str | None) -> list[str]:
    """The lines, without colour; *proxy*, *admin*: the URLs of the listeners, None where there is no admin port."""
    rows = [
        ("upstream", mask(settings.upstream or "")),
        ("heartbeats", _heartbeats(settings)),
        ("timeouts", _timeouts(settings)),
        ("resume", _resume(settings)),
        ("access", _access(settings)),
    ]
    if limits := _limits(settings):
        rows.append(("limits", ", ".join(f"{name} {value}" for name, value in limits.items())))
    if settings.cors_origins:
        rows.append(("CORS", ", ".join(settings.cors_origins)))
    if routes := settings.effective_routes:
        bridges = ", ".join(route.path for route in routes if route.is_bridge)
        rows.append(("routes", f"{len(routes)}, bridges at {bridges}" if bridges else str(len(routes))))
    if settings.playground:
        rows.append(("playground", _page(proxy)))
    if settings.probe:
        rows.append(("probe", f"sse-proxy doctor {proxy}"))
    if settings.tracing:
        rows.append(("tracing", "OpenTelemetry, over OTLP"))
    if admin is not None:
        rows.append(("metrics", f"{admin}/metrics (streams: sse-proxy top --admin {admin})"))
    return [f"sse-proxy {version()} is ready: {proxy}", *(f"  {name:10}  {text}" for name, text in rows)]


def facts(settings: Settings, *, proxy: str, admin: str | None) -> dict[str, Any]:
    """The same as attributes of a log record, ready for JSON."""
    return {
        "version": version(),
        "url": proxy,
        "upstream": mask(settings.upstream or ""),
        "metrics": None if admin is None else f"{admin}/metrics",
        "heartbeat_mode": settings.heartbeat_mode,
        "heartbeat_seconds": settings.heartbeat_seconds,
        "resume": mask(settings.resume),
        "auth": settings.auth_tokens_file is not None,
        "cors_origins": list(settings.cors_origins),
        "routes": len(settings.effective_routes),
        "limits": _limits(settings),
        "playground": _page(proxy) if settings.playground else None,
        "probe": f"{proxy}{RESERVED_PREFIX}{PROBE}" if settings.probe else None,
        "tracing": settings.tracing,
    }


def _page(proxy: str) -> str:
    return proxy + RESERVED_PREFIX


def _limits(settings: Settings) -> dict[str, int]:
    """Those that are off unless somebody sets them, by their names; what has a default is in the settings' table."""
    return {name: value for name in _LIMITS if (value := getattr(settings, name))}


def _heartbeats(settings: Settings) -> str:
    if settings.heartbeat_seconds == 0 or settings.heartbeat_mode == "off":
        return "off"
    late = settings.commit_after_seconds
    begins = f"; a late answer begins after {late:g} s" if late else ""
    return f"after {settings.heartbeat_seconds:g} s of silence ({settings.heartbeat_mode}){begins}"


def _timeouts(settings: Settings) -> str:
    total = f"{settings.total_timeout_seconds:g} s" if settings.total_timeout_seconds else "none"
    return (
        f"first event {settings.first_event_timeout_seconds:g} s, between events {settings.idle_timeout_seconds:g} s,"
        f" whole stream {total}"
    )


def _resume(settings: Settings) -> str:
    if settings.resume == "off":
        return "off"
    return f"{mask(settings.resume)}, kept {settings.resume_ttl_seconds:g} s after the end"


def _access(settings: Settings) -> str:
    return "whoever reaches the port" if settings.auth_tokens_file is None else "with a token of auth_tokens_file"
