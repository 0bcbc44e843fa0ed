"""`settings.model`: the names and defaults of the contract, and what a `Settings` promises to embedders."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from sse_proxy.settings import FILE_ONLY, Settings
from sse_proxy.settings.values import Accepts

# INTERFACE "Settings", name for name.
CONTRACT: dict[str, object] = {
    "upstream": None,
    "host": "127.0.0.1",
    "port": 7070,
    "admin_host": "127.0.0.1",
    "admin_port": 7071,
    "tls_cert_file": None,
    "tls_key_file": None,
    "tls_client_ca_file": None,
    "keep_alive_seconds": 620,
    "heartbeat_seconds": 15,
    "heartbeat_mode": "auto",
    "commit_after_seconds": 15,
    "connect_timeout_seconds": 5,
    "first_event_timeout_seconds": 600,
    "idle_timeout_seconds": 300,
    "total_timeout_seconds": 3600,
    "completion_grace_seconds": 10,
    "client_stall_timeout_seconds": 60,
    "reframe": "auto",
    "max_event_bytes": 33554432,
    "inspect_request_bytes": 8388608,
    "max_request_bytes": 0,
    "max_streams": 0,
    "max_streams_per_client": 0,
    "max_buffer_bytes": 536870912,
    "client_send_buffer_bytes": 65536,
    "drain_delay_seconds": 5,
    "drain_seconds": 20,
    "readiness_upstream": "tcp",
    "resume": "off",
    "resume_ttl_seconds": 300,
    "resume_stream_bytes": 4194304,
    "resume_total_bytes": 268435456,
    "detach_seconds": 60,
    "resume_owner_headers": ("authorization", "x-api-key", "api-key", "x-goog-api-key"),
    "cors_origins": (),
    "auth_tokens_file": None,
    "upstream_headers_file": None,
    "upstream_ca_file": None,
    "upstream_client_cert": None,
    "upstream_client_key": None,
    "trusted_proxies": (),
    "admin_token_file": None,
    "client_variants": True,
    "json_keepalive_seconds": 0,
    "playground": False,
    "probe": False,
    "log_level": "info",
    "log_format": "auto",
    "tracing": False,
    "bridge": (),
    "bridge_model": None,
    "routes": (),
}


def test_names_and_defaults_are_those_of_the_contract() -> None:
    """A name or default that changes here changes in users' configurations."""
    assert Settings().model_dump() == CONTRACT


def test_the_defaults_are_accepted_values() -> None:
    """Writing down every default changes nothing."""
    assert Settings.model_validate(CONTRACT) == Settings()


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_explains_itself(name: str) -> None:
    """``--help``, the schema and the error lines have words for every setting."""
    field = Settings.model_fields[name]
    assert field.description
    assert [item for item in field.metadata if isinstance(item, Accepts)]


def test_building_settings_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An embedder gets exactly what it wrote."""
    monkeypatch.setenv("SSE_PROXY_HEARTBEAT_SECONDS", "7")
    assert Settings(upstream="http://host").heartbeat_seconds == 15


def test_settings_are_frozen_and_know_their_names() -> None:
    """A typing error is an error, and nobody changes settings under a running proxy."""
    settings = Settings(heartbeat_seconds=5)
    with pytest.raises(ValidationError, match="frozen"):
        settings.heartbeat_seconds = 6  # type: ignore[misc]  # that is the point
    with pytest.raises(ValidationError, match="hartbeat_seconds"):
        Settings.model_validate({"hartbeat_seconds": 5})


def test_a_validation_error_does_not_show_what_was_given() -> None:
    """It may hold a password, and a traceback ends in a log."""
    with pytest.raises(ValidationError) as caught:
        Settings(upstream="http://user:secret@host")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    [
        {"tls_cert_file": "c"},
        {"tls_key_file": "k"},
        {"tls_client_ca_file": "a"},
        {"upstream_client_key": "k"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_half_a_pair_of_tls_files_is_refused(given: dict[str, str]) -> None:
    """A certificate without its key would fail at the first handshake only."""
    with pytest.raises(ValidationError, match="needs"):
        Settings.model_validate(given)


def test_whole_pairs_of_tls_files_are_accepted() -> None:
    """A client certificate may hold its key itself."""
    settings = Settings.model_validate({"tls_cert_file": "c", "tls_key_file": "k", "upstream_client_cert": "u"})
    assert settings.tls_key_file == Path("k")


def test_the_schema_has_bounds_that_editors_understand() -> None:
    """JSON Schema keywords, not pydantic's."""
    schema = Settings.model_json_schema()
    port = schema["properties"]["port"]
    assert (port["minimum"], port["maximum"], port["default"]) == (0, 65535, 7070)
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(CONTRACT)


def test_file_only_settings_exist() -> None:
    """The flags are made from all names but these."""
    assert set(Settings.model_fields) > FILE_ONLY
