"""The page of header fields: what is read, set, forwarded and dropped, shown by what the functions do with examples.

`READ` and `SET` say what each is for; a test compares their names with those in the code.
"""

from __future__ import annotations

from collections.abc import Iterator

from sse_proxy.core import headers as fields
from sse_proxy.core.headers import HeaderList
from sse_proxy.core.wish import MAX_KEY_BYTES

from .markdown import code, document, fenced, listed, table

__all__ = ["READ", "SET", "page"]

#: Request fields that change what we do.
READ = {
    "accept": "`text/event-stream` by name asks for events, whatever the upstream writes; wildcards say nothing.",
    "access-control-request-headers": "Of a preflight: echoed, where `cors_origins` is set.",
    "access-control-request-method": "Of an `OPTIONS` with `Origin`: it is a preflight, and ours where "
    "`cors_origins` is set.",
    "authorization": "`Bearer` with a token of `auth_tokens_file`; what makes a caller the same one "
    "(`resume_owner_headers`).",
    "cache-control": "`no-cache` beside `Accept: text/event-stream` alone is a browser's `EventSource`.",
    "connection": "What it names ends here, but for fields that no hop may take away (below).",
    "content-length": "Over `max_request_bytes`: 413. Two different ones: 400.",
    "content-type": "A JSON body is looked into, to see whether it asks for a stream.",
    "expect": "`100-continue` is answered before the body is read, and goes no further.",
    "host": "Becomes `X-Forwarded-Host`; the upstream gets its own name. A bridge and the playground compare it with "
    "`Origin`.",
    "idempotency-key": f"With `X-SSE-Resume: on`: joins the stream of an earlier request; at most {MAX_KEY_BYTES} "
    f"bytes.",
    "last-event-id": "With an id of ours: what follows it is told, and the upstream is not asked. Any other goes on.",
    "max-forwards": "Counted down; an `OPTIONS` with 0 is answered here.",
    "origin": "Compared with `cors_origins`, and then not forwarded; a bridge and the playground refuse pages of other "
    "sites (403).",
    "sec-fetch-site": "A bridge and the playground refuse what another site is behind (403).",
    "traceparent": "With `tracing` the span's parent; goes on in any case.",
    "transfer-encoding": "Chunked bodies go on in chunks.",
    "upgrade": "A websocket handshake is refused (400); other offers are ignored.",
    "x-forwarded-for": "Believed from `trusted_proxies`, whose list it then continues; else replaced.",
    "x-forwarded-host": "As above.",
    "x-forwarded-proto": "As above.",
    "x-request-id": "Taken over where it is 1 to 128 printable characters.",
    "x-sse-resume": "`on` keeps the stream; `on; key=NAME` names it for the caller.",
}

#: Response fields that are ours.
SET = {
    "access-control-allow-credentials": "With `cors_origins`, to a listed origin.",
    "access-control-allow-headers": "As above, to a preflight: those asked for.",
    "access-control-allow-methods": "As above: the one asked for.",
    "access-control-allow-origin": "As above: the origin, or `*`. The upstream's `Access-Control-*` are dropped.",
    "access-control-expose-headers": "As above: those of ours that pages need.",
    "access-control-max-age": "As above, to a preflight.",
    "allow": "Beside 405.",
    "cache-control": "`no-cache, no-transform` on event streams; the upstream's `no-store` is kept besides. "
    "`no-store` on replays.",
    "connection": "`close` where the client must go elsewhere: draining, a body that is too large.",
    "content-length": "On our own documents; never on a stream.",
    "content-type": "`text/event-stream; charset=utf-8` on event streams.",
    "location": "On kept streams: where the rest is to be had.",
    "retry-after": "Where another try can help: full, draining, no connection, the store down.",
    "vary": "`Origin` with `cors_origins`, where the answer depends on it; the preflight's fields besides.",
    "www-authenticate": "Beside 401.",
    "x-accel-buffering": "`no` on every stream: nginx, and what follows it, must not hold it back.",
    "x-replayed-from": "On replays: the number of the last event that the client has.",
    "x-request-id": "On every answer: the upstream's, else the client's, else a new one.",
    "x-should-retry": "On errors of ours: whether sending it again is safe. [Errors](errors.md).",
    "x-sse-resume": "`unavailable`: asked for, and the store is down; the stream flows.",
    "x-stream-id": "On kept streams: the id by which it is found.",
}

_REQUEST: HeaderList = [
    (b"Host", b"llm.example"),
    (b"Accept", b"text/event-stream"),
    (b"Accept-Encoding", b"gzip, br"),
    (b"Authorization", b"Bearer KEY"),
    (b"Connection", b"keep-alive, X-Hop"),
    (b"Content-Type", b"application/json"),
    (b"Content-Length", b"98"),
    (b"X-Forwarded-For", b"203.0.113.9"),
    (b"X-Hop", b"1"),
    (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
]
_RESPONSE: HeaderList = [
    (b"Date", b"Thu, 26 Nov 2026 12:00:00 GMT"),
    (b"Server", b"uvicorn"),
    (b"Content-Type", b"text/event-stream"),
    (b"Cache-Control", b"private, max-age=60"),
    (b"Content-Length", b"4096"),
    (b"ETag", b'"1"'),
    (b"Connection", b"keep-alive"),
    (b"x-ratelimit-remaining", b"99"),
]


def page() -> str:
    """docs/reference/headers.md."""
    return document(
        "Header fields",
        "Names are compared without case. Nothing is added towards the upstream but `X-Forwarded-*`: no `Via`, no "
        "`User-Agent`.",
        "## What is read of a request",
        table(("field", "what it does"), [(code(name), meaning) for name, meaning in READ.items()]),
        "[Clients that get another form](dialects.md#clients-that-get-another-form) are known by some more.",
        "## What is set on a response",
        table(("field", "when"), [(code(name), meaning) for name, meaning in SET.items()]),
        "## Towards the upstream, by example",
        "A request for a stream, from a client at 198.51.100.7 that is not among `trusted_proxies`:",
        _shown(_REQUEST),
        "The upstream `127.0.0.1:8000` gets:",
        _shown(_forwarded()),
        "With `auth_tokens_file` the token goes no further: of `Authorization`, `x-api-key`, `api-key` and "
        "`x-goog-api-key` "
        "each that holds a token of ours is taken away. `upstream_headers_file` puts the upstream's own key in.",
        "## Towards the client, by example",
        "The upstream answers with:",
        _shown(_RESPONSE),
        "The client gets:",
        _shown(fields.sse_response_headers(_RESPONSE)),
        "Of a stream in another framing, such as Ollama's lines, `Content-Type` and `Cache-Control` are the "
        "upstream's.",
        "## What ends here",
        *_sets(),
    )


def _forwarded() -> HeaderList:
    return fields.forward_request_headers(
        _REQUEST, host=b"127.0.0.1:8000", client="198.51.100.7", scheme="http", trusted=False, stream_candidate=True
    ).headers


def _shown(headers: HeaderList) -> str:
    return fenced("\n".join(f"{name.decode()}: {value.decode()}" for name, value in headers), "http")


def _sets() -> Iterator[str]:
    for text, names in (
        ("In both directions, with whatever `Connection` names", fields.HOP_BY_HOP),
        ("Of streams, as untrue of them (`x-accel-buffering` is set anew)", fields.UNTRUE_OF_STREAMS),
        ("Never by `Connection`'s word alone", fields.NEVER_NOMINATED),
    ):
        yield f"{text}: {listed(sorted(name.decode() for name in names))}."
    yield "`Date` is the server's own. `Content-Encoding` goes where a stream was unpacked."
