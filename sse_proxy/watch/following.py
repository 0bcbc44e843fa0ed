"""One request to its end: what comes goes through decoder and tally to a view, whose lines are written.

The only thing here that decides is the clock: when the answer is over and the server does not close, it is left.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable

import httpx

from ..core.requests import classify
from ..settings import shown_url
from .decoder import Decoder
from .marks import Ending, Head, Mark, Verdict
from .sending import Broken, chunks, sent
from .tally import Tally
from .view import Line, View

__all__ = ["Following"]

#: So long after the end of the answer the server may take to close, as the proxy's own default.
_GRACE_SECONDS = 10.0
#: Of a body that is no stream, so much is kept to be shown.
_MAX_BODY_BYTES = 65_536


class Following:
    """One request and what comes of it; times are seconds since it was made here, inside of an event loop.

    Args:
        view: Makes lines of what happens.
        write: Takes them at once.
    """

    def __init__(self, view: View, write: Callable[[Iterable[Line]], None]) -> None:
        self._view = view
        self._write = write
        self._tally = Tally()
        self._decoder: Decoder | None = None
        self._loop = asyncio.get_running_loop()
        self._started = self._loop.time()
        #: Of a response that is no stream.
        self._body = b""

    async def run(self, request: httpx.Request, ssl_context: ssl.SSLContext | None) -> Ending:
        """Send *request*, show what comes, and return the verdict; cancelled, it is `Verdict.STOPPED`.

        Raises:
            Unreachable: there is no response.
            OSError: the lines cannot be written.
        """
        try:
            ending = await self._follow(request, ssl_context)
        except asyncio.CancelledError:
            ending = Ending(verdict=Verdict.STOPPED)
        decoder = self._decoder
        summary = self._tally.summary(
            ending,
            self._now(),
            dialect="" if decoder is None else decoder.dialect,
            repairs={} if decoder is None else decoder.repairs,
            usage={} if decoder is None else decoder.usage,
        )
        self._write(self._view.end(summary, self._body))
        return ending

    async def _follow(self, request: httpx.Request, ssl_context: ssl.SSLContext | None) -> Ending:
        async with sent(request, ssl_context) as response:
            head = Head(
                t=self._now(),
                status=response.status_code,
                reason=response.reason_phrase,
                http_version=response.http_version,
                headers=response.headers.raw,
            )
            self._write(self._view.head(head, f"{request.method} {shown_url(str(request.url))}"))
            has_content = 200 <= head.status < 300 and head.status not in {204, 205}
            broken = await self._read(response, self._decode(request, response) if has_content else None)
        if self._decoder is None:
            verdict = Verdict.NO_STREAM if 200 <= head.status < 300 else Verdict.HTTP_ERROR
            detail = broken or f"{head.status} {head.reason}".rstrip()
            return Ending(verdict=verdict, detail=detail)
        marks, ending = self._decoder.finish(self._now(), broken=broken)
        self._show(marks)
        if ending.verdict is Verdict.NO_STREAM:
            self._body = self._decoder.body
        return ending

    def _decode(self, request: httpx.Request, response: httpx.Response) -> Decoder:
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        facts = classify(request.method, request.url.path, headers, request.content, query=request.url.query)
        self._decoder = Decoder(facts, response.headers.raw)
        return self._decoder

    async def _read(self, response: httpx.Response, decoder: Decoder | None) -> str:
        """Take the body in; return why it did not end as it should, empty where it did."""
        try:
            async with asyncio.timeout(None) as limit:
                async for chunk in chunks(response):
                    self._chunk(chunk, decoder)
                    if limit.when() is None and (decoder is None or decoder.over):
                        limit.reschedule(self._loop.time() + _GRACE_SECONDS)
        except TimeoutError:
            return f"the server kept the connection open for {_GRACE_SECONDS:g} seconds"
        except Broken as error:
            return str(error)
        return ""

    def _chunk(self, chunk: bytes, decoder: Decoder | None) -> None:
        now = self._now()
        gap = self._tally.chunk(len(chunk), now)
        self._write(self._view.chunk(chunk, now, gap))
        if decoder is None:
            self._body += chunk[: _MAX_BODY_BYTES - len(self._body)]
        else:
            self._show(decoder.feed(chunk, now))

    def _show(self, marks: Iterable[Mark]) -> None:
        for mark in marks:
            self._tally.mark(mark)
            self._write(self._view.mark(mark))

    def _now(self) -> float:
        return self._loop.time() - self._started
