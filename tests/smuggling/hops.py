"""Fields of one hop, and requests that share a connection: Connection, Upgrade, Expect, pipelining."""

from __future__ import annotations

from .case import AFTER, ANSWERED, POISON, REFUSED, Readings, RequestCase, Seen, request, through

__all__ = ["CASES"]

_GET = through(method="GET")
_NAMED = "RFC 9110 § 7.6.1; Davison: abusing HTTP hop-by-hop request headers (2019)"
_PEER = (("x-forwarded-for", "127.0.0.1"),)


def _get(
    name: str,
    *fields: bytes,
    why: str,
    source: str = _NAMED,
    allowed: Readings = _GET,
    lacks: tuple[str, ...] = (),
    has: tuple[tuple[str, str], ...] = (),
) -> RequestCase:
    sent = request(*fields, method=b"GET")
    return RequestCase(name=f"hop: {name}", sent=sent, allowed=allowed, why=why, source=source, lacks=lacks, has=has)


def _post(
    name: str, *fields: bytes, body: bytes, why: str, source: str, allowed: Readings, lacks: tuple[str, ...] = ()
) -> RequestCase:
    sent = request(*fields, body=body)
    return RequestCase(name=f"hop: {name}", sent=sent, allowed=allowed, why=why, source=source, lacks=lacks)


_H2C = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk")
_POISON_LENGTH = b"Content-Length: %d" % len(POISON)
_TWO = Seen("GET", "/first"), Seen("GET", "/second"), AFTER

