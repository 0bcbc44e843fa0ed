"""The servers under test, by name."""

from __future__ import annotations

from .base import CHAT, OPENAI_AND_ANTHROPIC, Ground, Launch, Peer
from .envoy import ENVOY
from .general import CADDY, HAPROXY, NGINX, TRAEFIK
from .llm import LITELLM, SGLANG_ROUTER, VLLM_ROUTER
from .ours import BRIDGE, OURS
from .relays import HTTPX_RELAY, SSE_STARLETTE_RELAY

__all__ = ["CHAT", "DIRECT", "OPENAI_AND_ANTHROPIC", "PEERS", "TITLES", "Ground", "Launch", "Peer"]

#: Not a peer but the floor: the load generator asks the upstream itself.
DIRECT = "direct"

PEERS = {
    peer.name: peer
    for peer in (
        *(OURS, BRIDGE, NGINX, HAPROXY, ENVOY, CADDY, TRAEFIK),
        *(VLLM_ROUTER, SGLANG_ROUTER, LITELLM, HTTPX_RELAY, SSE_STARLETTE_RELAY),
    )
}
TITLES = {DIRECT: "no proxy", **{peer.name: peer.title for peer in PEERS.values()}}
