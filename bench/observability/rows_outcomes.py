"""The rows of the dashboard about how streams end, and about those whose clients come back."""

from __future__ import annotations

from .panels import Kind, Panel, Query, Row, selected, total

__all__ = ["OUTCOMES", "RESUME"]

_STREAMS = "sse_proxy_streams_total"
_SILENCE = "sse_proxy_disconnect_silence_seconds"
_LEFT = 'outcome="client_disconnected"'
_COLOURS = {
    "completed": "green",
    "client_disconnected": "blue",
    "client_stalled": "light-blue",
    "stopped": "super-light-blue",
    "upstream_error": "dark-red",
    "upstream_truncated": "red",
    "connect_timeout": "dark-orange",
    "first_event_timeout": "orange",
    "idle_timeout": "light-orange",
    "total_timeout": "dark-yellow",
    "too_large": "dark-purple",
    "drained": "purple",
    "rejected": "light-purple",
}

OUTCOMES = Row(
    title="Outcomes",
    panels=(
        Panel(
            title="Streams finished per second, by outcome",
            kind=Kind.LINES,
            unit="short",
            queries=(Query(expr=total(_STREAMS, by="outcome"), legend="{{outcome}}"),),
            about="Every way in which a stream can end; the runbooks tell what each means.",
            width=12,
            stacked=True,
            colours=_COLOURS,
        ),
        Panel(
            title="Timeouts per second",
            kind=Kind.LINES,
            unit="short",
            queries=(Query(expr=total(_STREAMS, 'outcome=~".+_timeout"', by="outcome"), legend="{{outcome}}"),),
            about="Which limit: no connection, no first event, silence in the middle, the whole stream too long.",
            width=12,
            colours=_COLOURS,
        ),
        Panel(
            title="Clients that left",
            kind=Kind.LINES,
            unit="percentunit",
            queries=(
                Query(
                    expr=f"{total(_STREAMS, _LEFT)} / {total(_STREAMS)}",
                    legend="of all streams",
                ),
            ),
            about="A step up right after a change in front of the proxy is most often an idle timeout of the new hop.",
        ),
        Panel(
            title="Silence before a client left",
            kind=Kind.BARS,
            unit="short",
            queries=(
                Query(
                    expr=f"sum by (le) (increase({selected(f'{_SILENCE}_bucket')}[$__range]))",
                    legend="{{le}}",
                    buckets=True,
                ),
            ),
            about="Clients in the time shown, by seconds without a byte. One bar that stands out (29 to 31, 49 to 51, "
            "59 to 61, …) is the idle timeout of a hop; people leave at any time.",
        ),
        Panel(
            title="Answers per second, by status",
            kind=Kind.LINES,
            unit="short",
            queries=(Query(expr=total("sse_proxy_requests_total", by="code"), legend="{{code}}"),),
            about="Of all requests, not only streams. 499: the client left before the answer began.",
            stacked=True,
        ),
        Panel(
            title="Heartbeats per second, by form",
            kind=Kind.LINES,
            unit="short",
            queries=(Query(expr=total("sse_proxy_heartbeats_total", by="mode"), legend="{{mode}}"),),
            about="Of finished streams. Many: the model is silent for long, and a hop might have cut it.",
        ),
        Panel(
            title="Repairs per second, by kind",
            kind=Kind.LINES,
            unit="short",
            queries=(Query(expr=total("sse_proxy_repairs_total", by="kind"), legend="{{kind}}"),),
            about="What the upstream frames wrongly and the client gets right.",
        ),
        Panel(
            title="Tokens per second",
            kind=Kind.LINES,
            unit="short",
            queries=(Query(expr=total("sse_proxy_tokens_total", by="type"), legend="{{type}}"),),
            about="From the usage that the upstream reports at the end of a stream; none where it reports none.",
        ),
    ),
)

RESUME = Row(
    title="Resume",
    panels=(
        Panel(
            title="Clients that came back, per second",
            kind=Kind.LINES,
            unit="short",
            queries=(Query(expr=total("sse_proxy_resumes_total", by="result"), legend="{{result}}"),),
            about="replayed, joined and nothing_left are good. unknown: expired, or another caller's. evicted: too "
            "little was kept. unavailable: the store is down.",
            width=12,
            stacked=True,
        ),
        Panel(
            title="Kept for replay",
            kind=Kind.LINES,
            unit="bytes",
            queries=(Query(expr=f"sum ({selected('sse_proxy_replay_bytes')})", legend="bytes"),),
            about="Held by the processes themselves; what is in Redis is Redis's to tell. The limit is "
            "resume_total_bytes for each process.",
            width=6,
        ),
        Panel(
            title="Streams kept",
            kind=Kind.LINES,
            unit="short",
            queries=(Query(expr=f"sum ({selected('sse_proxy_replay_streams')})", legend="streams"),),
            about="Running ones, and finished ones for resume_ttl_seconds.",
            width=6,
        ),
        Panel(
            title="Events dropped for want of room, per second",
            kind=Kind.LINES,
            unit="short",
            queries=(Query(expr=total("sse_proxy_replay_evictions_total"), legend="dropped"),),
            about="Who comes back and lacks one of them gets 410.",
            width=12,
            colours={"dropped": "orange"},
        ),
        Panel(
            title="Failures of the store, per second",
            kind=Kind.LINES,
            unit="short",
            queries=(Query(expr=total("sse_proxy_store_errors_total"), legend="failures"),),
            about="Streams flow on without it, but cannot be resumed.",
            width=12,
            colours={"failures": "red"},
        ),
    ),
)
