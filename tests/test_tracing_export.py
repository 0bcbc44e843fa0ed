"""`tracing.export`: a real `sse-proxy` process and a collector that takes OTLP/HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from sse_proxy.tracing import export
from sse_proxy.tracing.export import FLUSH_SECONDS, Export, open_export

from .conftest import LIMIT_SECONDS, free_port
from .otlp_collector import Collector, collecting, values
from .process import Process, serving, token_server
from .streaming import until
from .tracing import PARENT, SAMPLED, TRACE
from .wire import chat

_ROOT = Path(__file__).resolve().parent.parent
_SERVE = ("serve", "--upstream", "http://127.0.0.1:9", "--port", "0", "--admin-port", "0", "--tracing")
_REFUSAL = "tracing: OpenTelemetry is not installed, expected: pip install 'sse-proxy[otel]'\n"
_QUICK = ("--tracing", "--drain-delay-seconds", "0", "--drain-seconds", "0.2")


async def _stream(proxy: Process, headers: Mapping[str, str] = SAMPLED) -> None:
    async with chat(proxy.port, headers=headers) as call:
        assert (await call.rest()).endswith(b"data: [DONE]\n\n")


async def _end(proxy: Process) -> float:
    """Seconds from SIGTERM to the exit, which has to be a clean one."""
    began = time.monotonic()
    proxy.process.send_signal(signal.SIGTERM)
    assert await proxy.exit_code() == 0
    return time.monotonic() - began


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """For processes: none of the variables that this machine may have."""
    for name in [name for name in os.environ if name.startswith("OTEL_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    return monkeypatch


def _lead(environment: pytest.MonkeyPatch, collector: Collector, **more: str) -> None:
    for name, value in {**collector.environment, **more}.items():
        environment.setenv(name, value)


async def test_a_collector_gets_the_span(environment: pytest.MonkeyPatch) -> None:
    """With the service's name and version, the headers of the environment, and the caller as its parent."""
    async with collecting() as collector, token_server(3) as (upstream_port, _):
        _lead(environment, collector, OTEL_EXPORTER_OTLP_HEADERS="x-tenant=blue")
        async with serving(upstream_port, *_QUICK) as proxy:
            await _stream(proxy)
            await until(lambda: bool(collector.spans))
            assert await _end(proxy) < LIMIT_SECONDS
    [span] = collector.spans
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, PARENT)
    assert (span.name, span.kind) == ("POST /chat/completions", Span.SPAN_KIND_SERVER)
    assert [event.name for event in span.events] == ["sse_proxy.first_event", "sse_proxy.end"]
    assert values(list(span.attributes))["sse_proxy.outcome"] == "completed"
    resource = values(list(collector.requests[0].resource_spans[0].resource.attributes))
    assert resource["service.name"] == "sse-proxy"
    assert resource["service.version"]
    [head] = collector.heads
    assert head.startswith("post /v1/traces http/1.1\r\n")
    assert "x-tenant: blue" in head


async def test_the_environment_of_opentelemetry_is_obeyed(environment: pytest.MonkeyPatch) -> None:
    """Service name and sampler are the SDK's own settings; this sampler records what the caller records."""
    async with collecting() as collector, token_server(1) as (upstream_port, _):
        _lead(environment, collector, OTEL_SERVICE_NAME="chat", OTEL_TRACES_SAMPLER="parentbased_always_off")
        async with serving(upstream_port, *_QUICK) as proxy:
            for headers in ({}, SAMPLED, {}):
                await _stream(proxy, headers)
            await _end(proxy)
    [span] = collector.spans
    assert span.parent_span_id.hex() == PARENT
    assert values(list(collector.requests[0].resource_spans[0].resource.attributes))["service.name"] == "chat"


async def test_the_spans_of_cut_streams_are_sent_before_the_exit(environment: pytest.MonkeyPatch) -> None:
    """Those that the drain cuts are the last to end, and nothing is sent before: the queue waits for a minute."""
    async with collecting() as collector, token_server(10_000, pause=0.05) as (upstream_port, _):
        _lead(environment, collector, OTEL_BSP_SCHEDULE_DELAY="60000")
        async with serving(upstream_port, *_QUICK) as proxy, chat(proxy.port) as call:
            await call.until(b"token 0")
            ended = asyncio.create_task(_end(proxy))
            await call.rest()
            await ended
    [span] = collector.spans
    assert values(list(span.attributes))["error.type"] == "drained"
    assert span.status.code == Status.STATUS_CODE_ERROR


async def test_a_collector_that_does_not_answer_holds_nobody_up(environment: pytest.MonkeyPatch) -> None:
    """Streams flow, and the exit waits for `FLUSH_SECONDS`, not for the SDK's half a minute."""
    async with collecting(answers=False) as collector, token_server(3) as (upstream_port, _):
        _lead(environment, collector)
        async with serving(upstream_port, *_QUICK) as proxy:
            await _stream(proxy)
            await until(lambda: bool(collector.requests))
            await _stream(proxy)
            assert FLUSH_SECONDS <= await _end(proxy) < LIMIT_SECONDS
    assert b"the collector did not take the last spans" in proxy.log


