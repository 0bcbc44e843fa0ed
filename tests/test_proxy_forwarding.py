"""What the upstream gets of a request and the client of an answer: method, target, headers, byte for byte.

The upstream is a bare socket, so that nothing normalises what is compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from .streaming import DONE, Proxy, chunk, proxying
from .upstream_peers import OK, Talk, peer
from .wire import ask, calling, chat


@dataclass
class Seen:
    """What the upstream was sent."""

    proxy: Proxy
    #: Raw heads, each up to its empty line.
    heads: list[bytes] = field(default_factory=list)
    connections: Callable[[], int] = lambda: 0

    @property
    def request_line(self) -> str:
        return self.heads[-1].split(b"\r\n")[0].decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.heads[-1].decode("latin-1").split("\r\n")[1:-2]
        return [(name, value) for name, _, value in (line.partition(": ") for line in lines)]

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@asynccontextmanager
async def answering(*responses: bytes, prefix: str = "", **settings: Any) -> AsyncIterator[Seen]:
    """A proxy in front of an upstream that answers with *responses*, the last one again and again."""
    heads: list[bytes] = []

    async def talk(client: Talk) -> None:
        while True:
            heads.append(await client.head())
            await client.say(responses[min(len(heads), len(responses)) - 1])

    async with peer(talk) as upstream, proxying(upstream.url + prefix, **settings) as proxy:
        yield Seen(proxy, heads, lambda: upstream.connections)


@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "M-SEARCH", "QUERY"]
)
async def test_every_method_goes_through(method: str) -> None:
    """Also those that we have never heard of, as far as the parser in front knows them."""
    async with answering(OK) as seen:
        answer = await ask(seen.proxy.port, method, "/x")
        assert (answer.status, answer.body, seen.request_line) == (200, b"ok", f"{method} /x HTTP/1.1")


@pytest.mark.parametrize(
    "target",
    [
        "/a%2Fb//c/../d;x=1?q=%20&r=a+b&&s",
        "/",
        "//double//slashes",
        "/%e4%bd%a0?x=%E5%a5%bd",
        "/percent%25%2e%2E/.",
        "/query?url=http://other.example/?a=b&c",
        "/brackets[0]|pipe^caret'quote?{json}",
        "/a:b@c/$&'()*+,=~",
    ],
)
async def test_a_target_goes_through_as_it_was_written(target: str) -> None:
    """Nothing is decoded, normalised or quoted."""
    async with answering(OK) as seen:
        assert (await ask(seen.proxy.port, "GET", target)).status == 200
        assert seen.request_line == f"GET {target} HTTP/1.1"


async def test_a_target_in_absolute_form_means_its_path() -> None:
    """RFC 9112 § 3.2.2: every server must take it; we are no way to other hosts."""
    async with answering(OK) as seen:
        await ask(seen.proxy.port, "GET", "http://elsewhere.example/a%2Fb?c")
        assert seen.request_line == "GET /a%2Fb?c HTTP/1.1"
        assert seen.values("Host") != ["elsewhere.example"]


@pytest.mark.parametrize("prefix", ["/api", "/api/", "/a%20b/c"])
async def test_the_prefix_of_the_upstream_goes_in_front(prefix: str) -> None:
    """``upstream = http://host/api``."""
    async with answering(OK, prefix=prefix) as seen:
        await ask(seen.proxy.port, "GET", "/v1/../models?x=1")
        assert seen.request_line == f"GET {prefix.rstrip('/')}/v1/../models?x=1 HTTP/1.1"


async def test_a_question_to_the_server_as_a_whole_gets_no_prefix() -> None:
    """``OPTIONS *`` (RFC 9110 § 9.3.7) has no path."""
    async with answering(OK, prefix="/api") as seen:
        await ask(seen.proxy.port, "OPTIONS", "*")
        assert seen.request_line == "OPTIONS * HTTP/1.1"


async def test_a_stream_of_records_is_not_to_be_buffered_either() -> None:
    """Its bytes and its type stay what they are."""
    records = b'{"a":1}\n{"b":2}\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with answering(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(records), records)) as seen:
        answer = await ask(seen.proxy.port, "POST", "/api/chat")
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert (answer.body, answer.complete) == (records, True)


async def test_an_ordinary_request_is_sent_with_its_own_headers_and_nothing_else() -> None:
    """Order, duplicates and values; of ours come only Host and ``X-Forwarded-*``, no User-Agent, no Accept-Encoding."""
    own = [
        ("accept-encoding", "gzip, br"),
        ("x-twice", "1"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-twice", "2"),
        ("cookie", "a=b; c=d"),
        ("x-latin", "gr\xfc\xdfe"),
        ("authorization", "Bearer its-own"),
    ]
    async with answering(OK) as seen:
        await ask(seen.proxy.port, "GET", "/", headers=[("Host", "public.example:8443"), *own])
        upstream = seen.values("Host")[0]
        assert upstream.startswith("127.0.0.1:")
        assert seen.headers == [
            ("host", upstream),
            *own,
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "public.example:8443"),
        ]


