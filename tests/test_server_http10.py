"""`client_protocol` towards a client of HTTP/1.0, and towards what is no client at all, on real sockets."""

from __future__ import annotations

import json
import re

import pytest

from .server_app import running


async def test_a_client_of_http_1_0_gets_no_chunks() -> None:
    """It would take their sizes for content; the end of the connection ends the body (RFC 9112 § 6.1, § 6.3)."""
    async with running() as server, server.client() as client:
        server.app.release.set()
        client.writer.write(b"GET /stream HTTP/1.0\r\nHost: a\r\n\r\n")
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert body == b"onetwo"


async def test_a_client_of_http_1_0_is_told_a_known_length() -> None:
    """What the app announced is passed on, and the body is whole."""
    async with running() as server, server.client() as client:
        client.writer.write(b"GET /hello HTTP/1.0\r\nHost: a\r\n\r\n")
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    assert length is not None
    assert int(length[1]) == len(body) > 0


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"])
async def test_what_is_no_http_gets_an_error_like_any_other(sent: bytes) -> None:
    """JSON, a code and a request id."""
    async with running() as server, server.client() as client:
        client.writer.write(sent)
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert re.search(rb"\r\nx-request-id: [0-9a-f]{32}(\r\n|$)", head)
    error = json.loads(body)["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "rejected")
