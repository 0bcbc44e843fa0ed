"""The hops that stand in front of LLM servers, as a table.

The cut times are defaults from the vendors' documents and sources, gathered in November 2026; a hop that was configured
otherwise cuts at another second. A knob is what its vendor calls it, so that it can be searched for.

The order is from the edge of the network inwards, which is the order in which one of several is blamed.
"""

from __future__ import annotations

from .hop import Cut, Hop, Kind

__all__ = ["HOPS"]

_NGINX_CACHE_CONTROL = (
    "no proxy_hide_header Cache-Control; and no expires or add_header Cache-Control, in the location of the stream and "
    "around it"
)
_NGINX_KNOBS = {
    "buffered": (
        "proxy_buffering off; and gzip off; in the location of the stream, in every nginx on the way. Else no "
        "proxy_ignore_headers X-Accel-Buffering, and proxy_pass_header X-Accel-Buffering; on all but the outermost, "
        "since each nginx takes that header away"
    ),
    "compressed": "gzip off; in the location of the stream",
    "close-delimited": "remove chunked_transfer_encoding off; (it does nothing against buffering)",
    "upstream-http-1.0": 'proxy_http_version 1.1; and proxy_set_header Connection ""; (before 1.29.7 it is 1.0)',
    "duplicate-post": "proxy_next_upstream error timeout; without non_idempotent",
    "headers-changed": _NGINX_CACHE_CONTROL,
    "cacheable": _NGINX_CACHE_CONTROL,
    "content-type": "no proxy_hide_header Content-Type; in the location of the stream and around it",
    "cached": "proxy_cache off; in the location of the stream",
    "last-event-id-lost": "proxy_pass_request_headers on; or proxy_set_header Last-Event-ID $http_last_event_id;",
}

_ENVOY_TIMEOUT = "timeout: 0s on the route (Gateway API: timeouts.request: 0s; Envoy Gateway: BackendTrafficPolicy)"

