"""Records what the README's picture shows: ``python -m docsite.record``, two minutes, needs an nginx on the PATH.

Four clients read one stream each, all at once, and write down when what arrived: behind an nginx with its defaults
(``proxy_read_timeout`` 60 s) a model that thinks for 75 s, and, without a hop, a server that stops in the middle of its
answer with a clean end; each once straight and once through ``sse-proxy serve`` with its defaults. The server is the
demo's mock. Nothing is scaled or left out.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from .picture import RECORD

__all__ = ["main"]

_THINKS = {"prefill": 75, "tokens": 60, "rate": 4}
_STOPS = {"tokens": 40, "rate": 4, "truncate_after": 20}
_BODY = {"model": "mock", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
_NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ }}
http {{
    access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{ listen 127.0.0.1:{straight}; location / {{ proxy_pass http://127.0.0.1:{mock}; }} }}
    server {{ listen 127.0.0.1:{through}; location / {{ proxy_pass http://127.0.0.1:{proxy}; }} }}
}}
"""


def main() -> None:
    """Record, and write `RECORD`."""
    mock, proxy, straight, through = _free_ports(4)
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "nginx.conf"
        site.write_text(_NGINX.format(folder=folder, mock=mock, proxy=proxy, straight=straight, through=through))
        serve = ("serve", "--upstream", f"http://127.0.0.1:{mock}", "--port", str(proxy), "--admin-port", "0")
        with (
            _running(sys.executable, "-m", "uvicorn", "--factory", "sse_proxy.demo:create_mock", "--port", str(mock)),
            _running(sys.executable, "-m", "sse_proxy", *serve),
            _running(_nginx(), "-p", folder, "-c", str(site)),
        ):
            lanes = asyncio.run(_all(mock, proxy, straight, through))
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps({"recorded": time.strftime("%Y-%m-%d"), "lanes": lanes}, indent=1) + "\n")


def _nginx() -> str:
    found = shutil.which("nginx", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        raise FileNotFoundError("nginx: not on the PATH (scripts/setup-hops gets one)")
    return found


def _free_ports(number: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@contextmanager
def _running(*command: str) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603 -- ours
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def _all(mock: int, proxy: int, straight: int, through: int) -> Sequence[dict[str, Any]]:
    async with httpx.AsyncClient(trust_env=False, timeout=180) as client:
        for port in (mock, proxy, straight, through):
            await _until_up(client, port)
        return await asyncio.gather(
            _read(client, straight, "silent-straight", _THINKS),
            _read(client, through, "silent-through", _THINKS),
            _read(client, mock, "cut-straight", _STOPS),
            _read(client, proxy, "cut-through", _STOPS),
        )


async def _until_up(client: httpx.AsyncClient, port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await client.get(f"http://127.0.0.1:{port}/health")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


async def _read(client: httpx.AsyncClient, port: int, name: str, knobs: dict[str, int]) -> dict[str, Any]:
    """One stream: its status, when what arrived, and how it ended; seconds since the request."""
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    begun = time.monotonic()
    marks: list[tuple[float, str]] = []
    headers_after: float | None = None
    async with client.stream("POST", url, params=knobs, json=_BODY) as response:
        headers_after = time.monotonic() - begun
        async for line in response.aiter_lines():
            kind = _kind(line, response.status_code)
            marks += [] if kind is None else [(round(time.monotonic() - begun, 3), kind)]
    return {
        "name": name,
        "status": response.status_code,
        "headers_seconds": round(headers_after, 3),
        "ended_seconds": round(time.monotonic() - begun, 3),
        "marks": marks,
    }


def _kind(line: str, status: int) -> str | None:
    if status >= 400 or not line:
        return None
    if line.startswith(":"):
        return "heartbeat"
    if line == "data: [DONE]":
        return "done"
    document = json.loads(line.removeprefix("data: "))
    if "error" in document:
        return "error"
    [choice] = document["choices"] or [{"delta": {}, "finish_reason": "of the usage"}]
    if choice["delta"].get("content"):
        return "token"
    # Each minute the heartbeat is the API's event that changes nothing, for clients that count events.
    return "heartbeat" if choice["delta"] == {} and choice["finish_reason"] is None else None


if __name__ == "__main__":
    main()
