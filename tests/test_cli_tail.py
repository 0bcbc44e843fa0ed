"""`sse-proxy tail` against real servers: what it asks, what it shows, and what it makes of how they end."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import httpx
import pytest
import trustme
from click.testing import CliRunner

from sse_proxy.cli import main
from sse_proxy.demo import create_mock, expected_text
from sse_proxy.demo.defects import DEFECTS
from sse_proxy.watch.following import Following
from sse_proxy.watch.human import Raw
from sse_proxy.watch.view import Line

from .conftest import LIMIT_SECONDS
from .streaming import proxying, served
from .tailing import EVENT_STREAM, tail, told
from .upstream_peers import Talk, peer


@pytest.fixture
async def mock() -> AsyncIterator[str]:
    """The URL of a mock LLM server."""
    async with served(create_mock()) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("api, dialect", [("openai", "openai_chat"), ("anthropic", "anthropic"), ("ollama", "ollama")])
async def test_an_answer_is_told_whole_with_its_text(mock: str, api: str, dialect: str) -> None:
    """Straight from the server: verified by the API's own signal, exit code 0."""
    code, [head, *marks, end] = await told(f"{mock}?tokens=8&rate=0", f"--{api}", "m")
    assert (code, head["kind"], head["status"]) == (0, "head", 200)
    assert "".join(mark.get("text", "") for mark in marks) == end["text"] == expected_text(dialect, 8)
    assert (end["outcome"], end["verified"], end["dialect"]) == ("completed", True, dialect)
    assert end["events"] == len(marks)
    assert 0 < end["ttft_seconds"] <= end["t"]


async def test_through_the_proxy_its_heartbeats_are_seen(mock: str) -> None:
    """Those before the first event too, which are none themselves."""
    async with proxying(mock, heartbeat_seconds=0.05, commit_after_seconds=0.05) as proxy:
        url = f"http://127.0.0.1:{proxy.port}?prefill=1&tokens=3&rate=0"
        code, [_head, *marks, end] = await told(url, "--openai", "m")
    kinds = [mark["kind"] for mark in marks]
    assert (code, kinds[0], marks[0]["data"], kinds[-1]) == (0, "comment", "ping", "event")
    assert end["heartbeats"] == kinds.count("comment") > 0
    assert end["ttft_seconds"] >= 1


async def test_every_defect_of_the_mock_ends_as_the_proxy_ends_it(mock: str) -> None:
    """The text is whole, whatever the framing; and what was wrong has a name, unless it is allowed."""
    allowed = {"coalesced", "split_bytes", "split_utf8", "id_lines", "retry_field"}
    for defect in sorted(DEFECTS):
        code, [*_others, end] = await told(f"{mock}?tokens=6&rate=0&defect={defect}", "--openai", "m")
        assert (code, end["outcome"]) == (0, "completed"), defect
        assert end["text"] == expected_text("openai_chat", 6, defect), defect
        assert bool(end["repairs"]) is (defect not in allowed), defect


@pytest.mark.parametrize(
    "knobs, outcome",
    [
        ("die_after=3", "upstream_truncated"),
        ("die_mid_event=3", "upstream_truncated"),
        ("truncate_after=3", "upstream_truncated"),
        ("tear_after=3", "garbled"),
        ("error_after=3", "upstream_error"),
        ("error_first=true", "upstream_error"),
        ("status=503", "http_error"),
        ("body=html", "no_stream"),
        ("status=204", "no_stream"),
    ],
)
async def test_what_is_not_whole_is_exit_code_1(mock: str, knobs: str, outcome: str) -> None:
    """And says in a word what it was."""
    code, [*_others, end] = await told(f"{mock}?tokens=8&rate=0&{knobs}", "--openai", "m")
    assert (code, end["outcome"], end["verified"]) == (1, outcome, False)


async def test_a_refusal_is_shown_with_its_body(mock: str) -> None:
    """Since the reason is in it."""
    result = await tail(f"{mock}?status=429", "--openai", "m")
    assert result.exit_code == 1
    assert "429 Too Many Requests, HTTP/1.1, application/json" in result.stdout
    assert '{"error":' in result.stdout


async def test_raw_shows_the_bytes_as_they_came() -> None:
    """A line for each read, nothing repaired."""
    seen: list[str] = []
    first_seen = asyncio.Event()

    async def two_parts(talk: Talk) -> None:
        await talk.answer(EVENT_STREAM + b"Content-Length: 17\r\n\r\ndata:1\r\n\r\n")
        await first_seen.wait()
        await talk.say(b": \xffnd\n\n")

    def write(lines: Iterable[Line]) -> None:
        seen.extend("".join(piece.text for piece in line) for line in lines)
        if " B  " in seen[-1]:
            first_seen.set()

    async with peer(two_parts) as server, asyncio.timeout(LIMIT_SECONDS):
        ending = await Following(Raw(), write).run(httpx.Request("GET", server.url), None)
    assert [line.split(" B  ")[1] for line in seen if " B  " in line] == ["data:1\\r\\n\\r\\n", ": \\xffnd\\n\\n"]
    assert ending.is_whole


