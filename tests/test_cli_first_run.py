"""The first minutes with ``sse-proxy``: what `serve` says without an upstream, when it is ready, and what is risky."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sse_proxy.cli import main, neighbours
from sse_proxy.cli.banner import banner, facts
from sse_proxy.cli.neighbours import DEFAULT_PORTS, Answer, Neighbour, find, identify, suggestions
from sse_proxy.demo import create_mock
from sse_proxy.settings import Settings

from .conftest import LIMIT_SECONDS, free_port
from .process import serving, token_server
from .streaming import proxying, served
from .terminal import Terminal
from .upstream_peers import Talk, peer, silent_listener

MISSING = "sse-proxy: upstream: not set, expected the LLM server's base URL: --upstream "
FACTS = {"proxy": "http://127.0.0.1:7070", "admin": "http://127.0.0.1:7071"}


def models(*entries: tuple[str, str]) -> Answer:
    """A list of models, each with its owner, as OpenAI's API has it."""
    return Answer(200, {"object": "list", "data": [{"id": name, "owned_by": owner} for name, owner in entries]})


@pytest.mark.parametrize(
    "answers, expected",
    [
        ({"/v1/models": models(("m", "vllm"))}, ("vLLM", ("m",))),
        ({"/v1/models": models(("m", "sglang"))}, ("SGLang", ("m",))),
        ({"/v1/models": models(("a", "organization_owner"), ("b", "x"))}, ("LM Studio", ("a", "b"))),
        # llama-server has a list of tags too, and Ollama one of models.
        (
            {"/v1/models": models(("m", "llamacpp")), "/api/tags": Answer(200, {"models": []})},
            ("llama.cpp", ("m",)),
        ),
        ({"/v1/models": models(("m", "library")), "/api/tags": Answer(200, {"models": []})}, ("Ollama", ("m",))),
        ({"/v1/models": models(), "/api/tags": Answer(200, {"models": [{"name": "m:1b"}]})}, ("Ollama", ("m:1b",))),
        (
            {"/v1/models": models(("m", "m")), "/info": Answer(200, {"model_id": "m", "max_concurrent_requests": 128})},
            ("TGI", ("m",)),
        ),
        ({"/v1/models": models(("m", "somebody"))}, ("a server of OpenAI's API", ("m",))),
        ({"/v1/models": Answer(401, None)}, ("a server of OpenAI's API that asks for a key", ())),
        ({"/v1/models": models(("m", "vllm")), "/-/sse-proxy/healthz": Answer(200, None)}, None),
        ({"/v1/models": Answer(404, None), "/info": Answer(200, {"version": "1"})}, None),
        ({"/v1/models": Answer(200, ["x"]), "/api/tags": Answer(200, "x"), "/info": Answer(200, 1)}, None),
        ({"/v1/models": Answer(200, {"data": ["x", {}]})}, ("a server of OpenAI's API", ())),
        ({}, None),
    ],
)
def test_a_server_is_known_by_its_answers(
    answers: dict[str, Answer], expected: tuple[str, tuple[str, ...]] | None
) -> None:
    """Not by its port; a proxy of ours is no server, and neither is a web application."""
    assert identify(answers) == expected


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a busy machine the time to answer; nobody else has to be waited for."""
    monkeypatch.setattr(neighbours, "_WITHIN_SECONDS", LIMIT_SECONDS)


@pytest.mark.usefixtures("patient")
async def test_a_server_on_a_port_is_found() -> None:
    """By the answers of the mock, which has Ollama's list of tags."""
    async with served(create_mock()) as port:
        found = await find([free_port(), port])
        avoided = await find([port], avoid=[port])
    assert found == [Neighbour("Ollama", f"http://127.0.0.1:{port}", ("mock",))]
    assert avoided == []


@pytest.mark.usefixtures("patient")
async def test_a_proxy_of_ours_is_not_taken_for_a_server() -> None:
    """Though the server behind it answers through it."""
    async with served(create_mock()) as mock, proxying(f"http://127.0.0.1:{mock}") as proxy:
        assert await find([proxy.port]) == []


