"""The endings of docs/drain.md: the default settings, and what is left out or too short in the controls."""

from __future__ import annotations

from dataclasses import replace

from .play import Plan

__all__ = ["SCENARIOS", "Scenario"]

#: Heading, what is different, plan, and what must become of the streams in flight.
Scenario = tuple[str, str, Plan, str]

# 15 seconds each; the grace period is what the chart computes: delay, drain and ten seconds.
_USUAL = Plan(streams=50, tokens=60, rate=4, delay_seconds=5, drain_seconds=20, grace_seconds=35)
_ENDLESS = 10_000

SCENARIOS: tuple[Scenario, ...] = (
    ("Native sidecar", "the hook, the default settings, 50 streams of 15 s", _USUAL, "whole"),
    (
        "Native sidecar, streams that do not end",
        "the same, with streams longer than `drain_seconds`",
        replace(_USUAL, tokens=_ENDLESS),
        "told drained",
    ),
    (
        "Classic sidecar",
        "a plain second container: its SIGTERM comes at once, and it drains by itself",
        replace(_USUAL, native_sidecar=False),
        "whole",
    ),
    (
        "Control: the LLM container has no hook",
        "the LLM server gets SIGTERM at once",
        replace(_USUAL, llm_hook=False),
        "told upstream_error",
    ),
    (
        "Control: the grace period is too short",
        "10 s instead of 35: the hook is given up",
        replace(_USUAL, grace_seconds=10),
        "told upstream_error",
    ),
)
