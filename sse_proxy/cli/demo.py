"""``sse-proxy demo``: the proxy in front of the embedded mock, with lines to paste; nothing else to install."""

from __future__ import annotations

import contextlib
from typing import Any

import click

from .options import load, setting_options

__all__ = ["COMMANDS"]

_GUIDE = """\
sse-proxy demo: the proxy in front of a mock LLM server. Ctrl-C ends it.

  proxy    {proxy}
  mock     {mock}  (the same without the proxy)
  metrics  {metrics}/metrics

A chat completion, token by token:
  curl -N {proxy}/v1/chat/completions -H 'Content-Type: application/json' -d '{chat}'
Heartbeats while the model is silent for 40 seconds (": ping"; at once: restart with --heartbeat-seconds 2
--commit-after-seconds 2):
  curl -N '{proxy}/v1/chat/completions?prefill=40' -H 'Content-Type: application/json' -d '{chat}'
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


@click.command()
@setting_options(without=("upstream",))
def demo(config: str | None, **flags: Any) -> int:
    """Run the proxy in front of an embedded mock LLM server, and show what to try.

    Takes the flags of serve but --upstream.
    """
    from ..demo import create_mock
    from ..server import Bound
    from ..sockets import address_of, format_address, listen
    from .console import watcher
    from .process import configure_logging, run

    with contextlib.closing(listen("127.0.0.1", 0)) as listening:
        mock = f"http://{format_address(address_of(listening))}"
        loaded = load(config, {**flags, "upstream": mock}, require_upstream=True)
        settings = loaded.settings
        if loaded.sources["probe"] == "default":  # nothing here is anybody's, so that the doctor has what it needs
            settings = settings.model_copy(update={"probe": True})
        configure_logging(loaded)

        def tell(bound: Bound) -> None:
            scheme = "https" if settings.tls_cert_file else "http"
            guide = _GUIDE.format(
                proxy=f"{scheme}://{format_address(bound.traffic)}",
                mock=mock,
                metrics=f"http://{format_address(bound.admin)}" if bound.admin else "",
                defect="single_newline",
                chat=_CHAT,
                message=_MESSAGE,
            )
            click.echo(guide)

        return run(settings, on_ready=tell, extra=[(create_mock(), listening)], watch=watcher(settings.log_format))


COMMANDS = {"demo": demo}
