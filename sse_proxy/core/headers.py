"""Which header fields go on, and in which form: RFC 9110 § 7.6 in both directions, and the anti-buffering set.

Headers are ASGI's raw lists, ``(name, value)`` bytes in the order of the wire. Names are compared without case and
leave as they came; duplicates and order are kept. Everything here is a function of its arguments.

Departures, each because INTERFACE "Headers" says "nothing added": no ``Via`` (RFC 9110 § 7.6.3) and no ``User-Agent``.
``Trailer`` goes too although it is end-to-end: trailers are dropped, so announcing them would be untrue. A field that
must not depend on ``Connection`` (§ 7.6.1: one "intended for all recipients of the content", or one that a hop in front
of us vouches with) stays although ``Connection`` names it; or a client could strip what its own gateway had set.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import BadRequest

__all__ = [
    "HOP_BY_HOP", "NEVER_NOMINATED", "UNTRUE_OF_STREAMS",
    "ForwardedRequest", "HeaderList", "RawHeaders", "accepts", "content_length", "first", "forward_request_headers",
    "forward_response_headers", "max_forwards", "media_type", "request_id",
    "sse_response_headers", "stream_response_headers", "tokens", "values", "with_max_forwards", "without",
]  # fmt: skip

RawHeaders = Sequence[tuple[bytes, bytes]]
HeaderList = list[tuple[bytes, bytes]]

#: RFC 9110 § 7.6.1, and the ones that only the next hop answers to. Expect: the server has answered 100 already.
HOP_BY_HOP = frozenset({
    b"connection", b"expect", b"keep-alive", b"proxy-authenticate", b"proxy-authentication-info",
    b"proxy-authorization", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade",
})  # fmt: skip

# What no client may write with ``_`` for ``-``: a CGI-like upstream would take it for the field itself.
_UNMISTAKABLE = HOP_BY_HOP | {b"content-length"}

#: ``Connection`` cannot name these away; nor any ``X-Forwarded-*``.
NEVER_NOMINATED = frozenset({
    b"accept", b"api-key", b"authorization", b"cache-control", b"content-encoding", b"content-length", b"content-type",
    b"cookie", b"forwarded", b"host", b"idempotency-key", b"last-event-id", b"max-forwards", b"set-cookie",
    b"traceparent", b"tracestate", b"via", b"x-api-key", b"x-goog-api-key", b"x-real-ip", b"x-request-id",
})  # fmt: skip

#: What would be untrue of a stream, or would make a hop hold back or cut a body that we may lengthen.
UNTRUE_OF_STREAMS = frozenset({
    b"accept-ranges", b"content-digest", b"content-length", b"content-md5", b"digest", b"etag", b"repr-digest",
    b"x-accel-buffering",
})  # fmt: skip

_NO_BUFFERING = (b"x-accel-buffering", b"no")
_ZERO_WEIGHT = re.compile(rb"0(\.0{0,3})?")  # RFC 9110 § 12.4.2: qvalue
_LENGTH = re.compile(rb"[0-9]{1,18}")  # 18 digits: far over any real body, far under what int() would choke on
_SANE_ID = re.compile(rb"[\x21-\x7e]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardedRequest:
    """What to send upstream: the fields, and how the body is framed (RFC 9112 § 6)."""

    headers: HeaderList
    #: The body came in chunks and goes on in chunks: there is no Content-Length.
    chunked: bool
    #: Bytes of the body as announced; None without Content-Length: no body, or *chunked*.
    content_length: int | None


def values(headers: RawHeaders, name: bytes) -> list[bytes]:
    """Every value of the field *name* (lower case), in order."""
    return [value for key, value in headers if key.lower() == name]


def first(headers: RawHeaders, name: bytes) -> bytes | None:
    """The first value of the field *name* (lower case), or None without such a field."""
    # A loop, since a generator costs three times as much, and a request is asked for thirty fields.
    for key, value in headers:
        if key.lower() == name:
            return value
    return None


def tokens(headers: RawHeaders, name: bytes) -> list[bytes]:
    """The members of the comma-separated field *name*, over all its lines, lower case (RFC 9110 § 5.6.1)."""
    found = values(headers, name)
    if not found:  # as nearly always
        return []
    members = b",".join(found).lower().split(b",")
    return [member for raw in members if (member := raw.strip())]


def without(headers: RawHeaders, names: frozenset[bytes]) -> HeaderList:
    """*headers* without the fields *names* (lower case)."""
    return [(name, value) for name, value in headers if name.lower() not in names]


def media_type(value: bytes | None) -> str:
    """``type/subtype`` of a Content-Type value, lower case and without parameters; empty for None."""
    return (value or b"").split(b";", 1)[0].strip().lower().decode("latin-1")


def accepts(headers: RawHeaders, media: bytes) -> bool:
    """Whether ``Accept`` names *media* (lower case) itself with a weight above zero; wildcards do not count.

    A ``*/*`` is what every client sends that does not care, so it says nothing about wanting a stream.
    """
    for member in tokens(headers, b"accept"):
        named, *parameters = (part.strip() for part in member.split(b";"))
        if named == media:
            pairs = (parameter.partition(b"=") for parameter in parameters)
            return not any(key.strip() == b"q" and _ZERO_WEIGHT.fullmatch(weight.strip()) for key, _, weight in pairs)
    return False


def content_length(headers: RawHeaders) -> int | None:
    """Bytes that Content-Length announces; None without one, or where Transfer-Encoding overrides it.

    Raises:
        BadRequest: more than one value, or one that is no number: two readers could disagree (RFC 9112 § 6.3).
    """
    found = values(headers, b"content-length")
    if not found or first(headers, b"transfer-encoding") is not None:
        return None
    if len(found) > 1 or not _LENGTH.fullmatch(found[0].strip()):
        raise BadRequest("invalid Content-Length")
    return int(found[0])


def max_forwards(headers: RawHeaders) -> int | None:
    """The value of ``Max-Forwards`` (RFC 9110 § 7.6.2); None without one, or when it is no number."""
    value = (first(headers, b"max-forwards") or b"").strip()
    return int(value) if _LENGTH.fullmatch(value) else None


def with_max_forwards(headers: RawHeaders, hops: int) -> HeaderList:
    """*headers* with every ``Max-Forwards`` set to *hops*."""
    return [(name, b"%d" % hops if name.lower() == b"max-forwards" else value) for name, value in headers]


def request_id(*, upstream: bytes | None, client: bytes | None, new: Callable[[], str]) -> bytes:
    """The ``X-Request-Id`` of a response: the upstream's, else the client's if it is sane, else ``new()``.

    Sane: 1 to 128 printable ASCII characters without a space, so that it can go into a log line and a header.
    """
    if upstream:
        return upstream
    if client is not None and _SANE_ID.fullmatch(client):
        return client
    return new().encode("ascii")


def forward_request_headers(
    headers: RawHeaders,
    *,
    host: bytes,
    client: str | None,
    scheme: str,
    trusted: bool,
    stream_candidate: bool,
    extra: RawHeaders = (),
) -> ForwardedRequest:
    """What the upstream gets of a request's *headers*.

    *host* is the upstream's own; *client* the address of the peer, None on a unix socket; *scheme* how it reached us.
    *trusted*: the peer's ``X-Forwarded-*`` and ``Forwarded`` are believed and appended to; another's are replaced.
    *stream_candidate*: ask for an uncompressed body. *extra*: fields of ours that replace the client's of that name,
    also of one with ``_`` for ``-``.

    Raises:
        BadRequest: see `content_length`.
    """
    length = content_length(headers)
    replaced = {b"host", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"}
    if stream_candidate:
        replaced.add(b"accept-encoding")
    dropped = _not_forwarded(headers) | replaced
    ours = frozenset(name.lower() for name, _ in extra)
    disguised = _UNMISTAKABLE | frozenset(map(_plain, ours))
    kept = [
        (name, value)
        for name, value in headers
        if (lower := name.lower()) not in dropped
        and ((trusted and b"_" not in lower) or not _claims_forwarding(lower))
        and (b"_" not in lower or lower in ours or _plain(lower) not in disguised)
    ]
    if stream_candidate:
        kept.append((b"accept-encoding", b"identity"))
    kept += _forwarded_fields(headers, client=client, scheme=scheme, trusted=trusted)
    return ForwardedRequest(
        headers=[*without([(b"host", host), *kept], ours), *extra],  # Host first: RFC 9110 § 7.2
        chunked=first(headers, b"transfer-encoding") is not None,
        content_length=length,
    )


def forward_response_headers(headers: RawHeaders) -> HeaderList:
    """What the client gets of an ordinary response: all but the hop-by-hop fields, byte for byte and in order.

    ``Date`` goes too, as nginx does it: the server in front of us sets its own, and two are a malformed response.
    """
    return without(headers, _not_forwarded(headers) | {b"date"})


def stream_response_headers(headers: RawHeaders, *, decoded: bool = True) -> HeaderList:
    """Headers of a stream that is not SSE (NDJSON, text): never buffered, never of a known length.

    *decoded*: the content coding was removed on the way, so Content-Encoding goes as well.
    """
    dropped = UNTRUE_OF_STREAMS | {b"content-encoding"} if decoded else UNTRUE_OF_STREAMS
    return [*without(forward_response_headers(headers), dropped), _NO_BUFFERING]


def sse_response_headers(headers: RawHeaders) -> HeaderList:
    """Headers of a decoded SSE body (INTERFACE "Headers"); the upstream's ``no-store`` is kept, other fields go on."""
    no_store = b", no-store" if b"no-store" in tokens(headers, b"cache-control") else b""
    return [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache, no-transform" + no_store),
        *without(stream_response_headers(headers), frozenset({b"content-type", b"cache-control"})),
    ]


def _not_forwarded(headers: RawHeaders) -> frozenset[bytes]:
    """Fields of one message that end at this hop."""
    nominated = {name for name in tokens(headers, b"connection") if not name.startswith(b"x-forwarded-")}
    dropped = HOP_BY_HOP | (nominated - NEVER_NOMINATED)
    if first(headers, b"transfer-encoding") is not None:
        return dropped | {b"content-length"}  # RFC 9112 § 6.3: must be removed before the message goes on
    return dropped


def _plain(name: bytes) -> bytes:
    """*name* (lower case) as a CGI-like upstream reads it, to which ``_`` and ``-`` are the same."""
    return name.replace(b"_", b"-")


def _claims_forwarding(name: bytes) -> bool:
    """Whether *name* (lower case) tells of earlier hops."""
    return (plain := _plain(name)) == b"forwarded" or plain.startswith(b"x-forwarded-")


def _forwarded_fields(headers: RawHeaders, *, client: str | None, scheme: str, trusted: bool) -> HeaderList:
    believed: RawHeaders = headers if trusted else ()
    chain = [*values(believed, b"x-forwarded-for"), *([client.encode()] if client else [])]
    fields = (
        (b"x-forwarded-for", b", ".join(chain)),
        (b"x-forwarded-proto", first(believed, b"x-forwarded-proto") or scheme.encode()),
        (b"x-forwarded-host", first(believed, b"x-forwarded-host") or first(headers, b"host")),
    )
    return [(name, value) for name, value in fields if value]