async def test_who_does_not_answer_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that takes connections and is silent, one that speaks something else, and an answer without an end."""
    monkeypatch.setattr(neighbours, "_WITHIN_SECONDS", 0.3)

    async def garbage(talk: Talk) -> None:
        await talk.answer(b"SSH-2.0-nobody\r\n")

    async def endless(talk: Talk) -> None:
        await talk.answer(b"HTTP/1.1 200 OK\r\n\r\n")
        while not talk.writer.transport.is_closing():
            await talk.say(b"x" * 65536)

    with silent_listener() as (_host, silent):
        async with peer(garbage) as first, peer(endless) as second, asyncio.timeout(LIMIT_SECONDS):
            ports = [int(url.rpartition(":")[2]) for url in (first.url, second.url)]
            assert await find([silent, *ports]) == []


def test_the_suggestion_is_the_line_to_type() -> None:
    """With what was found; with what was looked for where nothing was."""
    found = [Neighbour("vLLM", "http://127.0.0.1:8000", tuple("abcd")), Neighbour("TGI", "http://127.0.0.1:3000", ())]
    assert suggestions(found, DEFAULT_PORTS) == [
        "found vLLM at http://127.0.0.1:8000 (a, b, c, …):",
        "  sse-proxy serve --upstream http://127.0.0.1:8000",
        "found TGI at http://127.0.0.1:3000:",
        "  sse-proxy serve --upstream http://127.0.0.1:3000",
        "without a server of your own:",
        "  sse-proxy demo",
    ]
    assert suggestions([], {"vLLM": 8000, "TGI": 3000})[0] == (
        "no LLM server answers on the usual ports of 127.0.0.1 (vLLM 8000, TGI 3000)"
    )


def serve(*flags: str, **environ: str) -> Result:
    """Run ``serve``, which has to refuse."""
    return CliRunner().invoke(main, ["serve", *flags], env=environ, prog_name="sse-proxy")


@asynccontextmanager
async def neighbour(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server on what is made the only usual port."""
    async with served(create_mock()) as port:
        monkeypatch.setattr(neighbours, "DEFAULT_PORTS", {"vLLM": port})
        yield port


@pytest.mark.usefixtures("patient")
async def test_serve_without_an_upstream_says_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """First what is missing, in one line, and exit code 2 as ever; never the proxy's own port."""
    async with neighbour(monkeypatch) as port:
        found = await asyncio.to_thread(serve)
        own = await asyncio.to_thread(serve, "--port", str(port))
    lines = found.stderr.splitlines()
    assert (found.exit_code, found.stdout) == (2, "")
    assert lines[0].startswith(MISSING)
    assert lines[1].startswith("found ")
    assert lines[2] == f"  sse-proxy serve --upstream http://127.0.0.1:{port}"
    assert own.stderr.splitlines()[1] == "no LLM server answers on the usual ports of 127.0.0.1 ()"


