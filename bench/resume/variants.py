"""Our server in the forms that are compared: with streams kept here or there, and with streams that are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..load import request_for
from ..peers import CHAT, PEERS, Ground, Launch, Peer

__all__ = ["ASKING", "IDS", "NUMBERED", "OFF", "REDIS", "UNKEPT", "Variant", "variants", "with_flags"]

#: What a request says for its stream to be kept.
ASKING = ("X-SSE-Resume: on",)
OFF = "off"
IDS = "ids"
REDIS = "redis"
#: What is measured at the same time: streams that pass as they are, and streams that get ids.
UNKEPT = "unkept"
NUMBERED = "numbered"
_IDS_PATH = "/ids"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Variant:
    """One way of running it."""

    name: str
    #: As the table calls it.
    title: str
    peer: Peer
    request: bytes
    group: str
    #: The variant that it is compared with.
    base: str
    environment: Mapping[str, str] = field(default_factory=dict)


def with_flags(peer: Peer, *flags: str) -> Peer:
    """*peer*, started with *flags* besides its own."""

    def launch(ground: Ground) -> Launch:
        plain = peer.launch(ground)
        return replace(plain, arguments=(*plain.arguments, *flags))

    return replace(peer, launch=launch)


def variants(redis_url: str, against: str | None) -> tuple[Variant, ...]:
    """All of them; with *against* also the checkout there, in front of streams that nobody keeps."""
    ours, bridge = PEERS["sse-proxy"], PEERS["sse-proxy bridge"]
    plain, asking = request_for(CHAT), request_for(CHAT, headers=ASKING)
    bridged = request_for(_IDS_PATH)
    memory = ("--resume", "memory")
    then = Variant(
        name="before",
        title="the version before resume",
        peer=ours,
        request=plain,
        group=UNKEPT,
        base=OFF,
        environment={"PYTHONPATH": against or ""},
    )
    return (
        *([then] if against else []),
        Variant(name=OFF, title="`resume = off`", peer=ours, request=plain, group=UNKEPT, base=OFF),
        Variant(
            name="unasked",
            title="`resume = memory`, request does not ask",
            peer=with_flags(ours, *memory),
            request=plain,
            group=UNKEPT,
            base=OFF,
        ),
        Variant(name=IDS, title="ids on, no store (a bridge)", peer=bridge, request=bridged, group=NUMBERED, base=IDS),
        Variant(
            name="memory",
            title="`resume = memory`",
            peer=with_flags(ours, *memory),
            request=asking,
            group=NUMBERED,
            base=IDS,
        ),
        Variant(
            name="bridge-memory",
            title="`resume = memory`, through that bridge",
            peer=with_flags(bridge, *memory),
            request=bridged,
            group=NUMBERED,
            base=IDS,
        ),
        Variant(
            name=REDIS,
            title="`resume = redis`",
            peer=with_flags(ours, "--resume", redis_url),
            request=asking,
            group=NUMBERED,
            base=IDS,
        ),
    )
