"""Proves what `sse_proxy.upstream` does under TLS: verification, client certificates, and all that holds for TCP."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httpx
import pytest
import trustme

from sse_proxy.upstream import ResponseBody, create_transport
from sse_proxy.upstream.body import MAX_BUFFERED_BYTES

from .upstream_calls import UpstreamSettings, read, request
from .upstream_peers import Talk, both_loops, keep_answering, open_sockets, peer, until


@dataclass(frozen=True)
class Certificates:
    server: ssl.SSLContext
    ca_file: Path
    client_file: Path


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA, a server context for ``localhost`` that asks for client certificates, and the files of a client."""
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    authority.issue_cert("client.test").private_key_and_cert_chain_pem.write_to_path(str(directory / "client.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["h2", "http/1.1"])
    return Certificates(server=context, ca_file=directory / "ca.pem", client_file=directory / "client.pem")


@both_loops
async def test_tls_with_a_private_ca_and_a_client_certificate(*, certificates: Certificates) -> None:
    """The name is sent and verified, HTTP/1.1 negotiated, the certificate shown; connections are used again."""
    facts: list[tuple[str | None, str]] = []

    async def handler(talk: Talk) -> None:
        tls = cast("ssl.SSLObject", talk.writer.get_extra_info("ssl_object"))
        facts.append((tls.selected_alpn_protocol(), str(tls.getpeercert())))
        await keep_answering(talk)

    async with peer(handler, context=certificates.server) as upstream:
        transport = create_transport(
            UpstreamSettings(
                upstream.url, upstream_ca_file=certificates.ca_file, upstream_client_cert=certificates.client_file
            )
        )
        for _ in range(3):
            assert await read(await transport.handle_async_request(request("GET", upstream.url))) == b"ok"
        ((protocol, certificate),) = facts
        assert protocol == "http/1.1"
        assert "client.test" in certificate
        assert transport.idle_connections == 1
        await transport.aclose()
        await until(lambda: upstream.open == 0)


@pytest.mark.parametrize("kind", ["untrusted", "wrong name"])
@both_loops
async def test_an_upstream_that_cannot_prove_its_name_is_refused(*, certificates: Certificates, kind: str) -> None:
    """As a connect error: nothing was sent."""
    async with peer(keep_answering, context=certificates.server) as upstream:
        ca_file = certificates.ca_file if kind == "wrong name" else None
        url = upstream.url.replace("localhost", "127.0.0.1") if kind == "wrong name" else upstream.url
        transport = create_transport(UpstreamSettings(url, upstream_ca_file=ca_file))
        before = open_sockets()
        with pytest.raises(httpx.ConnectError) as caught:
            await transport.handle_async_request(request("GET", url))
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
        await until(lambda: open_sockets() <= before)
        await transport.aclose()


@both_loops
async def test_a_stream_over_tls_is_back_pressured_uploaded_and_closed_at_once(*, certificates: Certificates) -> None:
    """What holds for TCP holds for TLS, where asyncio has a protocol of its own in between."""
    seen: list[bytes] = []

    async def handler(talk: Talk) -> None:
        await talk.head()
        seen.append(await talk.reader.readexactly(200_000))
        await talk.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            await talk.say(b"x" * 65536)

    async with peer(handler, context=certificates.server) as upstream:
        transport = create_transport(UpstreamSettings(upstream.url, upstream_ca_file=certificates.ca_file))
        headers = ((b"Host", b"test"), (b"Content-Length", b"200000"))
        call = request("POST", upstream.url, headers=headers, body=b"y" * 200_000)
        response = await transport.handle_async_request(call)
        stream = cast("ResponseBody", response.stream)
        assert len(await anext(stream))
        await until(lambda: sum(map(len, stream.pieces)) > MAX_BUFFERED_BYTES)
        assert seen == [b"y" * 200_000]
        await response.aclose()
        await until(lambda: upstream.open == 0)
        await transport.aclose()


@both_loops
async def test_a_refusal_and_a_reset_over_tls_are_an_error_at_worst(*, certificates: Certificates) -> None:
    """What TLS has not yet deciphered cannot be read from the socket; nothing hangs or leaks."""

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 65536
                await asyncio.sleep(0)

    async def handler(talk: Talk) -> None:
        await talk.head()
        talk.reset()

    async with peer(handler, context=certificates.server) as upstream:
        transport = create_transport(UpstreamSettings(upstream.url, upstream_ca_file=certificates.ca_file))
        with pytest.raises(httpx.TransportError):
            await transport.handle_async_request(request("POST", upstream.url, body=Endless()))
        await transport.aclose()


@both_loops
async def test_a_tls_handshake_without_an_answer_times_out_and_leaves_nothing(*, certificates: Certificates) -> None:
    """The connect timeout covers it."""

    async def handler(talk: Talk) -> None:
        await talk.gone()

    async with peer(handler) as upstream:
        url = upstream.url.replace("http:", "https:")
        before = open_sockets()
        transport = create_transport(UpstreamSettings(url, 0.1, certificates.ca_file))
        with pytest.raises(httpx.ConnectTimeout):
            await transport.handle_async_request(request("GET", url))
        await until(lambda: open_sockets() <= before and upstream.open == 0)
        await transport.aclose()


@pytest.mark.parametrize("says_goodbye", [True, False], ids=["close_notify", "cut"])
@both_loops
async def test_a_body_without_a_length_is_whole_only_if_tls_says_so(
    *, certificates: Certificates, says_goodbye: bool
) -> None:
    """Anybody on the way can end the connection, but not say so in the upstream's name (RFC 9112 § 9.8)."""

    async def handler(talk: Talk) -> None:
        await talk.answer(b"HTTP/1.1 200 OK\r\n\r\n", b"half or whole")
        if not says_goodbye:
            with socket.socket(fileno=os.dup(talk.writer.get_extra_info("socket").fileno())) as beneath:
                beneath.shutdown(socket.SHUT_WR)
            await talk.gone()

    async with peer(handler, context=certificates.server) as upstream:
        transport = create_transport(UpstreamSettings(upstream.url, upstream_ca_file=certificates.ca_file))
        response = await transport.handle_async_request(request("GET", upstream.url))
        if says_goodbye:
            assert await read(response) == b"half or whole"
        else:
            with pytest.raises(httpx.ReadError):
                await read(response)
        await transport.aclose()
