"""The table of settings: name, kind, default, meaning (INTERFACE "Settings").

Building a `Settings` reads no environment and no file, so an embedder gets exactly what it wrote; `load.load_settings`
is the way in for flags, environment and TOML. A plain pydantic model rather than a pydantic-settings one: the sources
of pydantic-settings read `os.environ` themselves, parse lists as JSON and cannot say which of them a value came from,
so all of them would have to be replaced.

Settings of later versions exist with their defaults, so that schema and flags are complete, and refuse anything else.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from .routes import Route, usual_bridge
from .values import (
    Accepts,
    Bridges,
    ByteCount,
    ByteLimit,
    Count,
    FilePath,
    GuardFile,
    HeaderNames,
    HeartbeatMode,
    HeartbeatSeconds,
    Host,
    LogFormat,
    LogLevel,
    Networks,
    Origins,
    Port,
    PositiveSeconds,
    Readiness,
    Reframe,
    Seconds,
    SendBufferBytes,
    Store,
    Switch,
    Upstream,
)

__all__ = ["FILE_ONLY", "Settings"]

#: Settings that only the TOML file can hold.
FILE_ONLY = frozenset({"routes"})

# The first cannot be given without the second.
_NEEDS = {
    "tls_cert_file": "tls_key_file",
    "tls_key_file": "tls_cert_file",
    "tls_client_ca_file": "tls_cert_file",
    "upstream_client_key": "upstream_client_cert",
}


class Settings(BaseModel):
    """What one proxy or middleware does; immutable. Seconds are floats, 0 often means none, files are paths.

    Raises:
        pydantic.ValidationError: (a ValueError) an unknown name, a value out of bounds, or one for a later version.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        str_strip_whitespace=True,
        hide_input_in_errors=True,  # it may hold a password, which a traceback must not
        json_schema_extra={"title": "sse-proxy settings", "description": "The TOML file of sse-proxy --config."},
    )

    upstream: Upstream = Field(
        None, description="Base URL of the LLM server: http://, https:// or unix:/path.sock; a path prefix is kept."
    )
    host: Host = Field("127.0.0.1", description="Address of the proxy's listener; :: for all, IPv4 and IPv6.")
    port: Port = Field(7070, description="Port of the proxy's listener; 0 for any free one.")
    admin_host: Host = Field("127.0.0.1", description="Address of the admin listener: metrics, probes, drain.")
    admin_port: Port = Field(7071, description="Port of the admin listener; 0 for any free one.")
    tls_cert_file: FilePath = Field(None, description="Certificate chain (PEM) of the proxy's listener.")
    tls_key_file: FilePath = Field(None, description="Private key (PEM) of the proxy's listener.")
    tls_client_ca_file: GuardFile = Field(
        None, description="Certificate authorities (PEM) that clients must have a certificate of (mTLS)."
    )
    keep_alive_seconds: PositiveSeconds = Field(
        620.0, description="How long an idle client connection is kept; above any load balancer's own."
    )
    heartbeat_seconds: HeartbeatSeconds = Field(
        15.0, description="Silence towards the client after which a heartbeat is sent; 0 = off, at least 1."
    )
    heartbeat_mode: HeartbeatMode = Field(
        "auto",
        description="auto (per dialect and client), comment (': ping' and one newline), comment-block (two newlines), "
        "data (the dialect's no-op event) or off.",
    )
    commit_after_seconds: Seconds = Field(
        15.0,
        description="A stream request without an event after this long gets 200 and heartbeats from here on; until "
        "then the upstream's real status is kept; 0 = never.",
    )
    connect_timeout_seconds: PositiveSeconds = Field(5.0, description="Connecting to the upstream, TLS included.")
    first_event_timeout_seconds: PositiveSeconds = Field(
        600.0, description="Request sent to first payload event (not a stream: response headers)."
    )
    idle_timeout_seconds: PositiveSeconds = Field(
        300.0, description="Between two payload events of an LLM dialect (not a stream: bytes), without heartbeats."
    )
    total_timeout_seconds: Seconds = Field(3600.0, description="The whole stream; 0 = no limit.")
    completion_grace_seconds: Seconds = Field(
        10.0, description="The terminal signal was seen but the upstream does not close: end as completed after this."
    )
    client_stall_timeout_seconds: PositiveSeconds = Field(
        60.0, description="A client that reads nothing for this long while there is something to send is dropped."
    )
    reframe: Reframe = Field(
        "auto",
        description="auto (SSE is made canonical; other formats become SSE where the client asked for it), always "
        "(whenever the response is a stream) or never.",
    )
    max_event_bytes: ByteLimit = Field(33_554_432, description="Largest event; a larger one ends the stream.")
    inspect_request_bytes: ByteCount = Field(
        8_388_608, description="How much of a JSON body is held to see whether it asks for a stream."
    )
    max_request_bytes: ByteCount = Field(0, description="Largest request body, 413 above; 0 = no limit.")
    max_streams: Count = Field(0, description="Streams at a time, 503 above; 0 = no limit.")
    max_streams_per_client: Count = Field(
        0,
        description="Streams at a time of one token (auth_tokens_file) or else address, 503 above; 0 = no limit.",
    )
    max_buffer_bytes: ByteLimit = Field(
        536_870_912, description="All buffers together: requests are refused with 503 above."
    )
    client_send_buffer_bytes: SendBufferBytes = Field(
        65_536, description="SO_SNDBUF of the listener: a slow client is felt in seconds, not minutes."
    )
    drain_delay_seconds: Seconds = Field(
        5.0, description="On SIGTERM new requests are still served for this long, while readiness fails already."
    )
    drain_seconds: Seconds = Field(
        20.0, description="After the delay streams may end by themselves for this long, then they are ended cleanly."
    )
    readiness_upstream: Readiness = Field(
        "tcp",
        description="How readiness checks the upstream: tcp (it accepts connections), a path (status < 400), or off.",
    )
    resume: Store = Field(
        "off",
        description="Where streams are kept for clients that come back: off, memory (of this process), or the URL of a "
        "Redis that all replicas share.",
    )
    resume_ttl_seconds: PositiveSeconds = Field(300.0, description="How long a stream is kept after its end.")
    resume_stream_bytes: ByteLimit = Field(
        4_194_304, description="How much of one stream is kept; the oldest go first."
    )
    resume_total_bytes: ByteLimit = Field(268_435_456, description="How much one process keeps of all streams.")
    detach_seconds: Seconds = Field(
        60.0, description="How long a stream that is kept is generated on with nobody listening; 0 = not at all."
    )
    resume_owner_headers: HeaderNames = Field(
        ("authorization", "x-api-key", "api-key", "x-goog-api-key"),
        description="Request headers that make a caller the same caller; none = the stream's id alone.",
    )
    cors_origins: Origins = Field(
        (), description="Origins that browsers may call from, or *; none = the upstream's own CORS passes."
    )
    auth_tokens_file: GuardFile = Field(
        None, description="Bearer tokens that are let in, one a line, in clear or as sha256:…; re-read on change."
    )
    upstream_headers_file: FilePath = Field(
        None, description="Headers set towards the upstream (its real key), one 'Name: value' a line; never logged."
    )
    upstream_ca_file: FilePath = Field(None, description="Certificate authorities (PEM) of the upstream.")
    upstream_client_cert: FilePath = Field(None, description="Client certificate (PEM) for the upstream.")
    upstream_client_key: FilePath = Field(None, description="Private key (PEM) of the client certificate.")
    trusted_proxies: Networks = Field(
        (), description="Addresses or networks whose X-Forwarded-* is believed; others' are replaced."
    )
    admin_token_file: GuardFile = Field(None, description="Token that guards /-/drain and /-/streams.")
    client_variants: Switch = Field(
        default=True, description="Heartbeat and error form are chosen by the client's own headers where known."
    )
    json_keepalive_seconds: Seconds = Field(
        0.0, description="Spaces in front of a late JSON answer of a known API, so that no hop cuts it; 0 = off."
    )
    playground: Switch = Field(
        default=False, description="The page at /-/sse-proxy/: a stream with and without the proxy, side by side."
    )
    probe: Switch = Field(default=False, description="The doctor's test stream, /-/sse-proxy/probe.")
    log_level: LogLevel = Field("info", description="debug, info, warning, error or critical.")
    log_format: LogFormat = Field("auto", description="json, console, or auto: console on a terminal, else json.")
    tracing: Switch = Field(
        default=False, description="OpenTelemetry spans, over OTLP; needs sse-proxy[otel], and obeys OTEL_… variables."
    )
    bridge: Bridges = Field(
        (), description="PATH=UPSTREAM_PATH: GET or POST with a prompt on PATH asks the upstream's POST API for tokens."
    )
    bridge_model: Annotated[str | None, Accepts("the name of a model")] = Field(
        None, description="The model that bridges ask for."
    )
    routes: Annotated[tuple[Route, ...], Accepts("a list of tables, [[routes]]")] = Field(
        (), description="Per-path settings, first match wins; in the file only."
    )

    @property
    def effective_routes(self) -> tuple[Route, ...]:
        """The routes in order of lookup: the usual bridges, lest a wider route hide them, then those of the file."""
        bridges = (pair.partition("=") for pair in self.bridge)
        return (*(usual_bridge(path, target, self.bridge_model) for path, _, target in bridges), *self.routes)

    @model_validator(mode="after")
    def _have_usable_bridges(self) -> Self:
        try:
            _ = self.effective_routes
        except ValidationError:
            raise
        except ValueError as error:
            raise PydanticCustomError("bridge", "{reason}", {"reason": str(error)}) from error
        return self

    @model_validator(mode="after")
    def _need_their_partners(self) -> Self:
        for name, partner in _NEEDS.items():
            if getattr(self, name) is not None and getattr(self, partner) is None:
                raise PydanticCustomError("needs_partner", "{name} needs {partner}", {"name": name, "partner": partner})
        return self
