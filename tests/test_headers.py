"""`core.headers`: RFC 9110 § 7.6 in both directions, the anti-buffering set, and the small readers of fields."""

from __future__ import annotations

import pytest

from sse_proxy.core.headers import (
    HeaderList,
    accepts,
    content_length,
    first,
    forward_request_headers,
    forward_response_headers,
    max_forwards,
    media_type,
    request_id,
    sse_response_headers,
    stream_response_headers,
    tokens,
    values,
    with_max_forwards,
    without,
)
from sse_proxy.errors import BadRequest


def fields(text: str) -> HeaderList:
    """One ``Name: value`` a line."""
    lines = (line.strip().partition(":") for line in text.strip().splitlines())
    return [(name.encode(), value.strip().encode()) for name, _, value in lines]


def forwarded(
    text: str,
    *,
    client: str | None = "192.0.2.7",
    trusted: bool = False,
    stream_candidate: bool = False,
    extra: str = "",
) -> HeaderList:
    """What the upstream gets, without the three X-Forwarded fields of ours unless *trusted* or they matter."""
    return forward_request_headers(
        fields(text),
        host=b"llm.internal:8000",
        client=client,
        scheme="https",
        trusted=trusted,
        stream_candidate=stream_candidate,
        extra=fields(extra),
    ).headers


OURS = fields("x-forwarded-for: 192.0.2.7\nx-forwarded-proto: https")

REQUESTS = [
    pytest.param("", "", id="nothing-added"),
    pytest.param("accept: */*\nuser-agent: x", "accept: */*\nuser-agent: x", id="end-to-end-fields-stay"),
    pytest.param(
        "X-B: 1\nx-a: 2\nX-B: 3\nCookie: a=1\nCookie: b=2",
        "X-B: 1\nx-a: 2\nX-B: 3\nCookie: a=1\nCookie: b=2",
        id="order-case-and-duplicates-stay",
    ),
    pytest.param(
        "connection: keep-alive\nkeep-alive: timeout=5\nproxy-connection: close\nproxy-authorization: Basic eA==\n"
        "proxy-authenticate: Basic\nproxy-authentication-info: x\nte: trailers\ntrailer: x-sum\nupgrade: h2c\n"
        "expect: 100-continue\nx: 1",
        "x: 1",
        id="hop-by-hop-fields-go",
    ),
    pytest.param("Connection: X-Hop , x-other\nX-HOP: 1\nx-other: 2\nx: 3", "x: 3", id="named-by-connection-go"),
    pytest.param("connection: close\nconnection: x-hop\nx-hop: 1", "", id="second-connection-line-counts"),
    pytest.param(
        "connection: authorization, content-type, content-length, cookie, x-api-key, traceparent, x-real-ip\n"
        "authorization: Bearer t\ncontent-type: application/json\ncontent-length: 3\ncookie: a=1\nx-api-key: k\n"
        "traceparent: 00-1-2-01\nx-real-ip: 192.0.2.1",
        "authorization: Bearer t\ncontent-type: application/json\ncontent-length: 3\ncookie: a=1\nx-api-key: k\n"
        "traceparent: 00-1-2-01\nx-real-ip: 192.0.2.1",
        id="connection-cannot-strip-essential-fields",
    ),
    pytest.param("traceparent: 00-1-2-01\ntracestate: a=1", "traceparent: 00-1-2-01\ntracestate: a=1", id="tracing"),
    pytest.param("accept-encoding: gzip, br", "accept-encoding: gzip, br", id="own-encodings-of-other-requests"),
    pytest.param("x-forwarded-for: 203.0.113.1\nX-Forwarded-Proto: http", "", id="untrusted-claims-are-replaced"),
    pytest.param(
        "forwarded: for=203.0.113.1\nx-forwarded-port: 1\nX_Forwarded_User: root\nx-forwarded-prefix: /p",
        "",
        id="all-untrusted-claims-go",
    ),
    pytest.param("transfer-encoding: chunked\ncontent-length: 5", "", id="chunked-has-no-content-length"),
]


@pytest.mark.parametrize("sent, expected", REQUESTS)
def test_request_fields_reach_the_upstream_as_rfc_9110_says(sent: str, expected: str) -> None:
    """Hop-by-hop fields end here, all others go on, and only our X-Forwarded fields are added."""
    assert forwarded(sent) == [(b"host", b"llm.internal:8000"), *fields(expected), *OURS]