CASES = (
    _get("Connection names X-Forwarded-For", b"Connection: close, X-Forwarded-For",
         why="the upstream would not learn who asks", allowed=through(method="GET", ends=True), has=_PEER),
    _get("Connection names X-Forwarded-For, forged", b"Connection: X-Forwarded-For", b"X-Forwarded-For: 192.0.2.9",
         why="as before, with a claim of its own", has=_PEER),
    _get("Connection names Authorization", b"Connection: Authorization", b"Authorization: Bearer own",
         why="a request without what a gateway in front has set", has=(("authorization", "Bearer own"),)),
    _get("Connection names Cookie", b"Connection: Cookie", b"Cookie: a=b", why="as Authorization",
         has=(("cookie", "a=b"),)),
    _get("Connection names Host", b"Connection: Host", why="no Host at all", has=(("host", "{upstream}"),)),
    _get("Connection names a field of its own", b"Connection: X-Own", b"X-Own: 1", why="for this hop only",
         lacks=("x-own", "connection")),
    _get("Connection in two lines", b"Connection: X-Own", b"Connection: keep-alive", b"X-Own: 1",
         why="the second line counts alone to some", lacks=("x-own",)),
    _get("Proxy-Connection", b"Proxy-Connection: keep-alive", why="never meant anything", lacks=("proxy-connection",)),
    _get("Keep-Alive", b"Connection: keep-alive", b"Keep-Alive: timeout=9999", why="for this hop only",
         lacks=("keep-alive",)),
    _get("TE and Trailer", b"TE: trailers, chunked;q=0", b"Connection: TE", b"Trailer: X", why="for this hop only",
         source="RFC 9110 § 10.1.4", lacks=("te",)),
    _get("forwarding fields, forged", b"X-Forwarded-For: 192.0.2.9", b"Forwarded: for=192.0.2.9",
         b"X_Forwarded_For: 192.0.2.9", b"X-Forwarded-Proto: https", why="only who is trusted may claim them",
         source="RFC 7239 § 8.1", has=(*_PEER, ("x-forwarded-proto", "http")),
         lacks=("forwarded", "x_forwarded_for")),
    _get("Upgrade: h2c", *_H2C, why="an upstream that switches is beyond the proxy's sight",
         source="Bishop Fox: h2c smuggling (2020)", lacks=("upgrade", "http2-settings", "connection")),
    _post("Upgrade: h2c, with content", *_H2C, _POISON_LENGTH, body=POISON, why="the content is another protocol's",
          source="Bishop Fox: h2c smuggling (2020)", allowed=through(POISON), lacks=("upgrade",)),
    _post("Upgrade: h2c, with chunks", *_H2C, b"Transfer-Encoding: chunked",
          body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(POISON), POISON), why="the content is another protocol's",
          source="Bishop Fox: h2c smuggling (2020)", allowed=through(POISON), lacks=("upgrade",)),
    _get("Upgrade: websocket, then what is none", b"Connection: Upgrade", b"Upgrade: websocket",
         b"Sec-WebSocket-Version: 777", b"Sec-WebSocket-Key: x",
         why="a tunnel for whoever believes that it was switched", source="0ang3el: websocket smuggling (2019)",
         allowed=REFUSED + ANSWERED + _GET, lacks=("upgrade",)),
    _get("Upgrade: TLS/1.0", b"Connection: Upgrade", b"Upgrade: TLS/1.0", why="may be ignored",
         source="RFC 9110 § 7.8", lacks=("upgrade",)),
    _post("Expect, and the content at once", b"Expect: 100-continue", _POISON_LENGTH, body=POISON,
          why="whoever refuses before reading takes the content for a request", source="RFC 9110 § 10.1.1",
          allowed=through(POISON), lacks=("expect",)),
    _post("Expect and TRACE's kin: refused before the content", b"Expect: 100-continue", _POISON_LENGTH,
          b"Connection: Upgrade", b"Upgrade: websocket", body=POISON,
          why="whoever refuses before reading takes the content for a request", source="RFC 9110 § 10.1.1",
          allowed=REFUSED + ANSWERED + through(POISON)),
    _get("Expect without content", b"Expect: 100-continue", why="nothing to wait for", source="RFC 9110 § 10.1.1",
         allowed=REFUSED + _GET, lacks=("expect",)),
    _get("Expect that nobody knows", b"Expect: 200-ok", why="417, or ignored", source="RFC 9110 § 10.1.1",
         allowed=REFUSED + ANSWERED + _GET),
    _get("Connection: close, then another request", b"Connection: close", why="what follows is no request",
         source="RFC 9112 § 9.6", allowed=through(method="GET", ends=True)),
    RequestCase(
        name="hop: HTTP/1.0, then another request",
        sent=request(method=b"GET", version=b"HTTP/1.0"),
        allowed=through(method="GET", ends=True),
        why="what follows is no request",
        source="RFC 9112 § 9.3",
    ),
    RequestCase(
        name="hop: HTTP/1.0 with keep-alive",
        sent=request(b"Connection: keep-alive", method=b"GET", version=b"HTTP/1.0"),
        allowed=through(method="GET", ends=True) + _GET,
        why="a proxy should not keep such a connection",
        source="RFC 9112 § 9.3",
    ),
    RequestCase(
        name="hop: two requests in one read",
        sent=request(method=b"GET", target=b"/first") + request(method=b"GET", target=b"/second"),
        allowed=(_TWO,),
        why="answered in their order",
        source="RFC 9112 § 9.3.2",
    ),
    RequestCase(
        name="hop: a refused request, then another",
        sent=request(method=b"TRACE", body=request(method=b"GET", target=b"/second")),
        allowed=(*REFUSED, _TWO[1:]),
        why="the refused one has no content, so that what follows is a request",
        source="RFC 9110 § 9.3.8",
    ),
    RequestCase(
        name="hop: a request, then nonsense",
        sent=request(method=b"GET", target=b"/first", body=b"nonsense\r\n\r\n"),
        allowed=(*REFUSED, (_TWO[0],)),
        why="the nonsense must not land in another answer",
        source="RFC 9112 § 2.2",
    ),
    RequestCase(
        name="hop: content behind an answer that did not wait for it",
        sent=request(b"Content-Length: %d" % len(POISON), target=b"/-/sse-proxy/nothing", body=POISON),
        allowed=REFUSED + ANSWERED + through(POISON, target="/-/sse-proxy/nothing"),
        why="whoever answers before reading has to read on, or close",
        source="RFC 9112 § 9.3; PortSwigger: browser-powered desync, CL.0 (2022)",
    ),
    _get("X-Http-Method-Override", b"X-HTTP-Method-Override: DELETE", why="the upstream's own business",
         source="nothing is added or read", has=(("x-http-method-override", "DELETE"),)),
)  # fmt: skip