async def test_a_stream_is_asked_for_uncompressed() -> None:
    """INTERFACE "Headers"."""
    async with answering(OK) as seen:
        async with chat(seen.proxy.port, headers={"Accept-Encoding": "gzip"}) as call:
            await call.rest()
        assert seen.values("Accept-Encoding") == ["identity"]


async def test_what_is_for_the_next_hop_only_ends_here() -> None:
    """RFC 9110 § 7.6.1, and the fields that ``Connection`` names."""
    hop = {
        "Connection": "keep-alive, X-Hop, TE",
        "Keep-Alive": "timeout=5",
        "Proxy-Authorization": "Basic eDp5",
        "Proxy-Connection": "keep-alive",
        "TE": "trailers",
        "Trailer": "X-Late",
        "Upgrade": "h2c",
        "X-Hop": "1",
    }
    async with answering(OK) as seen:
        assert (await ask(seen.proxy.port, headers={**hop, "X-End": "1"})).status == 200
        names = {name.lower() for name, _ in seen.headers}
        assert names.isdisjoint(name.lower() for name in hop)
        assert seen.values("X-End") == ["1"]


_FORWARDED = {
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "chat.example",
    "X-Forwarded-Prefix": "/x",
    "Forwarded": "for=203.0.113.7",
}


async def test_a_strangers_word_about_earlier_hops_is_replaced() -> None:
    """Anybody could write it."""
    async with answering(OK) as seen:
        await ask(seen.proxy.port, headers={"Host": "me.example", **_FORWARDED})
        assert seen.values("X-Forwarded-For") == ["127.0.0.1"]
        assert seen.values("X-Forwarded-Proto") == ["http"]
        assert seen.values("X-Forwarded-Host") == ["me.example"]
        assert seen.values("X-Forwarded-Prefix") == seen.values("Forwarded") == []


async def test_a_trusted_proxys_word_is_kept_and_added_to() -> None:
    """``trusted_proxies``."""
    async with answering(OK, trusted_proxies=["127.0.0.0/8"]) as seen:
        await ask(seen.proxy.port, headers={"Host": "me.example", **_FORWARDED})
        assert seen.values("X-Forwarded-For") == ["203.0.113.7, 127.0.0.1"]
        assert seen.values("X-Forwarded-Proto") == ["https"]
        assert seen.values("X-Forwarded-Host") == ["chat.example"]
        assert seen.values("Forwarded") == ["for=203.0.113.7"]


async def test_no_cookie_of_one_user_reaches_the_upstream_for_another() -> None:
    """What the upstream sets is between it and that client."""
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: session=alice; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with answering(cookie, OK) as seen:
        assert (await ask(seen.proxy.port)).headers["set-cookie"] == "session=alice; Path=/"
        await ask(seen.proxy.port)
        assert seen.values("Cookie") == []
        assert seen.connections() == 1


async def test_proxy_variables_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The upstream is where the settings say."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.lower(), "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with answering(OK) as seen:
        assert (await ask(seen.proxy.port)).body == b"ok"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_passed_on(status: int) -> None:
    """And never followed."""
    response = b"HTTP/1.1 %d Moved\r\nLocation: http://127.0.0.1:1/x?y\r\nContent-Length: 0\r\n\r\n" % status
    async with answering(response) as seen:
        async with chat(seen.proxy.port) as call:
            answer = await call.answer()
        assert (answer.status, answer.headers["location"]) == (status, "http://127.0.0.1:1/x?y")
        assert len(seen.heads) == 1


async def test_the_headers_of_an_ordinary_answer_go_through() -> None:
    """All but the hop-by-hop ones; duplicates stay apart and in order."""
    response = (
        b'HTTP/1.1 200 Fine\r\nServer: llama.cpp\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nETag: W/"1"\r\n'
        b"Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Type: text/x\r\nX-Request-Id: 7\r\nContent-Length: 2\r\n\r\nok"
    )
    async with answering(response) as seen:
        answer = await ask(seen.proxy.port)
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert [name for name, _ in answer.headers.multi_items() if name != "date"] == [
        "server", "set-cookie", "set-cookie", "etag", "content-type", "x-request-id", "content-length",
    ]  # fmt: skip
    assert answer.headers["server"] == "llama.cpp"