def test_the_host_is_the_upstreams_and_the_clients_is_told_apart() -> None:
    """Host comes first and is the upstream's; what the client asked for is X-Forwarded-Host."""
    assert forwarded("Host: api.example\nx: 1") == [
        (b"host", b"llm.internal:8000"),
        (b"x", b"1"),
        *OURS,
        (b"x-forwarded-host", b"api.example"),
    ]


def test_connection_cannot_name_host_or_forwarded_fields() -> None:
    """``Connection: X-Forwarded-For`` of a client does not take the address that a trusted hop vouched for."""
    sent = """
        host: api.example
        connection: close, host, x-forwarded-for, x-forwarded-port
        x-forwarded-for: 203.0.113.1
        x-forwarded-port: 443
    """
    assert forwarded(sent, trusted=True) == [
        (b"host", b"llm.internal:8000"),
        (b"x-forwarded-port", b"443"),
        (b"x-forwarded-for", b"203.0.113.1, 192.0.2.7"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-host", b"api.example"),
    ]


def test_trusted_claims_are_kept_and_appended_to() -> None:
    """A trusted proxy's chain goes on with its own address at the end; its proto, host and Forwarded stay."""
    sent = """
        host: inner
        x-forwarded-for: 203.0.113.1, 203.0.113.2
        x-forwarded-for: 203.0.113.3
        x-forwarded-proto: http
        x-forwarded-host: api.example
        forwarded: for=203.0.113.1
    """
    assert forwarded(sent, trusted=True) == [
        (b"host", b"llm.internal:8000"),
        (b"forwarded", b"for=203.0.113.1"),
        (b"x-forwarded-for", b"203.0.113.1, 203.0.113.2, 203.0.113.3, 192.0.2.7"),
        (b"x-forwarded-proto", b"http"),
        (b"x-forwarded-host", b"api.example"),
    ]


def test_a_client_without_an_address_has_no_forwarded_for() -> None:
    """Behind a unix socket there is no address to tell."""
    assert forwarded("", client=None) == [(b"host", b"llm.internal:8000"), (b"x-forwarded-proto", b"https")]


@pytest.mark.parametrize("sent", ["", "accept-encoding: gzip\nAccept-Encoding: br"])
def test_a_stream_candidate_asks_for_an_uncompressed_body(sent: str) -> None:
    """``Accept-Encoding: identity``, once, whatever the client sent."""
    found = [line for line in forwarded(sent, stream_candidate=True) if line[0].lower() == b"accept-encoding"]
    assert found == [(b"accept-encoding", b"identity")]  # ASGI and HTTP/2 want names in lower case


def test_fields_of_ours_replace_the_clients_of_that_name() -> None:
    """``upstream_headers_file`` wins over the client, over Host and over our own X-Forwarded fields."""
    sent = "authorization: Bearer client\nAUTHORIZATION: Bearer again\nx: 1"
    extra = "Authorization: Bearer upstream\nHost: virtual\nX-Forwarded-Proto: http"
    assert forwarded(sent, extra=extra) == [(b"x", b"1"), OURS[0], *fields(extra)]


@pytest.mark.parametrize(
    "sent, chunked, length",
    [
        ("", False, None),
        ("content-length: 0", False, 0),
        ("Content-Length: 12", False, 12),
        ("Transfer-Encoding: chunked", True, None),
        ("transfer-encoding: chunked\ncontent-length: nonsense", True, None),
    ],
)
def test_the_framing_of_the_body_is_told(sent: str, chunked: bool, length: int | None) -> None:
    """By Content-Length, in chunks, or no body."""
    request = forward_request_headers(
        fields(sent), host=b"h", client=None, scheme="http", trusted=False, stream_candidate=False
    )
    assert (request.chunked, request.content_length) == (chunked, length)


@pytest.mark.parametrize(
    "sent",
    [
        "content-length: 5\ncontent-length: 5",
        "content-length: 5, 5",
        "content-length: -1",
        "content-length: +1",
        "content-length: 1_0",
        "content-length: 0x10",
        "content-length: ",
        "content-length: 1111111111111111111",
    ],
)
def test_a_doubtful_content_length_is_refused(sent: str) -> None:
    """Two readers must not disagree about where a body ends."""
    with pytest.raises(BadRequest, match=r"^invalid Content-Length$"):
        content_length(fields(sent))


def test_ordinary_responses_go_on_byte_for_byte() -> None:
    """Only hop-by-hop fields and those that Connection names end here."""
    sent = fields(
        "Content-Type: text/html\nConnection: keep-alive, x-hop\nX-Hop: 1\nKeep-Alive: timeout=5\nSet-Cookie: a=1\n"
        'set-cookie: b=2\nContent-Length: 10\nContent-Encoding: gzip\nETag: "x"\nServer: uvicorn'
    )
    kept = "Content-Type: text/html\nSet-Cookie: a=1\nset-cookie: b=2\nContent-Length: 10\nContent-Encoding: gzip\n"
    assert forward_response_headers(sent) == fields(kept + 'ETag: "x"\nServer: uvicorn')


def test_a_response_keeps_no_date_of_the_upstream() -> None:
    """The server in front adds its own, and two of them are malformed (RFC 9110 § 6.6.1)."""
    assert forward_response_headers(fields("Date: Sun, 22 Nov 2026 22:22:57 GMT\nx: 1")) == [(b"x", b"1")]


def test_a_chunked_response_has_no_content_length() -> None:
    """RFC 9112 § 6.3: a Content-Length beside Transfer-Encoding is removed."""
    assert forward_response_headers(fields("transfer-encoding: chunked\ncontent-length: 3\nx: 1")) == [(b"x", b"1")]


UNTRUE = (
    'content-length: 3\nconnection: keep-alive\ntransfer-encoding: chunked\nkeep-alive: timeout=5\netag: "x"\n'
    "accept-ranges: bytes\ncontent-md5: x\ndigest: x\ncontent-digest: x\nrepr-digest: x\nX-Accel-Buffering: yes\n"
)


@pytest.mark.parametrize(
    "cache, expected",
    [
        ("", b"no-cache, no-transform"),
        ("cache-control: public, max-age=60\n", b"no-cache, no-transform"),
        ("Cache-Control: private, No-Store\n", b"no-cache, no-transform, no-store"),
        ("cache-control: x=no-store-really\n", b"no-cache, no-transform"),
    ],
)
def test_an_sse_response_gets_the_anti_buffering_set(cache: str, expected: bytes) -> None:
    """INTERFACE "Headers": type, cache rule and X-Accel-Buffering are ours, the untrue ones go, the rest stays."""
    sent = UNTRUE + cache + "Content-Type: text/plain\nContent-Encoding: gzip\nSet-Cookie: a=1\nSet-Cookie: b=2\nx: 1"
    assert sse_response_headers(fields(sent)) == [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", expected),
        *fields("Set-Cookie: a=1\nSet-Cookie: b=2\nx: 1"),
        (b"x-accel-buffering", b"no"),
    ]


@pytest.mark.parametrize("decoded", [True, False])
def test_other_streams_keep_their_type_and_are_not_buffered(decoded: bool) -> None:
    """NDJSON and the like: X-Accel-Buffering, no length; Content-Encoding goes only where it was undone."""
    sent = fields(UNTRUE + "cache-control: public\ncontent-encoding: gzip\ncontent-type: application/x-ndjson")
    coding = "" if decoded else "content-encoding: gzip\n"
    expected = fields(f"cache-control: public\n{coding}content-type: application/x-ndjson\nx-accel-buffering: no")
    assert stream_response_headers(sent, decoded=decoded) == expected


@pytest.mark.parametrize(
    "accept, expected",
    [
        ("", False),
        ("accept: text/event-stream", True),
        ("Accept: TEXT/Event-Stream", True),
        ("accept: application/json, text/event-stream", True),
        ("accept: application/json\naccept: text/event-stream", True),
        ("accept: text/event-stream;charset=utf-8 ; q=0.5", True),
        ("accept: text/event-stream;q=0.001", True),
        ("accept: text/event-stream;q=0", False),
        ("accept: text/event-stream; Q = 0.000", False),
        ("accept: text/event-stream;v=0", True),
        ("accept: */*", False),
        ("accept: text/*", False),
        ("accept: text/event-stream-not", False),
    ],
)
def test_only_a_named_type_with_some_weight_is_asked_for(accept: str, expected: bool) -> None:
    """Wildcards say nothing about wanting a stream, and a weight of zero says no."""
    assert accepts(fields(accept), b"text/event-stream") is expected


@pytest.mark.parametrize(
    "value, expected",
    [
        (None, ""),
        (b"", ""),
        (b"application/json", "application/json"),
        (b" Text/Event-Stream ; charset=UTF-8", "text/event-stream"),
        (b"text/event-stream; a=1; b=2", "text/event-stream"),
        (b"\xff", "\xff"),
    ],
)
def test_the_media_type_is_bare_and_in_lower_case(value: bytes | None, expected: str) -> None:
    """Parameters, case and blanks do not matter."""
    assert media_type(value) == expected


def test_fields_are_read_without_case() -> None:
    """`first`, `values`, `tokens` and `without` compare names in lower case."""
    headers = fields("X: One , two,,\nx: THREE\ny: 4")
    assert first(headers, b"x") == b"One , two,,"
    assert first(headers, b"z") is None
    assert list(values(headers, b"x")) == [b"One , two,,", b"THREE"]
    assert tokens(headers, b"x") == [b"one", b"two", b"three"]
    assert without(headers, frozenset({b"x"})) == [(b"y", b"4")]


@pytest.mark.parametrize(
    "upstream, client, expected",
    [
        (b"up", b"cl", b"up"),
        (None, b"cl-1/\x7e", b"cl-1/~"),
        (b"", b"cl", b"cl"),
        (None, None, b"new"),
        (None, b"", b"new"),
        (None, b"two words", b"new"),
        (None, b"tab\t", b"new"),
        (None, b"\xc3\xa4", b"new"),
        (None, b"x" * 128, b"x" * 128),
        (None, b"x" * 129, b"new"),
    ],
)
def test_the_request_id_is_the_upstreams_the_clients_or_new(
    upstream: bytes | None, client: bytes | None, expected: bytes
) -> None:
    """In that order, and a client's only if it can go into a log line."""
    assert request_id(upstream=upstream, client=client, new=lambda: "new") == expected


@pytest.mark.parametrize(
    "sent, expected",
    [
        ("", None),
        ("max-forwards: 0", 0),
        ("Max-Forwards:  12 ", 12),
        ("max-forwards: -1", None),
        ("max-forwards: x", None),
    ],
)
def test_max_forwards_is_read_where_it_is_a_number(sent: str, expected: int | None) -> None:
    """RFC 9110 § 7.6.2; anything else is ignored."""
    assert max_forwards(fields(sent)) == expected


def test_max_forwards_is_set_in_place() -> None:
    """Other fields and the order stay."""
    sent = fields("a: 1\nMax-Forwards: 3\nb: 2")
    assert with_max_forwards(sent, 2) == fields("a: 1\nMax-Forwards: 2\nb: 2")


@pytest.mark.parametrize(
    "name",
    [
        *(b"Content_Length", b"transfer_encoding", b"Proxy_Authorization", b"x_Real_Key"),
        *(b"X_Forwarded_For", b"x-forwarded_proto", b"x_forwarded-prefix"),
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_an_underscore_disguises_no_field_of_ours(name: bytes, trusted: bool) -> None:
    """To a CGI-like upstream the two are one: framing, fields of this hop, and what ``upstream_headers_file`` sets.

    What tells of earlier hops neither, whoever sends it: a trusted hop writes that with its hyphens.
    """
    forwarded = forward_request_headers(
        [(b"host", b"a"), (name, b"forged"), (b"x_other", b"kept")],
        host=b"upstream",
        client="192.0.2.1",
        scheme="http",
        trusted=trusted,
        stream_candidate=False,
        extra=[(b"X-Real-Key", b"ours")],
    )
    assert b"forged" not in [value for _, value in forwarded.headers]
    assert (b"x_other", b"kept") in forwarded.headers
    assert (b"X-Real-Key", b"ours") in forwarded.headers


def test_a_field_of_ours_may_have_an_underscore() -> None:
    """What ``upstream_headers_file`` names goes up just once, and as it says."""
    forwarded = forward_request_headers(
        [(b"host", b"a"), (b"x_key", b"forged")],
        host=b"upstream",
        client=None,
        scheme="http",
        trusted=False,
        stream_candidate=False,
        extra=[(b"X_Key", b"ours")],
    )
    assert [value for name, value in forwarded.headers if name.lower() == b"x_key"] == [b"ours"]