async def test_a_second_signal_does_not_wait_for_the_collector(environment: pytest.MonkeyPatch) -> None:
    """Somebody has waited long enough."""
    async with collecting(answers=False) as collector, token_server(10_000, pause=0.05) as (upstream_port, _):
        _lead(environment, collector)
        flags = ("--tracing", "--drain-delay-seconds", "0", "--drain-seconds", "60")
        async with serving(upstream_port, *flags) as proxy, chat(proxy.port) as call:
            await call.until(b"token 0")
            proxy.process.send_signal(signal.SIGTERM)
            while (await proxy.admin("/readyz"))[0] == 200:
                await asyncio.sleep(0.01)
            proxy.process.send_signal(signal.SIGTERM)
            assert await proxy.exit_code() == 128 + signal.SIGTERM
    assert b"the collector did not take the last spans" not in proxy.log


async def test_without_a_collector_streams_flow(environment: pytest.MonkeyPatch) -> None:
    """The log says that nothing could be sent; the process ends in good order."""
    async with token_server(3) as (upstream_port, _):
        _lead(environment, Collector(port=free_port()))
        async with serving(upstream_port, *_QUICK) as proxy:
            await _stream(proxy)
            await until(lambda: b"opentelemetry" in proxy.log)
            await _end(proxy)


def _python(code: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**{name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}, **environment},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# The command line in a Python that cannot import OpenTelemetry, as after a plain `pip install sse-proxy`.
_WITHOUT = """
import sys
sys.modules["opentelemetry"] = None
from sse_proxy.cli import main
main()
"""


def test_without_the_extra_the_setting_is_refused_in_one_line() -> None:
    """Exit code 2, and the line says what to install."""
    done = _python(_WITHOUT, *_SERVE)
    assert (done.returncode, done.stderr) == (2, f"sse-proxy: {_REFUSAL}")


_BASE = """
import sys
sys.modules["opentelemetry"] = None
from sse_proxy import Settings, SSEMiddleware, create_app
from sse_proxy.settings import SettingsError
create_app(Settings(upstream="http://127.0.0.1:9"))
SSEMiddleware(None)
for make in (lambda: create_app(Settings(upstream="http://127.0.0.1:9", tracing=True)),
             lambda: SSEMiddleware(None, tracing=True)):
    try:
        make()
    except ValueError as error:
        print(error)
"""


def test_without_the_extra_everything_else_works() -> None:
    """Proxy and middleware are made without it, and refuse the setting in the same words."""
    done = _python(_BASE)
    assert done.stderr == ""
    assert done.stdout == 2 * _REFUSAL


def test_without_the_setting_opentelemetry_is_not_imported() -> None:
    """Nobody pays for what is off: neither the proxy nor the middleware brings a module of it."""
    code = (
        "import sys\n"
        "from sse_proxy import Settings, SSEMiddleware, create_app\n"
        "import sse_proxy.cli.process\n"
        "SSEMiddleware(create_app(Settings(upstream='http://127.0.0.1:9')))\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    assert _python(code).stdout == "[]\n"


_THERE = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from sse_proxy.tracing.export import open_export
trace.set_tracer_provider(TracerProvider())
print(open_export(enabled=True).provider is trace.get_tracer_provider())
"""


def test_a_provider_that_is_there_is_taken() -> None:
    """``opentelemetry-instrument`` makes one, with exporters of its own, before our command begins."""
    assert _python(_THERE).stdout == "True\n"


def test_a_value_that_opentelemetry_refuses_is_told_in_one_line() -> None:
    """As a mistake in a setting, since it is one."""
    done = _python("from sse_proxy.cli import main; main()", *_SERVE, OTEL_BSP_MAX_EXPORT_BATCH_SIZE="0")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith("sse-proxy: tracing: OpenTelemetry does not accept its settings: max_export_batch")


async def test_nothing_is_closed_that_was_not_opened() -> None:
    """Tracing is off by default; closing costs nothing then."""
    opened = open_export(enabled=False)
    assert opened.provider is None
    await opened.close()


async def test_an_export_is_closed_once() -> None:
    """The SDK warns of a second time."""
    calls: list[str] = []
    opened = Export(None, lambda: calls.append("shutdown"))
    await opened.close()
    await opened.close()
    assert calls == ["shutdown"]


def test_a_flush_that_outlives_the_loop_is_nobodys_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told that spans may be lost; the thread ends in peace when the collector answers after all."""
    monkeypatch.setattr(export, "FLUSH_SECONDS", 0.01)
    answered, threads = threading.Event(), set(threading.enumerate())
    asyncio.run(Export(None, answered.wait).close())
    [flushing] = set(threading.enumerate()) - threads
    answered.set()
    flushing.join(LIMIT_SECONDS)  # an exception in it would fail this test as a warning
    assert not flushing.is_alive()
    assert ["the collector did not take" in record.message for record in caplog.records] == [True]
