"""Clients that tell a clean end from a cut connection: h11 on a socket."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from http import HTTPStatus

import h11

from sse_proxy.demo import answer

from .timeline import Timeline

__all__ = ["Stream", "get"]

_BODY = json.dumps({"model": "mock", "stream": True, "messages": []}).encode()


@dataclass
class Stream:
    """A chat completion of *tokens* tokens at *rate* a second, and what its client gets of it."""

    tokens: int
    rate: float
    body: bytearray = field(default_factory=bytearray)
    response: h11.Response | None = None
    #: When pieces of the body came, in seconds since the pod was deleted.
    arrivals: list[float] = field(default_factory=list)
    #: The answer had the end that HTTP gives it.
    is_complete: bool = False
    #: Set with the head of the answer, or when there will be none.
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    #: Seconds since the pod was deleted; None while it runs.
    ended_at: float | None = None

    async def run(self, port: int, timeline: Timeline, address: str = "127.0.0.1") -> None:
        """Ask on *port*, and read to the end."""
        try:
            reader, writer = await asyncio.open_connection(address, port)
            try:
                await self._exchange(reader, writer, timeline)
            finally:
                writer.close()
        except (OSError, h11.RemoteProtocolError):
            pass  # the verdict tells what there was until then
        self.begun.set()
        self.ended_at = timeline.now()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeline: Timeline) -> None:
        client = h11.Connection(h11.CLIENT)
        writer.write(client.send(self._request()) or b"")
        writer.write(client.send(h11.Data(data=_BODY)) or b"")
        writer.write(client.send(h11.EndOfMessage()) or b"")
        while not self.is_complete:
            event = client.next_event()
            if event is h11.NEED_DATA:
                client.receive_data(await reader.read(65536))
            elif isinstance(event, h11.Response):
                self.response = event
                self.begun.set()
            elif isinstance(event, h11.Data):
                self.body += event.data
                self.arrivals.append(timeline.now())
            else:
                self.is_complete = isinstance(event, h11.EndOfMessage)

    def _request(self) -> h11.Request:
        headers = {
            "Host": "pod",
            "Content-Type": "application/json",
            "Content-Length": str(len(_BODY)),
            "X-Mock-Tokens": str(self.tokens),
            "X-Mock-Rate": str(self.rate),
        }
        return h11.Request(method="POST", target="/v1/chat/completions", headers=list(headers.items()))

    def header(self, name: str) -> str | None:
        """The value of a header of the answer."""
        headers = dict(self.response.headers) if self.response else {}
        value = headers.get(name.lower().encode())
        return None if value is None else value.decode()

    @property
    def verdict(self) -> str:
        """``whole``; ``told CODE`` by an error in the stream; ``refused STATUS``; ``cut``; ``no answer``."""
        if self.response is None:
            return "no answer"
        if not self.is_complete:
            return "cut"
        if self.response.status_code >= HTTPStatus.BAD_REQUEST:
            return f"refused {self.response.status_code}"
        data = [block.removeprefix(b"data: ") for block in self.body.split(b"\n\n") if block.startswith(b"data: ")]
        events = [json.loads(one) for one in data if one != b"[DONE]"]
        for event in events:
            if "error" in event:
                return f"told {event['error']['code']}"
        text = "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"])
        return "whole" if text == "".join(answer(self.tokens)) and data[-1] == b"[DONE]" else "cut"


async def get(port: int, path: str, address: str = "127.0.0.1") -> int:
    """The status that GET *path* has on *port*; it may take any time, as a kubelet's hooks may.

    Raises:
        OSError: there is no answer.
    """
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n".encode())
        head = await reader.readline()
        if not head:
            raise ConnectionResetError(f"no answer to GET {path}")
        return int(head.split()[1])
    finally:
        writer.close()
