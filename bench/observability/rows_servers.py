"""The rows of the dashboard about the servers: the upstream beside the proxy, and the proxy's process."""

from __future__ import annotations

from .panels import NAMESPACE, Kind, Panel, Query, Row, quantiles, selected, total

__all__ = ["PROCESS", "UPSTREAM"]


def _by_instance(expr: str) -> tuple[Query, ...]:
    return (Query(expr=expr, legend="{{pod}} {{instance}}"),)


def _vllm_quantile(histogram: str, quantile: str) -> str:
    return f"histogram_quantile({quantile}, sum by (le) (rate({histogram}_bucket{{{NAMESPACE}}}[$__rate_interval])))"


UPSTREAM = Row(
    title="Beside the upstream (vLLM)",
    folded=True,
    panels=(
        Panel(
            title="First event and first token, p95",
            kind=Kind.LINES,
            unit="s",
            queries=(
                Query(expr=_vllm_quantile("vllm:time_to_first_token_seconds", "0.95"), legend="vLLM, first token"),
                *(
                    Query(expr=query.expr, legend="proxy, first event")
                    for query in quantiles("sse_proxy_time_to_first_event_seconds", of=("0.95",))
                ),
            ),
            about="Both have the same buckets. A gap is the way to vLLM, its HTTP server, and what the proxy adds. The "
            "proxy counts at a stream's end, vLLM at the token.",
        ),
        Panel(
            title="Between events and between tokens, p50",
            kind=Kind.LINES,
            unit="s",
            queries=(
                Query(expr=_vllm_quantile("vllm:inter_token_latency_seconds", "0.5"), legend="vLLM, tokens"),
                *(
                    Query(expr=query.expr, legend="proxy, events")
                    for query in quantiles("sse_proxy_inter_event_seconds", of=("0.5",))
                ),
            ),
            about="An event may hold more than one token.",
        ),
        Panel(
            title="Requests in vLLM, streams here",
            kind=Kind.LINES,
            unit="short",
            queries=(
                Query(expr=f"sum (vllm:num_requests_running{{{NAMESPACE}}})", legend="vLLM, running"),
                Query(expr=f"sum (vllm:num_requests_waiting{{{NAMESPACE}}})", legend="vLLM, waiting"),
                Query(expr=f"sum ({selected('sse_proxy_streams_active')})", legend="proxy, open"),
            ),
            about="More running than open: generations that nobody listens to. Waiting explains a late first event.",
        ),
    ),
)

PROCESS = Row(
    title="Process",
    panels=(
        Panel(
            title="CPU",
            kind=Kind.LINES,
            unit="percentunit",
            queries=_by_instance(f"rate({selected('process_cpu_seconds_total')}[$__rate_interval])"),
            about="Of one core. A process is one event loop: near 100 % it is time for more replicas.",
        ),
        Panel(
            title="Memory",
            kind=Kind.LINES,
            unit="bytes",
            queries=_by_instance(selected("process_resident_memory_bytes")),
            about="Resident.",
        ),
        Panel(
            title="File descriptors",
            kind=Kind.LINES,
            unit="percentunit",
            queries=_by_instance(f"{selected('process_open_fds')} / {selected('process_max_fds')}"),
            about="Of those allowed. A stream needs two, one to each side.",
            bad_above=0.8,
        ),
        Panel(
            title="Event loop lag",
            kind=Kind.LINES,
            unit="s",
            queries=quantiles("sse_proxy_event_loop_lag_seconds", of=("0.5", "0.99")),
            about="How late timers run. Above a few milliseconds the CPU is not enough, or something blocks the loop.",
        ),
        Panel(
            title="Bytes per second",
            kind=Kind.LINES,
            unit="Bps",
            queries=(Query(expr=total("sse_proxy_stream_bytes_total", by="direction"), legend="{{direction}}"),),
            about="in: read from upstreams, out: written to clients. Of finished streams.",
        ),
        Panel(
            title="Versions, and pods that drain",
            kind=Kind.LINES,
            unit="short",
            queries=(
                Query(
                    expr=f"count by (version) ({selected('sse_proxy_build_info')})",
                    legend="version {{version}}",
                ),
                Query(expr=f"sum ({selected('sse_proxy_draining')})", legend="draining"),
            ),
            about="How far a rollout is.",
        ),
    ),
)