HOPS: tuple[Hop, ...] = (
    Hop(
        name="Cloudflare",
        signs=(("cf-ray", ""), ("server", "^cloudflare")),
        cuts=(
            Cut(Kind.FIRST_BYTE, 120, "Proxy Read Timeout (Enterprise)"),
            Cut(Kind.IDLE, 120, "Proxy Read Timeout (Enterprise)"),
        ),
        knobs={
            "buffered": "turn response buffering off for the path (Enterprise), and keep Cache-Control: no-transform",
            "compressed": "a Compression Rule with 'off' for the path; Cache-Control: no-transform",
            "cached": "a Cache Rule with 'bypass' for the path",
        },
    ),
    Hop(
        name="Amazon CloudFront",
        signs=(("x-amz-cf-id", ""), ("via", "cloudfront")),
        cuts=(Cut(Kind.FIRST_BYTE, 30, "Origin response timeout"), Cut(Kind.IDLE, 30, "Origin response timeout")),
        knobs={
            "compressed": "'Compress objects automatically': no, in the behaviour of the path",
            "cached": "cache policy CachingDisabled for the path",
            "last-event-id-lost": "origin request policy AllViewer for the path",
        },
    ),
    Hop(
        name="Amazon API Gateway",
        signs=(("apigw-requestid", ""), ("x-amz-apigw-id", "")),
        cuts=(
            Cut(Kind.TOTAL, 29, "responseTransferMode: STREAM (REST APIs only); integration timeout"),
            Cut(Kind.TOTAL, 900, "none: streams end after 15 minutes"),
            Cut(Kind.IDLE, 300, "heartbeat_seconds below 300"),
            Cut(Kind.IDLE, 30, "a regional endpoint instead of an edge-optimized one"),
        ),
        knobs={"buffered": "responseTransferMode: STREAM (REST APIs only; HTTP APIs buffer)"},
    ),
    Hop(
        name="AWS ALB",
        signs=(("server", "^awselb/"),),
        cuts=(Cut(Kind.IDLE, 60, "idle_timeout.timeout_seconds of the load balancer"),),
    ),
    Hop(name="AWS NLB", cuts=(Cut(Kind.IDLE, 350, "tcp.idle_timeout.seconds of the listener"),)),
    Hop(
        name="Google Cloud load balancer",
        signs=(("via", r"\b1\.1 google$"),),
        cuts=(Cut(Kind.TOTAL, 30, "timeoutSec of the backend service (GKE: GCPBackendPolicy), for example 3600"),),
        knobs={"cached": "Cloud CDN off for the path", "compressed": "dynamic compression of Cloud CDN off"},
    ),
    Hop(
        name="Azure Front Door",
        signs=(("x-azure-ref", ""),),
        cuts=(
            Cut(Kind.FIRST_BYTE, 30, "Origin response timeout"),
            Cut(Kind.FIRST_BYTE, 60, "Origin response timeout"),
            Cut(Kind.IDLE, 240, "heartbeat_seconds below 240"),
        ),
        knobs={"compressed": "compression off in the route", "cached": "caching off in the route"},
    ),
    Hop(
        name="Azure Application Gateway",
        signs=(("server", "^microsoft-azure-application-gateway"),),
        cuts=(
            Cut(Kind.IDLE, 20, "requestTimeout of the backend setting"),
            Cut(Kind.IDLE, 30, "requestTimeout of the backend setting"),
        ),
        knobs={"buffered": "Response Buffer: disabled, in the gateway's global configuration"},
    ),
    Hop(
        name="Azure load balancer",
        cuts=(Cut(Kind.IDLE, 240, "idleTimeoutInMinutes of the rule"),),
    ),
    Hop(
        name="Fastly",
        signs=(("x-served-by", "^cache-"), ("x-fastly-request-id", "")),
        cuts=(
            Cut(Kind.FIRST_BYTE, 15, "first_byte_timeout of the backend; or commit_after_seconds = 10"),
            Cut(Kind.IDLE, 10, "between_bytes_timeout of the backend, 60s; or heartbeat_seconds = 5"),
        ),
        knobs={
            "buffered": "set beresp.do_stream = true;",
            "compressed": "set beresp.gzip = false; for the path",
            "cached": "return(pass); for the path",
        },
    ),
    Hop(
        name="Vercel",
        signs=(("x-vercel-id", ""), ("server", "^vercel")),
        cuts=(Cut(Kind.TOTAL, 300, "maxDuration of the function"), Cut(Kind.TOTAL, 800, "none: the plan's limit")),
    ),
    Hop(
        name="Heroku",
        signs=(("via", r"\bvegur\b|heroku-router"), ("server", "^heroku")),
        cuts=(
            Cut(Kind.FIRST_BYTE, 30, "none: commit_after_seconds below 30"),
            Cut(Kind.IDLE, 55, "none: heartbeat_seconds below 55"),
        ),
    ),
    Hop(
        name="Fly.io",
        signs=(("fly-request-id", ""), ("server", "^fly/")),
        cuts=(Cut(Kind.IDLE, 60, "http_options.idle_timeout of the service"),),
    ),
    Hop(
        name="Railway",
        signs=(("server", "^railway"),),
        cuts=(Cut(Kind.TOTAL, 900, "none: streams end after 15 minutes"),),
    ),
    Hop(
        name="Kong",
        signs=(("x-kong-proxy-latency", ""), ("via", r"\bkong/"), ("server", "^kong/")),
        cuts=(Cut(Kind.IDLE, 60, "read_timeout of the service, in milliseconds"),),
        knobs={
            "buffered": "response_buffering: false on the route, or X-Accel-Buffering: no from the service behind it"
        },
    ),
    Hop(
        name="Envoy",
        signs=(("server", r"\benvoy$"), ("x-envoy-upstream-service-time", "")),
        cuts=(
            Cut(Kind.TOTAL, 15, _ENVOY_TIMEOUT),
            Cut(Kind.IDLE, 300, "stream_idle_timeout of the connection manager"),
        ),
        knobs={
            "total-limit": _ENVOY_TIMEOUT,
            "compressed": "no compressor filter on the route, or text/event-stream left out of its content_type",
            "duplicate-post": "no retry_on that covers reset or 5xx on the route",
        },
    ),
    Hop(
        name="nginx",
        signs=(("server", "^(nginx|openresty|tengine|angie)"),),
        cuts=(Cut(Kind.IDLE, 60, "proxy_read_timeout 3600s; in the location of the stream"),),
        knobs=_NGINX_KNOBS,
    ),
    Hop(
        name="Varnish",
        signs=(("via", r"\bvarnish"), ("x-varnish", "")),
        cuts=(Cut(Kind.FIRST_BYTE, 60, "first_byte_timeout"), Cut(Kind.IDLE, 60, "between_bytes_timeout")),
        knobs={"buffered": "return (pipe); or set beresp.do_stream = true;", "cached": "return (pass); for the path"},
    ),
    Hop(
        name="Caddy",
        signs=(("via", r"\bcaddy\b"), ("server", "^caddy")),
        knobs={"buffered": "flush_interval -1 in reverse_proxy", "compressed": "encode without the path"},
    ),
    Hop(
        name="HAProxy",
        knobs={"grouped": "option http-no-delay"},
        cuts=(
            Cut(Kind.IDLE, 50, "timeout server, timeout client"),
            Cut(Kind.IDLE, 60, "timeout server, timeout client"),
        ),
    ),
    Hop(
        name="Apache httpd",
        signs=(("server", "^apache"),),
        cuts=(Cut(Kind.IDLE, 60, "ProxyTimeout"),),
        knobs={"buffered": "flushpackets=on on the ProxyPass line", "compressed": "SetEnv no-gzip 1 for the path"},
    ),
    Hop(name="Traefik", knobs={"compressed": "text/event-stream in excludedContentTypes of the compress middleware"}),
)
