"""An LLM server that has no model: it speaks every dialect, well and badly, as it is told to.

`create_mock` returns it as an ASGI app; `sse-proxy demo` puts the proxy in front of it, and the tests use it as their
upstream. It answers

- ``POST /v1/chat/completions``, ``/v1/completions``, ``/v1/responses``, ``/v1/messages``: as a stream where the body
  holds ``"stream": true``. ``max_tokens`` is ignored: what a test must get is `expected_text`;
- every other API of `apis.APIS`, at its own path and in its own framing: Gemini, Cohere, Bedrock, Cloudflare,
  Replicate, Ollama, TGI, vLLM, SGLang, FastChat, llama.cpp, Triton, LMDeploy, LM Studio, LangServe, LangGraph, Dify,
  the AI SDK, MCP, A2A, AG-UI, ``/chat/stream`` with ``{"token"}`` events, and ``/ndjson``, ``/json-array``, ``/text``
  of nobody's;
- ``GET /events``: generic events for an EventSource; with ``ids`` a ``Last-Event-ID`` is honoured, and 204 means that
  nothing is left;
- ``GET /v1/models``, ``/health``, ``/json``, ``/download?bytes=N``; ``/upload``, a sink; any method on ``/echo`` and
  below it: what arrived, as JSON.

``GET /mock/stats`` tells what became of the requests, ``?id=NAME`` of the one that carried ``X-Mock-Id: NAME``, of
several the latest, and how many they were; ``?ids=NAME,NAME`` of those among them that there have been;
``POST /mock/reset`` forgets them.

Knobs: a query parameter, or the header ``X-Mock-<Knob>`` (``X-Mock-Stall-After``) for SDKs; the query wins.

==================  =========  ===================================================================================
knob                default    does
==================  =========  ===================================================================================
tokens              20         tokens in the answer (`answer`), at most a million
rate                20         tokens per second, the first at once; 0 is as fast as possible (streams only)
prefill             0          seconds before the response headers
headers_then_wait   0          seconds between the headers and the first byte of the body
read_delay          0          seconds before the request body is read
stall_after         none       N events, then silence for ever (download: N pieces of 64 KiB)
die_after           none       N events, then the connection is aborted (download: N pieces)
die_mid_event       none       N events and half of the next one, then the connection is aborted
tear_after          none       N events, then one that begins inside of the one before it, whose rest is lost
truncate_after      none       N events, then a clean end of the HTTP body without finish or terminator
error_first         false      the first event is the dialect's in-stream error
error_after         none       N events, then the dialect's in-stream error and the dialect's end
error_status        none       an HTTP status told inside the in-stream error, as its ``code``
error_form          nested     ``flat``: Responses' other error shape; OpenAI chat: old vLLM's bare error object;
                               ``field``: in a field ``error:`` instead of ``data:``, as old llama-servers do
status              none       this HTTP status, 200 to 599, with a JSON error of the dialect
body                stream     ``html``, ``json``, ``empty``: a 200 with just that instead of a stream
huge                0          the second token is this many letters long (at most 256 MiB), its event a bit longer
wide                0          every token is this many letters longer, at most 65536
separators          false      the first token ends with U+2028, U+2029 and U+0085, unescaped
encoding            identity   ``gzip``, ``deflate``, ``br``, ``zstd``: content coding, flushed at every write
content_type        the right  another Content-Type; ``none`` sends none
ping                none       own keep-alives: ``comment``, ``event`` (named), ``data`` (the dialect's no-op); in
                               framings that are no event stream all are white space
comment_every       1          keep-alive after every N tokens; 0 only in silence
ping_seconds        0          keep-alives in any silence too (also the endless one), so far apart; 0 is none
no_done             false      no terminator (``[DONE]``, ``message_stop``)
no_finish           false      no finish signal (``finish_reason``, ``stop_reason``, ``response.completed``)
defect              none       malformed framings of `defects.DEFECTS`, several separated by commas
ids                 false      ``/events``: every event carries an ``id``
header              none       ``Name: value``, added to the response; the query parameter may be repeated
bytes               65536      ``/download``: its length
==================  =========  ===================================================================================

Every event counts for N, the first without text included; comments and keep-alives do not. Of several such knobs the
one with the lowest N happens.
"""

from __future__ import annotations

from .defects import expected_text
from .menu import menu
from .mock import create_mock
from .text import answer

__all__ = ["answer", "create_mock", "expected_text", "menu"]