async def test_the_headers_of_a_stream_keep_it_from_being_buffered() -> None:
    """INTERFACE "Headers": ours replace the upstream's, which keeps ``no-store``; other fields go through."""
    stream = chunk("", finish="stop") + DONE
    response = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store, max-age=3\r\n"
        b"X-Accel-Buffering: yes\r\nETag: x\r\nX-Other: 1\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n%b"
    ) % (len(stream), stream)
    async with answering(response) as seen, chat(seen.proxy.port) as call:
        answer = await call.answer()
    headers = dict(answer.headers)
    assert len(headers.pop("x-request-id")) == 32
    assert headers == {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache, no-transform, no-store",
        "x-accel-buffering": "no",
        "x-other": "1",
        "transfer-encoding": "chunked",
    }


@pytest.mark.parametrize(
    "upstream, client, expected", [("u", "c", "u"), ("", "c", "c"), ("", "no good", None), ("", "", None)]
)
@pytest.mark.parametrize("stream", [True, False])
async def test_every_answer_has_a_request_id(upstream: str, client: str, expected: str | None, stream: bool) -> None:
    """The upstream's, else the client's, else a new one."""
    own = f"X-Request-Id: {upstream}\r\n" if upstream else ""
    kind = "text/event-stream" if stream else "text/plain"
    content = "data: [DONE]\n\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{own}Content-Length: {len(content)}\r\n\r\n{content}"
    async with answering(head.encode()) as seen:
        headers = {"X-Request-Id": client} if client else {}
        async with chat(seen.proxy.port, headers=headers, stream=stream) as call:
            answer = await call.answer()
        assert answer.headers.get_list("x-request-id") == [expected or answer.headers["x-request-id"]]
        assert expected or len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    "method, response, headers",
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n", {"content-length": "1234"}),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", {"content-type": "text/event-stream"}),
        ("HEAD", b"HTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n", {}),
        ("GET", b"HTTP/1.1 204 Nothing\r\n\r\n", {}),
        ("DELETE", b"HTTP/1.1 204 Nothing\r\nContent-Length: 0\r\n\r\n", {}),
        ("GET", b"HTTP/1.1 304 Same\r\nETag: x\r\nContent-Length: 1234\r\n\r\n", {"etag": "x"}),
        ("POST", b"HTTP/1.1 205 Reset\r\nContent-Length: 0\r\n\r\n", {"content-length": "0"}),
    ],
)
async def test_answers_without_content_leave_the_connection_in_order(
    method: str, response: bytes, headers: dict[str, str]
) -> None:
    """To the client and to the upstream: the next request on both is served."""
    async with answering(response, OK) as seen:
        answer = await ask(seen.proxy.port, method)
        assert (answer.status, answer.body, answer.complete) == (int(response[9:12]), b"", True)
        assert {name: answer.headers[name] for name in headers} == headers
        assert (await ask(seen.proxy.port)).body == b"ok"


async def test_interim_responses_of_the_upstream_are_not_the_answer() -> None:
    """100 and 103 come before it."""
    response = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK
    async with answering(response) as seen:
        assert (await ask(seen.proxy.port)).body == b"ok"


async def test_connections_to_the_upstream_are_kept_and_shared() -> None:
    """One after the other, streams included, for whichever client."""
    stream = chunk("", finish="stop") + DONE
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    response = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(stream), stream)

    async def talk(client: Talk) -> None:
        while True:
            await client.reader.readexactly(
                int((await client.head()).partition(b"ength: ")[2].split(b"\r\n")[0] or b"0")
            )
            await client.say(response)

    async with peer(talk) as upstream, proxying(upstream.url) as proxy:
        for _ in range(5):
            async with chat(proxy.port) as call:
                assert await call.rest() == stream
            await proxy.idle()
        assert upstream.connections == 1


async def test_requests_at_the_same_time_do_not_wait_for_each_other() -> None:
    """There is no limit on connections to the upstream."""
    together = asyncio.Barrier(20)

    async def talk(client: Talk) -> None:
        await client.head()
        await together.wait()
        await client.say(OK)

    async with peer(talk) as upstream, proxying(upstream.url) as proxy:
        answers = await asyncio.gather(*(ask(proxy.port) for _ in range(20)))
        assert {answer.body for answer in answers} == {b"ok"}


async def test_a_client_may_use_its_connection_again() -> None:
    """After an ordinary answer and after a stream."""
    stream = chunk("", finish="stop") + DONE
    response = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n%b" % (
        len(stream),
        stream,
    )
    request = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
    async with answering(response) as seen:
        async with calling(seen.proxy.port, headers={"Accept": "text/event-stream"}) as call:
            assert await call.rest() == stream
            for _ in range(3):
                call.again()
                await call.write(request)
                assert await call.rest() == stream
                assert call.complete
        assert len(seen.heads) == 4
