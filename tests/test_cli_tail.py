"""`sse-proxy tail` against real servers: what it shows, how it ends, and that it is tidy when it is ended."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner, Result

from sse_proxy.cli import main
from sse_proxy.demo import create_mock, expected_text
from sse_proxy.demo.defects import DEFECTS

from .conftest import LIMIT_SECONDS
from .streaming import proxying, served
from .terminal import Terminal
from .upstream_peers import Talk, peer

EVENT_STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
#: Of an endless stream, to be ended from outside.
ENDLESS = EVENT_STREAM + b"\r\ndata: 1\n\n"


async def tail(*arguments: str, **environ: str) -> Result:
    """Run the command in a thread, so that servers in the test's own loop can answer."""
    run = CliRunner(env={"NO_COLOR": None, "FORCE_COLOR": None, **environ}).invoke
    return await asyncio.to_thread(run, main, ["tail", *arguments], prog_name="sse-proxy", color=True)


async def told(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Return the exit code and the objects of ``--json``."""
    result = await tail("--json", *arguments)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


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
        url = f"http://127.0.0.1:{proxy.port}?prefill=0.5&tokens=3&rate=0"
        code, [_head, *marks, end] = await told(url, "--openai", "m")
    kinds = [mark["kind"] for mark in marks]
    assert (code, kinds[0], marks[0]["data"], kinds[-1]) == (0, "comment", "ping", "event")
    assert end["heartbeats"] == kinds.count("comment") > 0
    assert end["ttft_seconds"] >= 0.5


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

    async def two_parts(talk: Talk) -> None:
        await talk.answer(EVENT_STREAM + b"Content-Length: 17\r\n\r\ndata:1\r\n\r\n")
        await released.wait()
        await talk.say(b": \xffnd\n\n")

    released = asyncio.Event()
    async with peer(two_parts) as server:
        asyncio.get_running_loop().call_later(0.2, released.set)
        result = await tail(server.url, "--raw")
    lines = [line.split(" B  ")[1] for line in result.stdout.splitlines() if " B  " in line]
    assert lines == ["data:1\\r\\n\\r\\n", ": \\xffnd\\n\\n"]
    assert result.exit_code == 0


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


def test_two_outputs_are_a_mistake() -> None:
    """Exit code 2, as for every wrong option."""
    result = CliRunner().invoke(main, ["tail", "h", "--raw", "--json"], prog_name="sse-proxy")
    assert (result.exit_code, result.stderr) == (2, "sse-proxy: --raw and --json are two outputs, expected one\n")


async def _endless(talk: Talk) -> None:
    await talk.answer(ENDLESS)
    await talk.gone()


async def _started(url: str, *flags: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sse_proxy", "tail", url, *flags),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_ctrl_c_ends_with_the_summary() -> None:
    """What came so far, exit code 130, no traceback; the server sees the connection closed."""
    async with peer(_endless) as server, asyncio.timeout(LIMIT_SECONDS * 2):
        process = await _started(server.url, "--json")
        assert process.stdout is not None
        lines = [json.loads(await process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        rest, errors = await process.communicate()
    assert [line["kind"] for line in lines] == ["head", "event"]
    assert (json.loads(rest)["outcome"], errors, process.returncode) == ("stopped", b"", 130)


async def test_a_reader_that_has_had_enough_ends_it_in_silence() -> None:
    """As ``| head`` does: no traceback, and the exit code of other programs."""

    async def flood(talk: Talk) -> None:
        await talk.answer(EVENT_STREAM + b"\r\n")
        while not talk.writer.transport.is_closing():
            await talk.say(b"data: 1\n\n")
            await asyncio.sleep(0.01)

    async with peer(flood) as server, asyncio.timeout(LIMIT_SECONDS * 2):
        process = subprocess.Popen(
            [sys.executable, "-m", "sse_proxy", "tail", server.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        await asyncio.to_thread(process.stdout.readline)
        process.stdout.close()
        code = await asyncio.to_thread(process.wait, LIMIT_SECONDS)
        errors = process.stderr.read()
        process.stderr.close()
    assert (code, errors) == (128 + signal.SIGPIPE, b"")


async def test_on_a_terminal_there_are_colours_and_no_line_is_too_long() -> None:
    """Unless NO_COLOR says otherwise; elsewhere FORCE_COLOR does."""
    long = b"data: " + b"x" * 500 + b"\n\n"

    async def once(talk: Talk) -> None:
        await talk.answer(EVENT_STREAM + b"Content-Length: %d\r\n\r\n" % len(long) + long)

    async with peer(once) as server:
        seen = await asyncio.to_thread(_on_a_terminal, server.url)
        plain = await asyncio.to_thread(_on_a_terminal, server.url, NO_COLOR="1")
        forced = await tail(server.url, FORCE_COLOR="1")
        piped = await tail(server.url)
    assert "\x1b[32m" in seen
    assert "\x1b" not in plain
    assert all(len(line) < 100 for line in plain.splitlines() if "xxx" in line)
    assert "\x1b[32m" in forced.stdout
    assert "\x1b" not in piped.stdout
    assert "x" * 500 in piped.stdout


def _on_a_terminal(url: str, **environ: str) -> str:
    with closing(Terminal(url, command=["tail"], environ=environ)) as terminal:
        assert terminal.end() == 0
        return terminal.written