async def test_the_request_is_the_user_s_own() -> None:
    """Method, headers and body as given; no coding is asked for."""
    heads: list[bytes] = []

    async def listen(talk: Talk) -> None:
        head = await talk.head()
        heads.append(head + await talk.reader.readexactly(3))
        await talk.say(EVENT_STREAM + b"Content-Length: 0\r\n\r\n")

    async with peer(listen) as server:
        result = await tail(f"{server.url}/a?b=c%2Fd", "-X", "PUT", "-H", "X-Key: k", "-d", "abc")
    head, _, body = heads[0].partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert (lines[0], body) == (b"PUT /a?b=c%2Fd HTTP/1.1", b"abc")
    assert {b"X-Key: k", b"Content-Length: 3", b"Accept-Encoding: identity"} <= set(lines)
    assert "no stream: there is no body" in result.stdout


async def test_a_server_that_keeps_the_connection_is_left_after_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is whole, so nobody has to press a key."""
    monkeypatch.setattr("sse_proxy.watch.following._GRACE_SECONDS", 0.05)

    async def stay(talk: Talk) -> None:
        await talk.answer(EVENT_STREAM + b"\r\ndata: [DONE]\n\n")
        await talk.gone()

    async with peer(stay) as server:
        code, [*_others, end] = await told(server.url, "--openai", "m")
    assert (code, end["verified"]) == (0, True)
    assert end["detail"].startswith("the server kept the connection open for 0.05 seconds, but behind the end")


async def test_https_is_verified_unless_told_otherwise(tmp_path: Path) -> None:
    """A private authority can be named; without it one line says what is wrong, and nothing is sent."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("localhost").configure_cert(context)

    async def once(talk: Talk) -> None:
        await talk.answer(EVENT_STREAM + b"Content-Length: 9\r\n\r\ndata: 1\n\n")

    async with peer(once, context=context) as server:
        for flags in (["-k"], ["--cacert", str(tmp_path / "ca.pem")]):
            assert (await tail(server.url, *flags)).exit_code == 0
        refused = await tail(server.url)
        plain = await tail(server.url.replace("https", "http"))
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert refused.stderr.startswith(f"sse-proxy: {server.url}: the certificate is not trusted: ")
    assert plain.exit_code == 1


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
async def test_a_coding_that_nobody_asked_for_is_undone_and_told(mock: str, encoding: str) -> None:
    """As the proxy does, since the stream is readable all the same."""
    result = await tail(f"{mock}?tokens=6&rate=0&encoding={encoding}", "--openai", "m")
    assert result.exit_code == 0
    assert f"content-encoding {encoding}" in result.stdout
    assert expected_text("openai_chat", 6).rstrip() in result.stdout


@pytest.mark.parametrize(
    "answer, said",
    [
        (b"SSH-2.0-server\r\n", "not an HTTP/1 response"),
        (EVENT_STREAM + b"Content-Encoding: gzip\r\n\r\nnone", "truncated: the server sent a corrupt content coding"),
        (EVENT_STREAM + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "truncated: the body breaks HTTP's framing"),
        (
            EVENT_STREAM + b"Content-Length: 99\r\n\r\ndata: 1\n\n",
            "truncated: the connection was closed before the end",
        ),
        (
            b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nno",
            "no stream: the status is not 2xx: the connection was closed",
        ),
    ],
)
async def test_a_server_that_breaks_http_is_told_so(answer: bytes, said: str) -> None:
    """In one phrase, and never as a traceback."""

    async def say(talk: Talk) -> None:
        await talk.answer(answer)

    async with peer(say) as server:
        result = await tail(server.url)
    assert result.exit_code == 1
    assert said in result.output


@pytest.mark.parametrize(
    "url, why",
    [("http://127.0.0.1:1", "connection refused"), ("http://name.invalid", "the name cannot be resolved")],
)
async def test_a_server_that_is_not_there_is_one_line(url: str, why: str) -> None:
    """On stderr, with exit code 1: the command was right."""
    result = await tail(url)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"sse-proxy: {url}: {why}\n"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["h", "--raw", "--json"], "--raw and --json are two outputs, expected one"),
        (["http://xn--/"], "url: got 'http://xn--/', expected http://HOST[:PORT][/PATH], or https://"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: list[str], message: str) -> None:
    """As for every command."""
    result = CliRunner().invoke(main, ["tail", *arguments], prog_name="sse-proxy")
    assert (result.exit_code, result.stderr) == (2, f"sse-proxy: {message}\n")
