"""sse-proxy as it is by default: heartbeats, verified endings, checks of the framing, metrics and log, all on."""

from __future__ import annotations

import sys
from pathlib import Path

from .base import OPENAI_AND_ANTHROPIC, Ground, Launch, Peer, venv_version

__all__ = ["BRIDGE", "OURS"]

_PROGRAM = Path(sys.executable).with_name("sse-proxy")

#: The same chat stream, with an id in each event and then also as ``{"token"}`` events.
_ROUTES = """
[[routes]]
path = "/ids"
upstream_path = "/v1/chat/completions"
output = "native"
body = {model = "bench", stream = true, messages = [{role = "user", content = "{prompt}"}]}

[[routes]]
path = "/tokens"
upstream_path = "/v1/chat/completions"
output = "tokens"
body = {model = "bench", stream = true, messages = [{role = "user", content = "{prompt}"}]}
"""


def _arguments(ground: Ground) -> tuple[str, ...]:
    ports = ("--port", str(ground.port), "--admin-port", str(ground.admin_port))
    return (str(_PROGRAM), "serve", "--upstream", f"http://{ground.upstream}", *ports)


def _launch(ground: Ground) -> Launch:
    return Launch(arguments=_arguments(ground))


def _launch_bridge(ground: Ground) -> Launch:
    return Launch(arguments=(*_arguments(ground), "--config", ground.write("routes.toml", _ROUTES)))


OURS = Peer(
    name="sse-proxy",
    title="**sse-proxy**",
    needs=_PROGRAM,
    launch=_launch,
    version=venv_version(Path(sys.executable), "sse-proxy"),
    paths=OPENAI_AND_ANTHROPIC,
    ready_path="/-/sse-proxy/readyz",
)
BRIDGE = Peer(
    name="sse-proxy bridge",
    title="sse-proxy, bridge",
    needs=_PROGRAM,
    launch=_launch_bridge,
    version=OURS.version,
    paths={"ids": "/ids", "tokens": "/tokens"},
    ready_path="/-/sse-proxy/readyz",
)
