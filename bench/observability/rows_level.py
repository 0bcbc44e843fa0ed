"""The rows of the dashboard about what users get and how fast: the service level, and latency."""

from __future__ import annotations

from .panels import Kind, Panel, Query, Row, quantiles, selected, total

__all__ = ["FAILED", "LATENCY", "OBJECTIVE", "SERVICE_LEVEL", "VALID"]

# What counts in the service level, as in the alert rules. Clients that leave, stop reading or stop their generation are
# no failure of the service; whatever else is not `completed` is one to its user.
FAILED = 'outcome!~"completed|client_disconnected|client_stalled|stopped"'
VALID = 'outcome!~"client_disconnected|client_stalled|stopped"'
#: The share of valid streams that shall complete.
OBJECTIVE = 0.99


_STREAMS = "sse_proxy_streams_total"
_FIRST_EVENT = "sse_proxy_time_to_first_event_seconds"
_INTER_EVENT = "sse_proxy_inter_event_seconds"

SERVICE_LEVEL = Row(
    title="Service level",
    panels=(
        Panel(
            title="Streams that completed",
            kind=Kind.NUMBER,
            unit="percentunit",
            queries=(
                Query(
                    expr=f"1 - {total(_STREAMS, FAILED, window='$__range')} / "
                    f"{total(_STREAMS, VALID, window='$__range')}"
                ),
            ),
            about=f"Of the streams in the time shown that no client ended; the objective is {OBJECTIVE:.0%}.",
            width=6,
            good_above=OBJECTIVE,
        ),
        Panel(
            title="First event, p95",
            kind=Kind.NUMBER,
            unit="s",
            queries=quantiles(_FIRST_EVENT, of=("0.95",), window="$__range"),
            about="From the request to the first payload event, over the time shown.",
            width=6,
            bad_above=10,
        ),
        Panel(
            title="Streams open",
            kind=Kind.NUMBER,
            unit="short",
            queries=(Query(expr=f"sum ({selected('sse_proxy_streams_active')})"),),
            about="Now, in all pods that are chosen.",
            width=6,
        ),
        Panel(
            title="Streams finished per second",
            kind=Kind.NUMBER,
            unit="short",
            queries=(Query(expr=total(_STREAMS)),),
            about="However they ended.",
            width=6,
        ),
        Panel(
            title="Failed streams",
            kind=Kind.LINES,
            unit="percentunit",
            queries=(
                Query(expr=f"{total(_STREAMS, FAILED)} / {total(_STREAMS, VALID)}", legend="failed"),
                Query(expr=f"vector({1 - OBJECTIVE:g})", legend="objective"),
            ),
            about="The share of those that no client ended. Above the objective's line the error budget shrinks.",
            colours={"failed": "red", "objective": "text"},
        ),
        Panel(
            title="Time to first event",
            kind=Kind.LINES,
            unit="s",
            queries=quantiles(_FIRST_EVENT),
            about="What users wait for. Each stream is counted at its end, so a change shows a stream's length later.",
        ),
        Panel(
            title="Streams open, by pod",
            kind=Kind.LINES,
            unit="short",
            queries=(
                Query(
                    expr=f"sum by (pod, instance) ({selected('sse_proxy_streams_active')})",
                    legend="{{pod}} {{instance}}",
                ),
            ),
            about="Streams last minutes: an uneven spread after a rollout is normal for as long.",
            stacked=True,
        ),
    ),
)


def _heatmap(title: str, histogram: str, about: str) -> Panel:
    buckets = f"sum by (le) (increase({selected(f'{histogram}_bucket')}[$__rate_interval]))"
    return Panel(
        title=title,
        kind=Kind.HEATMAP,
        unit="s",
        queries=(Query(expr=buckets, legend="{{le}}", buckets=True),),
        about=about,
        width=12,
    )


LATENCY = Row(
    title="Latency",
    panels=(
        _heatmap(
            "Time to first event, streams",
            _FIRST_EVENT,
            "Two bands instead of one: a queue, a cold prefix cache, or one slow replica among fast ones.",
        ),
        _heatmap(
            "Between events, events",
            _INTER_EVENT,
            "Counted as the events come. A band that moves up is the model getting slower under load; events that come "
            "in one piece are in the lowest bucket.",
        ),
        Panel(
            title="Between events",
            kind=Kind.LINES,
            unit="s",
            queries=quantiles(_INTER_EVENT),
            about="The pace of the answer, of open streams too.",
        ),
        Panel(
            title="Duration of completed streams",
            kind=Kind.LINES,
            unit="s",
            queries=quantiles("sse_proxy_stream_duration_seconds", 'outcome="completed"'),
            about="From the request to the end. Near total_timeout_seconds, or a hop's limit, streams get cut.",
        ),
        Panel(
            title="Events per second, by dialect",
            kind=Kind.LINES,
            unit="short",
            queries=(Query(expr=total("sse_proxy_events_total", by="dialect"), legend="{{dialect}}"),),
            about="Payload events of finished streams.",
            stacked=True,
        ),
    ),
)
