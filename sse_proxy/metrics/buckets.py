"""The edges of every histogram, in seconds, each including its bound; prometheus_client adds +Inf."""

from __future__ import annotations

__all__ = ["DURATION_BUCKETS", "FIRST_EVENT_BUCKETS", "INTER_EVENT_BUCKETS", "LAG_BUCKETS", "SILENCE_BUCKETS"]

# The first three are vLLM's own (vllm/v1/metrics/buckets.py: time to first token, inter-token latency, e2e
# request latency), so that the proxy's panels can be laid over the server's.
FIRST_EVENT_BUCKETS = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
INTER_EVENT_BUCKETS = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
)
DURATION_BUCKETS = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0),
    *(120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
# An idle timeout of a hop cuts within a second of its limit: an edge on either side of the usual ones (29/30: gateways,
# 50: HAProxy, 55: Heroku, 60: ALB and nginx, 100/120: Cloudflare, 240: Azure, 300: Envoy, 350: NLB) shows which it is.
SILENCE_BUCKETS = (
    *(0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 28.5, 31.0, 49.5, 51.0, 54.5, 56.0, 59.5, 61.0),
    *(99.5, 101.0, 119.5, 121.0, 239.5, 241.0, 299.5, 301.0, 349.5, 351.0, 600.0),
)
LAG_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
