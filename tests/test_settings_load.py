"""`settings.load`: precedence, where values come from, and the one line that a mistake gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from sse_proxy.settings import Loaded, Settings, SettingsError, load_settings

UPSTREAM = {"SSE_PROXY_UPSTREAM": "http://127.0.0.1:8000"}


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    """A settings file with an upstream of its own."""
    path = tmp_path / "sse-proxy.toml"
    path.write_text('upstream = "http://file"\nmax_streams = 5\ncors_origins = ["https://a.example"]\n')
    return path


def refused(
    flags: dict[str, object] | None = None, environ: dict[str, str] | None = None, config: Path | None = None
) -> str:
    """Return the line that loading these is refused with."""
    with pytest.raises(SettingsError) as caught:
        load_settings(flags, environ=environ if environ is not None else UPSTREAM, config=config)
    line = str(caught.value)
    assert "\n" not in line
    return line


def loaded(environ: dict[str, str]) -> Loaded:
    """Return what the variables *environ* amount to, with an upstream."""
    return load_settings(environ=UPSTREAM | environ)


def test_flags_win_over_environment_over_file_over_default(toml: Path) -> None:
    """Each setting tells which of the four it came from."""
    result = load_settings(
        {"port": "1000", "host": None},
        environ={"SSE_PROXY_PORT": "2000", "SSE_PROXY_MAX_STREAMS": "6"},
        config=toml,
    )
    settings, sources = result.settings, result.sources
    assert (settings.port, sources["port"]) == (1000, "flag")
    assert (settings.max_streams, sources["max_streams"]) == (6, "environment")
    assert (settings.upstream, sources["upstream"]) == ("http://file", "file")
    assert (settings.host, sources["host"]) == ("127.0.0.1", "default")
    assert set(sources) == set(Settings.model_fields)


def test_all_works_from_the_environment_alone(monkeypatch: pytest.MonkeyPatch, toml: Path) -> None:
    """The process's environment counts unless another is given, the name of the file included."""
    monkeypatch.setenv("SSE_PROXY_CONFIG", str(toml))
    monkeypatch.setenv("SSE_PROXY_CORS_ORIGINS", "https://b.example, https://c.example")
    result = load_settings()
    assert result.settings.upstream == "http://file"
    assert result.settings.cors_origins == ("https://b.example", "https://c.example")
    assert result.warnings == ()


def test_the_flag_names_another_file_than_the_environment(toml: Path) -> None:
    """``--config`` wins over ``SSE_PROXY_CONFIG``, which is not even opened."""
    result = load_settings(environ={"SSE_PROXY_CONFIG": "/nowhere"}, config=toml)
    assert result.settings.upstream == "http://file"


def test_an_empty_variable_counts_as_not_set() -> None:
    """Compose files and charts write empty text for what is not wanted."""
    found = loaded({"SSE_PROXY_PORT": "", "SSE_PROXY_CORS_ORIGINS": " "})
    assert (found.settings.port, found.warnings) == (7070, ())


@pytest.mark.parametrize("name", ["AUTH_TOKENS_FILE", "ADMIN_TOKEN_FILE", "TLS_CLIENT_CA_FILE"])
def test_an_empty_variable_that_would_keep_people_out_is_told_of(name: str) -> None:
    """What was to fill it may have had another name."""
    [warning] = loaded({f"SSE_PROXY_{name}": ""}).warnings
    assert warning == f"SSE_PROXY_{name}: empty, taken as not set, so that it keeps nobody out"


@pytest.mark.parametrize("value", ["abc", "0.5", "-1"])
def test_a_wrong_value_is_told_with_its_source_and_what_is_accepted(value: str, tmp_path: Path) -> None:
    """The same words for flag, environment and file."""
    accepted = "expected a number of seconds, 0 (off) or at least 1"
    assert refused({"heartbeat_seconds": value}) == (
        f'heartbeat_seconds: got "{value}" (flag --heartbeat-seconds), {accepted}'
    )
    assert refused(environ=UPSTREAM | {"SSE_PROXY_HEARTBEAT_SECONDS": value}) == (
        f'heartbeat_seconds: got "{value}" (environment SSE_PROXY_HEARTBEAT_SECONDS), {accepted}'
    )
    path = tmp_path / "a.toml"
    path.write_text(f'heartbeat_seconds = "{value}"')
    assert refused(config=path) == f'heartbeat_seconds: got "{value}" (file {path}), {accepted}'


def test_a_wrong_type_in_the_file_is_shown_as_it_was_written(tmp_path: Path) -> None:
    """TOML's true is no number."""
    path = tmp_path / "a.toml"
    path.write_text("heartbeat_seconds = true")
    assert refused(config=path).startswith(f"heartbeat_seconds: got true (file {path}), expected ")


def test_a_long_value_is_cut() -> None:
    """One line stays one line."""
    assert len(refused({"host": "a/" * 1000})) < 250


def test_a_password_is_not_repeated() -> None:
    """The line goes to a terminal or a log."""
    assert "secret" not in refused({"upstream": "http://user:secret@host"})
    assert "secret" not in refused({"resume": "redis://:secret@host:port"})


def test_unknown_names_are_errors_in_flags_and_file(tmp_path: Path) -> None:
    """With the name that was probably meant."""
    path = tmp_path / "a.toml"
    path.write_text("heartbeat-second = 5")
    assert refused(config=path) == (f"heartbeat-second: unknown setting (file {path}), did you mean heartbeat_seconds?")
    assert refused({"zzz": 1}) == "zzz: unknown setting (flag --zzz)"