def test_another_mistake_is_told_alone() -> None:
    """One line, and nobody is asked."""
    result = serve("--port", "x")
    assert result.exit_code == 2
    assert result.stderr.startswith('sse-proxy: port: got "x"')
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "given, row",
    [
        ({}, "heartbeats  after 15 s of silence (auto); a late answer begins after 15 s"),
        ({"heartbeat_seconds": 0}, "heartbeats  off"),
        ({"commit_after_seconds": 0}, "heartbeats  after 15 s of silence (auto)"),
        ({}, "timeouts    first event 600 s, between events 300 s, whole stream 3600 s"),
        ({"total_timeout_seconds": 0}, "timeouts    first event 600 s, between events 300 s, whole stream none"),
        ({}, "resume      off"),
        ({"resume": "redis://u:secret@h/0"}, "resume      redis://***@h/0, kept 300 s after the end"),
        ({}, "access      whoever reaches the port"),
        ({"auth_tokens_file": Path("t")}, "access      with a token of auth_tokens_file"),
        ({"cors_origins": ("https://a.example",)}, "CORS        https://a.example"),
        (
            {"bridge": ("/chat=/v1/chat/completions",), "bridge_model": "m"},
            "routes      1, bridges at /chat",
        ),
        ({"playground": True}, "playground  http://127.0.0.1:7070/-/sse-proxy/"),
        ({"probe": True}, "probe       sse-proxy doctor http://127.0.0.1:7070"),
        ({"tracing": True}, "tracing     OpenTelemetry, over OTLP"),
        ({"max_streams": 5}, "limits      max_streams 5"),
        (
            {"max_streams_per_client": 2, "max_request_bytes": 99},
            "limits      max_streams_per_client 2, max_request_bytes 99",
        ),
        ({}, "metrics     http://127.0.0.1:7071/metrics (streams: sse-proxy top --admin http://127.0.0.1:7071)"),
    ],
)
def test_the_banner_says_what_is_on(given: dict[str, Any], row: str) -> None:
    """A line for each, and no password."""
    first, *rows = banner(Settings(upstream="http://llm:8000", **given), **FACTS)
    assert re.fullmatch(r"sse-proxy \S+ is ready: http://127\.0\.0\.1:7070", first)
    assert f"  {row}" in rows


def test_the_banner_has_no_metrics_without_an_admin_port() -> None:
    """Nor do the facts of the log."""
    settings = Settings(upstream="http://llm:8000")
    assert not [row for row in banner(settings, proxy="http://h", admin=None) if "metrics" in row]
    assert facts(settings, proxy="http://h", admin=None)["metrics"] is None


def test_what_is_off_has_no_line() -> None:
    """So that the banner stays short."""
    rows = banner(Settings(upstream="http://llm:8000"), **FACTS)
    assert not [row for row in rows if row.split()[0] in {"limits", "playground", "probe", "tracing", "routes", "CORS"}]


def test_the_facts_say_what_is_on() -> None:
    """With the addresses to open, for who reads the log with a machine."""
    told = facts(Settings(upstream="http://llm:8000"), **FACTS)
    off = (told["playground"], told["probe"], told["limits"], told["tracing"])
    assert off == (None, None, {}, False)
    settings = Settings(upstream="http://llm:8000", playground=True, probe=True, max_streams=5, tracing=True)
    told = facts(settings, **FACTS)
    assert told["playground"] == "http://127.0.0.1:7070/-/sse-proxy/"
    assert told["probe"] == "http://127.0.0.1:7070/-/sse-proxy/probe"
    assert (told["limits"], told["tracing"]) == ({"max_streams": 5}, True)


async def test_the_log_tells_the_same_in_one_record() -> None:
    """For machines: what is on, and where to scrape; the risks before it, once each."""
    flags = ("--heartbeat-seconds", "40", "--resume", "memory")
    async with token_server(1) as (port, _server), serving(port, *flags) as process:
        pass
    records = [json.loads(line) for line in process.log.decode().splitlines()]
    [ready] = [record for record in records if record["event"].startswith("ready: ")]
    assert (ready["heartbeat_seconds"], ready["resume"], ready["auth"]) == (40.0, "memory", False)
    assert ready["metrics"] == f"http://127.0.0.1:{process.admin_port}/metrics"
    assert ready["url"] == f"http://127.0.0.1:{process.port}"
    [warning] = [record for record in records if record["level"] == "warning"]
    assert warning["event"].startswith("heartbeat_seconds is 20 or more")


def test_on_a_terminal_the_banner_takes_its_place() -> None:
    """In words, and without colours where they are not wanted."""
    flags = ("--upstream", "http://127.0.0.1:1", "--port", "0", "--admin-port", "0")
    with closing(Terminal(*flags, command=["serve"], environ={"NO_COLOR": "1"})) as terminal:
        url = terminal.until(r"sse-proxy \S+ is ready: (http://127\.0\.0\.1:\d+)")[1]
        terminal.until(r"metrics +http://127\.0\.0\.1:\d+/metrics")
        terminal.interrupt()
        assert terminal.end() == 0
    assert url
    assert "ready: http" in terminal.written
    assert "\x1b" not in terminal.written
