"""What the targets of `campaigns` start from: a few sound inputs each, and what dialects send for those of bodies."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator

import brotli
import zstandard

from sse_proxy.core.framers.aws import encode_message
from tests.dialect_samples import SAMPLES

__all__ = ["STARTS", "usual"]

_BODY = b'{"model":"m","stream":true,"n":2,"prompt":["a","b"],"messages":[{"role":"user","content":"x"}]}'
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nrest"
_ID = b"0123456789abcdef" * 2

STARTS: dict[str, list[bytes]] = {
    "coding-gzip": [gzip.compress(_BODY, mtime=0), gzip.compress(b"", mtime=0) * 2],
    "coding-deflate": [zlib.compress(_BODY), zlib.compress(_BODY, wbits=-15)],
    "coding-br": [brotli.compress(_BODY)],
    "coding-zstd": [zstandard.compress(_BODY), zstandard.compress(_BODY) * 2],
    "aws-message": [b"\x09\x01{}", b"\0\0"],
    "framer-aws": [encode_message({":event-type": "chunk"}, b'{"a":1}') * 2, encode_message({}, b"")],
    "response-head": [_HEAD, b"HTTP/1.1 100 Continue\r\n\r\n" + _HEAD, b"HTTP/1.0 204 No\r\nContent-Length: 0\r\n\r\n"],
    "chunked-body": [b"5\r\nhello\r\n0\r\n\r\n", b"a;x=y\r\n0123456789\r\n0\r\nT: v\r\n\r\n", b"000\r\n\r\nHTTP/1.1"],
    "request-body": [bytes([place]) + _BODY for place in range(5)],
    "request-headers": [b"text/event-stream;q=0.5, application/json\n*/*", b"12", b"chunked\n5", b"OpenAI/Python 1"],
    "event-id": [_ID + b".7", b"last_event_id=" + _ID + b".1"],
    "resume-wish": [b"on; key=chat%2F1", b'on;key="a"', b"off", b"k" * 300],
    "forwarded": [b"10.0.0.0/8 ::1\x001.2.3.4, [::1]:80, 10.0.0.1:9", b"*\0fe80::1%eth0, ::ffff:1.2.3.4"],
    "template": [b'{prompt}\0{"role":"system"}', b"{{a}} {b}{c}\0}", b"{a\0{a}"],
    "reserved-path": [b"-/sse-proxy/streams/x", b"%2d/%73se-proxy//x", b"a/..//-/sse-proxy", b"v1/../-\\sse-proxy/"],
    "probe-query": [b"events=3&interval=1&idle=2&padding=10&burst=2&ids=1&nonce=a&drop=1", b"events=1e3", b"idle=nan"],
    "settings-value": [
        bytes([at]) + text for at in range(0, 70, 3) for text in (b"1.5", b"redis://h/0", b"true", b"a,b")
    ],
    "store-reply": [b'{"status":200}\x004\0complete\x001-0\0data: a\n\n\x002-0\0data: b\n\n', b"\x000\0"],
    "watched-stream": [bytes([at]) + sample.body[:400] for at in range(3) for sample in SAMPLES.values()],
}


def usual() -> Iterator[bytes]:
    """For the framers: what every dialect sends."""
    for sample in SAMPLES.values():
        yield sample.body[:500]