def test_unknown_variables_are_warnings() -> None:
    """Somebody else's variable may begin like ours."""
    variables = {"SSE_PROXY_HEARTBEAT_SECOND": "5", "SSE_PROXY_port": "1", "SSE_PROXY_ZZZZ": "1", "OTHER": "1"}
    result = loaded(variables)
    assert result.settings.port == 7070
    assert result.warnings == (
        "SSE_PROXY_HEARTBEAT_SECOND: unknown environment variable, ignored, did you mean SSE_PROXY_HEARTBEAT_SECONDS?",
        "SSE_PROXY_ZZZZ: unknown environment variable, ignored",
        "SSE_PROXY_port: unknown environment variable, ignored, did you mean SSE_PROXY_PORT?",
    )


def test_what_kubernetes_injects_for_a_service_is_ignored_without_a_word() -> None:
    """Services named ``sse-proxy`` and ``sse-proxy-admin`` would else set our ports to URLs."""
    links = {
        "SSE_PROXY_SERVICE_HOST": "10.0.0.1",
        "SSE_PROXY_SERVICE_PORT": "7070",
        "SSE_PROXY_SERVICE_PORT_HTTP": "7070",
        "SSE_PROXY_PORT": "tcp://10.0.0.1:7070",
        "SSE_PROXY_PORT_7070_TCP": "tcp://10.0.0.1:7070",
        "SSE_PROXY_PORT_7070_TCP_PROTO": "tcp",
        "SSE_PROXY_PORT_7070_TCP_PORT": "7070",
        "SSE_PROXY_PORT_7070_TCP_ADDR": "10.0.0.1",
        "SSE_PROXY_PORT_53_UDP": "udp://10.0.0.1:53",
        "SSE_PROXY_ADMIN_SERVICE_HOST": "10.0.0.2",
        "SSE_PROXY_ADMIN_PORT": "tcp://10.0.0.2:7071",
        "SSE_PROXY_ADMIN_PORT_7071_TCP_ADDR": "10.0.0.2",
    }
    result = loaded(links)
    assert (result.settings.port, result.settings.admin_port, result.warnings) == (7070, 7071, ())


def test_a_port_that_is_merely_wrong_is_not_taken_for_a_service_link() -> None:
    """Only URLs are."""
    assert refused(environ=UPSTREAM | {"SSE_PROXY_PORT": "seven"}).startswith('port: got "seven"')


def test_the_upstream_is_required_unless_told_otherwise() -> None:
    """The middleware has none, and ``config`` shows what there is."""
    assert refused(environ={}).startswith("upstream: not set, expected ")
    assert load_settings(environ={}, require_upstream=False).settings.upstream is None


def test_a_low_heartbeat_is_a_warning(tmp_path: Path) -> None:
    """Some SDKs count comment lines; of a route too."""
    assert loaded({"SSE_PROXY_HEARTBEAT_SECONDS": "4.5"}).warnings == (
        "heartbeat_seconds: 4.5 is low, some SDKs give up after 300 heartbeats",
    )
    path = tmp_path / "a.toml"
    path.write_text('routes = [{ path = "/a", heartbeat_seconds = 5 }, { path = "/b", heartbeat_seconds = 1 }]')
    assert loaded({"SSE_PROXY_CONFIG": str(path)}).warnings == (
        "routes[1].heartbeat_seconds: 1 is low, some SDKs give up after 300 heartbeats",
    )


def test_a_wrong_store_is_told_the_right_ones() -> None:
    """All kinds of it."""
    assert refused({"resume": "disk"}) == (
        'resume: got "disk" (flag --resume), expected '
        "off, memory, redis://HOST[:PORT][/DB], rediss://… or redis+cluster://…"
    )


def test_half_a_pair_names_the_other_half(tmp_path: Path) -> None:
    """And says where the given half came from."""
    (tmp_path / "c").touch()
    assert refused({"tls_cert_file": str(tmp_path / "c")}) == (
        f'tls_cert_file: got "{tmp_path}/c" (flag --tls-cert-file), expected tls_key_file to be set too'
    )


def test_files_must_be_readable(tmp_path: Path) -> None:
    """A missing file is told before anything is served."""
    assert refused({"upstream_ca_file": str(tmp_path / "none")}) == (
        f'upstream_ca_file: got "{tmp_path}/none" (flag --upstream-ca-file), '
        "expected a readable file: No such file or directory"
    )


@pytest.mark.parametrize("name", ["auth_tokens_file", "admin_token_file"])
def test_a_token_file_must_hold_something(name: str, tmp_path: Path) -> None:
    """An empty one would either let everybody in or nobody."""
    path = tmp_path / "tokens"
    path.write_text("\n \n")
    assert refused({name: str(path)}).endswith("expected a file that holds a token")
    path.write_text("token\n")
    assert getattr(load_settings({name: str(path)}, environ=UPSTREAM).settings, name) == path


def test_the_settings_file_must_be_readable_toml(tmp_path: Path) -> None:
    """What is wrong with it is told in the parser's words."""
    path = tmp_path / "a.toml"
    assert refused(config=path) == f'config: got "{path}", expected a readable TOML file: No such file or directory'
    path.write_text("upstream = ")
    assert refused(config=path).startswith(f'config: got "{path}", expected a TOML file: Invalid value')
    path.write_bytes(b"\xff")
    assert refused(config=path).startswith(f'config: got "{path}", expected a TOML file: ')
