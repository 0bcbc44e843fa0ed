"""Combinations of settings that are valid but that somebody will regret, each as one sentence.

A table of rules: when one holds, its sentence is told. Pure.
`sse-proxy config --audit` turns the list into exit code 1. `sse-proxy serve` warns of them when it starts, but for what
every container has, which is guarded by what is around it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from .model import Settings

__all__ = ["audit", "is_loopback", "risks_at_start"]

# Figures of others, all defaults: the shortest limit on silence that our own defaults survive (Azure's Application
# Gateway; then 30 seconds: CDNs; Fastly's 10 is nothing to warn everybody of), Kubernetes'
# terminationGracePeriodSeconds, and the longest keep-alive of a load balancer (Google's, fixed). All: docs/hops.md.
_SHORT_SILENCE_SECONDS = 20
_TERMINATION_GRACE_SECONDS = 30
_LONGEST_KEEP_ALIVE_SECONDS = 600


def is_loopback(host: str) -> bool:
    """True when only this machine reaches a listener on *host*; a name other than localhost counts as reachable."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def audit(settings: Settings) -> list[str]:
    """The risks of *settings*, one sentence each, in a fixed order; empty when there is none."""
    return [sentence for is_risky, sentence in (*_USUAL_RULES, *_RULES) if is_risky(settings)]


def risks_at_start(settings: Settings) -> list[str]:
    """Those of `audit` that a process warns of when it starts; low heartbeats it is warned of when they are read."""
    return [sentence for is_risky, sentence in _RULES if is_risky(settings) and is_risky is not _has_low_heartbeats]


def _is_open(settings: Settings) -> bool:
    return not is_loopback(settings.host) and settings.auth_tokens_file is None


def _is_admin_open(settings: Settings) -> bool:
    return not is_loopback(settings.admin_host) and settings.admin_token_file is None


def _has_no_heartbeat(settings: Settings) -> bool:
    return settings.heartbeat_seconds == 0 or settings.heartbeat_mode == "off"


def _drains_too_long(settings: Settings) -> bool:
    return settings.drain_delay_seconds + settings.drain_seconds >= _TERMINATION_GRACE_SECONDS


def _bridges_are_locked(settings: Settings) -> bool:
    return settings.auth_tokens_file is not None and any(route.is_bridge for route in settings.effective_routes)


def _has_low_heartbeats(settings: Settings) -> bool:
    return 0 < settings.heartbeat_seconds < 5


def _has_late_heartbeats(settings: Settings) -> bool:
    given = [settings.heartbeat_seconds, *(route.heartbeat_seconds or 0 for route in settings.effective_routes)]
    return any(seconds >= _SHORT_SILENCE_SECONDS for seconds in given)


def _trusts_everybody(settings: Settings) -> bool:
    return any(
        each == "*" or ipaddress.ip_network(each, strict=False).prefixlen == 0 for each in settings.trusted_proxies
    )


_Rules = tuple[tuple[Callable[[Settings], bool], str], ...]

# Where a network policy, a service or a firewall stands in front, this is as it should be.
_USUAL_RULES: _Rules = (
    (_is_open, "host is not loopback and auth_tokens_file is not set: whoever reaches the port uses the upstream"),
    (
        _is_admin_open,
        "admin_host is not loopback and admin_token_file is not set: whoever reaches the port can drain this process",
    ),
)

_RULES: _Rules = (
    (
        lambda settings: settings.resume != "off" and _is_open(settings),
        "resume with a host that is not loopback and no auth_tokens_file: keyless callers share their streams",
    ),
    (
        lambda settings: settings.playground and _is_open(settings),
        "playground with a host that is not loopback and no auth_tokens_file: whoever reaches the port sees the totals",
    ),
    (
        lambda settings: "*" in settings.cors_origins and settings.auth_tokens_file is not None,
        "cors_origins is * with auth_tokens_file: any web page may use a token that it gets hold of",
    ),
    (
        lambda settings: "*" in settings.cors_origins and settings.auth_tokens_file is None,
        "cors_origins is * without auth_tokens_file: any web page that a user visits may use the upstream",
    ),
    (
        _bridges_are_locked,
        "bridge with auth_tokens_file: an EventSource cannot send a token, so that only fetch gets through",
    ),
    (
        lambda settings: settings.resume != "off" and not settings.resume_owner_headers,
        "resume without resume_owner_headers: all callers are one, so that whoever guesses a chat key gets its stream",
    ),
    (
        _trusts_everybody,
        "trusted_proxies is * or all addresses: any client may forge the address that limits and logs see",
    ),
    (_has_no_heartbeat, "heartbeats are off: hops in front cut a silent stream, many after 60 seconds, some after 10"),
    (
        _has_low_heartbeats,
        "heartbeat_seconds is below 5: some SDKs give up after 300 heartbeats in a row",
    ),
    (
        _has_late_heartbeats,
        "heartbeat_seconds is 20 or more: some hops cut a stream that is silent for 20 or 30 seconds",
    ),
    (
        lambda settings: settings.commit_after_seconds == 0,
        "commit_after_seconds is 0: no heartbeat before the upstream's first byte, so hops cut long prefills",
    ),
    (
        lambda settings: settings.commit_after_seconds >= _SHORT_SILENCE_SECONDS,
        "commit_after_seconds is 20 or more: some hops give up on a response that has not begun after 20 or 30 seconds",
    ),
    (
        _drains_too_long,
        "drain_delay_seconds and drain_seconds make 30 or more: Kubernetes kills a pod after 30 seconds by default",
    ),
    (
        lambda settings: settings.keep_alive_seconds <= _LONGEST_KEEP_ALIVE_SECONDS,
        "keep_alive_seconds is 600 or less: load balancers that keep theirs longer (Google 600, AWS 60) answer 502",
    ),
    (
        lambda settings: settings.max_event_bytes > settings.max_buffer_bytes > 0,
        "max_event_bytes is above max_buffer_bytes: one large event has all new streams refused, and is given up",
    ),
    (
        lambda settings: settings.resume != "off" and settings.resume_stream_bytes > settings.resume_total_bytes,
        "resume_stream_bytes is above resume_total_bytes: one long stream takes the place of all others that are kept",
    ),
)
