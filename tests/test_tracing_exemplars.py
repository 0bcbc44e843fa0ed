"""Exemplars of ``sse_proxy_time_to_first_event_seconds``: which span they name, and in which format they are."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from sse_proxy.metrics.prometheus import PrometheusMetrics

from .streaming import Proxy, proxied, until
from .tracing import PARENT, SAMPLED, TRACE, WHOLE, Recorder, says, traced
from .wire import chat

_OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_BUCKETS = "sse_proxy_time_to_first_event_seconds_bucket"


def _exemplars(metrics: PrometheusMetrics) -> list[Sample]:
    """Every sample with an exemplar."""
    text = metrics.render(_OPENMETRICS)[0].decode()
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return [sample for family in families for sample in family.samples if sample.exemplar is not None]


async def _ask(proxy: Proxy, headers: Any) -> None:
    async with chat(proxy.port, headers=headers) as call:
        await call.rest()
    await until(lambda: bool(proxy.outcomes()))


async def test_without_tracing_the_callers_span_is_the_exemplar() -> None:
    """Where the caller records the request; no OpenTelemetry is needed here. The log line has the trace, too."""
    async with proxied(says(*WHOLE)) as proxy:
        await _ask(proxy, SAMPLED)
        [sample] = _exemplars(proxy.metrics)
    assert sample.name == _BUCKETS
    assert sample.exemplar is not None
    assert sample.exemplar.labels == {"trace_id": TRACE, "span_id": PARENT}
    assert 0 < sample.exemplar.value <= float(sample.labels["le"])


@pytest.mark.parametrize("headers", [{}, {"traceparent": f"00-{TRACE}-{PARENT}-00"}, {"traceparent": "x"}])
async def test_without_tracing_and_a_recorded_caller_there_is_none(headers: Any) -> None:
    """An exemplar that leads nowhere is worse than none."""
    async with proxied(says(*WHOLE)) as proxy:
        await _ask(proxy, headers)
        assert _exemplars(proxy.metrics) == []


@pytest.mark.parametrize("sampler, count", [(ALWAYS_ON, 1), (ALWAYS_OFF, 0)])
async def test_with_tracing_our_own_span_is_the_exemplar(sampler: Sampler, count: int) -> None:
    """If it is recorded; whatever the caller says then."""
    async with traced(says(*WHOLE), Recorder(sampler)) as proxy:
        await _ask(proxy, SAMPLED)
        found = [sample.exemplar.labels for sample in _exemplars(proxy.metrics) if sample.exemplar]
        spans = [span.get_span_context() for span in proxy.recorder.spans]
    assert len(found) == count
    assert found == [{"trace_id": f"{c.trace_id:032x}", "span_id": f"{c.span_id:016x}"} for c in spans if c]


async def test_a_stream_without_an_event_has_no_exemplar() -> None:
    """There is no time to a first event that it could be an example of."""
    async with proxied(says()) as proxy:
        await _ask(proxy, SAMPLED)
        assert _exemplars(proxy.metrics) == []


async def test_only_openmetrics_has_exemplars() -> None:
    """The classic text format knows none, and is what a scraper gets that does not ask for the other."""
    async with proxied(says(*WHOLE)) as proxy:
        await _ask(proxy, SAMPLED)
        assert TRACE in proxy.metrics.render(_OPENMETRICS)[0].decode()
        assert TRACE not in proxy.metrics.render()[0].decode()


@pytest.mark.parametrize("headers, expected", [(SAMPLED, TRACE), ({}, None)])
async def test_the_log_line_names_a_recorded_trace(
    headers: Any, expected: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """``trace_id``, so that one finds the trace from the log; no such field where nobody records it."""
    caplog.set_level(logging.INFO, logger="sse_proxy.streams")
    async with proxied(says(*WHOLE)) as proxy:
        await _ask(proxy, headers)
        await proxy.idle()
    [record] = caplog.records
    assert vars(record).get("trace_id") == expected
