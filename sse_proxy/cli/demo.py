"""``sse-proxy demo``: the proxy in front of the embedded mock, with lines to paste; nothing else to install."""

from __future__ import annotations

import contextlib
from typing import Any

import click

from ..settings import Loaded, Settings
from .options import load, setting_options

__all__ = ["COMMANDS"]

_GUIDE = """\
sse-proxy demo: the proxy in front of a mock LLM server. Ctrl-C ends it.

  page     {proxy}/-/sse-proxy/  (open this: every stream with and without the proxy, side by side)
  proxy    {proxy}
  mock     {mock}  (the same without the proxy)
  metrics  {metrics}/metrics

A chat completion, token by token:
  curl -N {proxy}/v1/chat/completions -H 'Content-Type: application/json' -d '{chat}'
Heartbeats (": ping") while the model is silent for 10 seconds; here after {heartbeat:g} s, elsewhere after 15:
  curl -N '{proxy}/v1/chat/completions?prefill=10' -H 'Content-Type: application/json' -d '{chat}'
A server that frames its events wrongly, repaired (compare with {mock}):
  curl -N '{proxy}/v1/chat/completions?defect={defect}' -H 'Content-Type: application/json' -d '{chat}'
A server that dies in the middle, told as an error instead of a short answer:
  curl -N '{proxy}/v1/chat/completions?die_after=5' -H 'Content-Type: application/json' -d '{chat}'
An Anthropic message:
  curl -N {proxy}/v1/messages -H 'Content-Type: application/json' -d '{message}'
What the way here does to streams; with a proxy of yours in front, the URL of that:
  sse-proxy doctor {proxy}
"""
_CHAT = '{"model": "mock", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'
_MESSAGE = '{"model": "mock", "stream": true, "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}'

#: Shorter than one would have them.
_QUICK = {"heartbeat_seconds": 2.0, "commit_after_seconds": 2.0}


@click.command()
@setting_options(without=("upstream",))
def demo(config: str | None, **flags: Any) -> int:
    """Run the proxy in front of an embedded mock LLM server, and show what to try.

    Takes the flags of serve but --upstream.
    """
    from ..demo import create_mock, menu
    from ..server import Bound
    from ..sockets import address_of, format_address, listen
    from .console import watcher
    from .process import configure_logging, run

    with contextlib.closing(listen("127.0.0.1", 0)) as listening:
        mock = f"http://{format_address(address_of(listening))}"
        loaded = load(config, {**flags, "upstream": mock}, require_upstream=True)
        settings = _shown(loaded)
        configure_logging(loaded)

        def tell(bound: Bound) -> None:
            scheme = "https" if settings.tls_cert_file else "http"
            guide = _GUIDE.format(
                proxy=f"{scheme}://{format_address(bound.traffic)}",
                mock=mock,
                metrics=f"http://{format_address(bound.admin)}" if bound.admin else "",
                heartbeat=settings.heartbeat_seconds,
                defect="single_newline",
                chat=_CHAT,
                message=_MESSAGE,
            )
            click.echo(guide)

        return run(
            settings,
            on_ready=tell,
            extra=[(create_mock(), listening)],
            watch=watcher(settings.log_format),
            menu=menu(bridged=settings.bridge == _bridge()["bridge"]),
        )


def _bridge() -> dict[str, Any]:
    from ..demo.menu import BRIDGE, BRIDGE_MODEL, BRIDGE_TARGET

    return {"bridge": (f"{BRIDGE}={BRIDGE_TARGET}",), "bridge_model": BRIDGE_MODEL}


def _shown(loaded: Loaded) -> Settings:
    """The settings, with everything on that there is to see, but for what was given.

    Nothing here is anybody's, and nobody waits 15 seconds to see a heartbeat.
    """
    wanted = {"playground": True, "probe": True, "resume": "memory", **_QUICK}
    update = {name: value for name, value in wanted.items() if loaded.sources[name] == "default"}
    if not loaded.settings.effective_routes and loaded.settings.bridge_model is None:
        update |= _bridge()
    return loaded.settings.model_copy(update=update)


COMMANDS = {"demo": demo}
