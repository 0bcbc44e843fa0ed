"""Where the upstream may be (``unix:``, ``https:``), and what we say to it in our own name."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from sse_proxy import Settings, create_app
from sse_proxy.settings import SettingsError

from .streaming import DONE, chunk, proxying
from .upstream_peers import OK, Peer, Talk, both_loops, keep_answering, peer
from .wire import ask, chat

_STREAM = chunk("x") + chunk("", finish="stop") + DONE


async def _stream(client: Talk) -> None:
    head = await client.head()
    await client.reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    await client.say(response, b"%x\r\n%b\r\n" % (len(_STREAM), _STREAM), b"0\r\n\r\n")


@both_loops
async def test_a_unix_socket_is_an_upstream(tmp_path: Path) -> None:
    """Requests to it are for localhost."""
    heads: list[bytes] = []

    async def talk(client: Talk) -> None:
        heads.append(await client.answer(OK))

    async with peer(talk, path=tmp_path / "llm.sock"), proxying(f"unix:{tmp_path}/llm.sock") as proxy:
        assert (await ask(proxy.port, target="/a%2Fb?c")).body == b"ok"
    assert heads[0].startswith(b"GET /a%2Fb?c HTTP/1.1\r\nhost: localhost\r\n")


async def test_a_stream_comes_through_a_unix_socket(tmp_path: Path) -> None:
    """As through any other."""
    async with peer(_stream, path=tmp_path / "llm.sock"), proxying(f"unix:{tmp_path}/llm.sock") as proxy:
        async with chat(proxy.port) as call:
            assert await call.rest() == _STREAM
        assert await proxy.outcome() == "completed"


async def test_a_unix_socket_that_is_not_there_is_a_502(tmp_path: Path) -> None:
    """Its path is nobody's business."""
    async with proxying(f"unix:{tmp_path}/llm.sock") as proxy:
        answer = await ask(proxy.port)
        assert (answer.status, answer.headers["x-should-retry"]) == (502, "true")
        assert str(tmp_path).encode() not in answer.body


@asynccontextmanager
async def _https(tmp_path: Path, *, asks_for_certificate: bool = False) -> AsyncIterator[Peer]:
    """An upstream for localhost of the authority in ``ca.pem``; ``client.pem`` is a certificate of it, with its key."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("client.test").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    if asks_for_certificate:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    async with peer(_stream if not asks_for_certificate else keep_answering, context=context) as upstream:
        yield upstream


@both_loops
async def test_an_https_upstream_of_a_private_authority(tmp_path: Path) -> None:
    """``upstream_ca_file``."""
    async with _https(tmp_path) as upstream, proxying(upstream.url, upstream_ca_file=tmp_path / "ca.pem") as proxy:
        async with chat(proxy.port) as call:
            assert await call.rest() == _STREAM
        assert await proxy.outcome() == "completed"


async def test_an_https_upstream_that_nobody_vouches_for_is_a_502(tmp_path: Path) -> None:
    """Without ``upstream_ca_file`` only the system's authorities count; nothing was sent."""
    async with _https(tmp_path) as upstream, proxying(upstream.url) as proxy, chat(proxy.port) as call:
        answer = await call.answer()
        assert (answer.status, answer.headers["x-should-retry"]) == (502, "true")
        assert answer.error["message"] == "no TLS connection to the upstream could be made"
        assert await proxy.outcome() == "upstream_error"


async def test_an_https_upstream_gets_our_certificate(tmp_path: Path) -> None:
    """``upstream_client_cert``."""
    async with _https(tmp_path, asks_for_certificate=True) as upstream:
        settings = {"upstream_ca_file": tmp_path / "ca.pem", "upstream_client_cert": tmp_path / "client.pem"}
        async with proxying(upstream.url, **settings) as proxy:
            assert (await ask(proxy.port)).body == b"ok"


async def test_headers_of_ours_replace_the_clients(tmp_path: Path) -> None:
    """``upstream_headers_file``: the real key goes to the upstream, in place of whatever the client sent."""
    secrets = tmp_path / "headers"
    secrets.write_text("# the key\n\nAuthorization: Bearer real-key\nX-Org:acme  \nhost: virtual.example\n")
    heads: list[bytes] = []

    async def talk(client: Talk) -> None:
        heads.append(await client.answer(OK))

    async with peer(talk) as upstream, proxying(upstream.url, upstream_headers_file=secrets) as proxy:
        await ask(proxy.port, headers=[("authorization", "Bearer mine"), ("AUTHORIZATION", "x"), ("X-Other", "1")])
    lines = heads[0].decode().split("\r\n")
    assert [line for line in lines if line.lower().startswith("authorization")] == ["Authorization: Bearer real-key"]
    assert [line for line in lines if line.lower().startswith("host")] == ["host: virtual.example"]
    assert "X-Org: acme" in lines
    assert "x-other: 1" in lines


@pytest.mark.parametrize(
    "content", ["no colon", ": no name", "Na me: x", "X-Nul: \x00", "Content-Length: 5", "Transfer-Encoding: chunked"]
)
def test_a_file_of_headers_that_cannot_be_set_is_refused(content: str, tmp_path: Path) -> None:
    """At the start, with the number of the line and not its content, which is a secret."""
    (tmp_path / "headers").write_text(f"X-Good: 1\n{content}\n")
    settings = Settings(upstream="http://127.0.0.1:1", upstream_headers_file=tmp_path / "headers")
    with pytest.raises(SettingsError, match=r"^upstream_headers_file: line 2 is no `Name: value` that can be set$"):
        create_app(settings)


def test_a_file_of_headers_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """One line that names the setting."""
    settings = Settings(upstream="http://127.0.0.1:1", upstream_headers_file=tmp_path / "headers")
    with pytest.raises(SettingsError, match=r"^upstream_headers_file: cannot read .*: No such file or directory$"):
        create_app(settings)


def test_a_proxy_needs_an_upstream() -> None:
    """There is no default."""
    with pytest.raises(ValueError, match=r"^upstream: not set"):
        create_app(Settings())
