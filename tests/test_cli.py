"""`cli`: the commands without a server, the flags, and the one line that a mistake gets."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import click
import pytest
from click.testing import CliRunner, Result

from sse_proxy.cli import main
from sse_proxy.cli.demo import COMMANDS as DEMO
from sse_proxy.cli.serve import COMMANDS as SERVE
from sse_proxy.settings import FILE_ONLY, Settings

from .conftest import free_port


def run(*arguments: str, **environ: str) -> Result:
    """Return what a command says and its exit code, in an environment of *environ* besides the test's own."""
    return CliRunner().invoke(main, arguments, env=environ, prog_name="sse-proxy")


def refused(*arguments: str, **environ: str) -> str:
    """Return the one line that a command is refused with; nothing goes to stdout."""
    result = run(*arguments, **environ)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("sse-proxy: ")
    assert result.stderr.count("\n") == 1
    return result.stderr.removeprefix("sse-proxy: ").rstrip("\n")


def flags(command: click.Command) -> set[str]:
    """Return the names of a command's options, in snake_case."""
    return {str(parameter.name) for parameter in command.params}


@pytest.mark.parametrize(
    "command, missing",
    [(SERVE["serve"], set()), (DEMO["demo"], {"upstream"})],
)
def test_every_setting_has_a_flag(command: click.Command, missing: set[str]) -> None:
    """None can be forgotten; ``demo`` has an upstream of its own."""
    assert flags(command) == set(Settings.model_fields) - FILE_ONLY - missing | {"config"}


def test_every_flag_is_kebab_case_and_explained() -> None:
    """Booleans have a ``--no-…``."""
    for option in SERVE["serve"].params:
        assert isinstance(option, click.Option)
        names = {f"--{str(option.name).replace('_', '-')}"}
        if option.is_flag:
            names.add(f"--no-{str(option.name).replace('_', '-')}")
        assert {*option.opts, *option.secondary_opts} == names
        assert option.help


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_the_commands(arguments: list[str]) -> None:
    """Asked for or not."""
    result = run(*arguments)
    assert result.exit_code == 0
    for command in ("serve", "demo", "config", "healthcheck", "doctor", "tail", "top"):
        assert f"\n  {command} " in result.stdout


@pytest.mark.parametrize("command", ["serve", "demo", "config", "healthcheck"])
def test_each_command_has_help(command: str) -> None:
    """With its flags and their defaults."""
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--admin-port PORT" in result.stdout
    assert "[default: 7071]" in result.stdout


def test_help_says_what_a_choice_is() -> None:
    """And how a list is written."""
    text = " ".join(run("serve", "--help").stdout.split())
    assert "--reframe auto|always|never" in text
    assert "--client-variants / --no-client-variants" in text
    assert "[default: on]" in text
    assert "[default: authorization,x-api-key,api- key,x-goog-api-key]" in text


def test_the_version_is_shown() -> None:
    """With the name of the program."""
    result = run("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("sse-proxy ")


@pytest.mark.parametrize(
    "arguments, line",
    [
        (["serv"], "No such command 'serv'."),
        (["serve", "--port"], "Option '--port' requires an argument."),
        (["serve", "extra"], "Got unexpected extra argument (extra)"),
        (["--zzz"], "unknown flag --zzz (sse-proxy --help lists all)"),
        (["serve", "--zzz"], "unknown flag --zzz (sse-proxy serve --help lists all)"),
        (
            ["serve", "--upstreem", "http://a"],
            "unknown flag --upstreem, did you mean --upstream? (sse-proxy serve --help lists all)",
        ),
        (
            ["serve", "--port", "abc"],
            'port: got "abc" (flag --port), expected a port from 1 to 65535, or 0 for any free one',
        ),
        (
            ["serve", "--bridge", "/a=/b", "--upstream", "http://a"],
            'bridge: got "/a=/b" (flag --bridge): /b is no known API, expected a [[routes]] entry',
        ),
        (
            ["serve", "--config", "/none"],
            'config: got "/none", expected a readable TOML file: No such file or directory',
        ),
        (["doctor", "ftp://a"], "url: got 'ftp://a', expected http://HOST[:PORT][/PATH], or https://"),
        (["tail"], "Missing argument 'URL'."),
        (["top", "-x"], "unknown flag -x (sse-proxy top --help lists all)"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(arguments: list[str], line: str) -> None:
    """No usage, no traceback."""
    assert refused(*arguments).startswith(line)


def test_a_mistake_in_a_route_is_the_same(tmp_path: Path) -> None:
    """It names the entry too."""
    path = tmp_path / "a.toml"
    path.write_text('upstream = "http://a"\n[[routes]]\npath = "/v1/*"\nheartbeat = 5')
    assert refused("serve", "--config", str(path)) == (
        f"routes[0].heartbeat: unknown setting (file {path}), did you mean heartbeat_mode?"
    )


def test_a_mistake_in_the_environment_is_the_same() -> None:
    """Containers have nothing else."""
    assert refused("config", SSE_PROXY_PORT="x").startswith('port: got "x" (environment SSE_PROXY_PORT), expected ')


def test_config_shows_every_setting_and_its_source(tmp_path: Path) -> None:
    """As TOML, that can be the next ``--config``."""
    path = tmp_path / "a.toml"
    path.write_text('upstream = "http://a"\ncors_origins = ["https://a.example"]')
    (tmp_path / "tokens").write_text("secret")
    result = run(
        *("config", "--config", str(path), "--no-client-variants", "--heartbeat-seconds", "7.5"),
        *("--auth-tokens-file", str(tmp_path / "tokens")),
        SSE_PROXY_MAX_STREAMS="9",
    )
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if not line.startswith("#")}
    assert lines["upstream"].split() == ["upstream", "=", '"http://a"', "#", "file"]
    assert lines["max_streams"].split() == ["max_streams", "=", "9", "#", "environment"]
    assert lines["client_variants"].split() == ["client_variants", "=", "false", "#", "flag"]
    assert lines["port"].split() == ["port", "=", "7070", "#", "default"]
    assert "# upstream_ca_file is not set" in result.stdout
    assert "secret" not in result.stdout
    document = tomllib.loads(result.stdout)
    assert document["heartbeat_seconds"] == 7.5
    assert Settings.model_validate(document).cors_origins == ("https://a.example",)


def test_config_shows_routes_that_can_be_the_next_ones(tmp_path: Path) -> None:
    """Bodies included, as inline tables."""
    path = tmp_path / "a.toml"
    path.write_text(
        '[[routes]]\npath = "/chat"\nupstream_path = "/v1/chat/completions"\n[routes.body]\n'
        'model = "m"\n"top p" = 0.5\nmessages = [{ role = "user", content = "{prompt}\\n" }]\n'
        '[[routes]]\npath = "/v1/*"\nheartbeat_seconds = 20'
    )
    shown = run("config", "--config", str(path)).stdout
    assert tomllib.loads(shown)["routes"] == tomllib.loads(path.read_text())["routes"]


def test_a_list_may_be_given_in_several_flags() -> None:
    """Each of them may hold several items."""
    flags = ("--bridge", "/a=/api/chat", "--bridge", "/b=/completion,/c=/generate_stream", "--bridge-model", "m")
    document = tomllib.loads(run("config", *flags).stdout)
    assert document["bridge"] == ["/a=/api/chat", "/b=/completion", "/c=/generate_stream"]
    assert document["cors_origins"] == []


def test_config_tells_warnings_and_masks_passwords() -> None:
    """On stderr, so that stdout stays TOML."""
    result = run("config", "--heartbeat-seconds", "2", SSE_PROXY_ZZZZ="1")
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "sse-proxy: warning: SSE_PROXY_ZZZZ: unknown environment variable, ignored",
        "sse-proxy: warning: heartbeat_seconds: 2 is low, some SDKs give up after 300 heartbeats",
    ]
    url = "redis://user:password@host"
    assert 'resume = "redis://***@host"' in run("config", "--resume", url).stdout
    assert "password" not in refused("config", "--resume", f"{url}:port")


def test_config_shows_the_schema() -> None:
    """Without any settings given."""
    schema = json.loads(run("config", "--schema").stdout)
    assert set(schema["properties"]) == set(Settings.model_fields)


def test_config_audits() -> None:
    """Exit code 1 when something is risky, one line each."""
    result = run("config", "--audit")
    assert (result.exit_code, result.stdout) == (0, "nothing risky found\n")
    result = run("config", "--audit", "--host", "::", "--heartbeat-mode", "off")
    assert result.exit_code == 1
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == [
        "host is not loopback and auth_tokens_file is not set",
        "heartbeats are off",
    ]


@pytest.fixture
def admin(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of something that answers ``/healthz`` with the status of the parameter."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(request.param if self.path == "/healthz" else 404)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Not on the test's stderr."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("admin", [200], indirect=True)
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "localhost"])  # noqa: S104 -- what a container has set
def test_healthcheck_finds_the_admin_port(admin: int, host: str) -> None:
    """From the environment, as in a container; an unspecified address is reached on loopback, without IPv6 too."""
    result = run("healthcheck", SSE_PROXY_ADMIN_PORT=str(admin), SSE_PROXY_ADMIN_HOST=host)
    assert (result.exit_code, result.stdout) == (0, "healthy\n")


@pytest.mark.parametrize("admin", [503], indirect=True)
def test_healthcheck_fails_with_another_status(admin: int) -> None:
    """Exit code 1, and the reason."""
    result = run("healthcheck", "--admin-port", str(admin))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"unhealthy: http://127.0.0.1:{admin}/healthz: status 503\n"


def test_healthcheck_knows_two_exit_codes() -> None:
    """A container runtime reserves 2, so that wrong settings are an unhealthy process here."""
    result = run("healthcheck", SSE_PROXY_ADMIN_PORT="many")
    assert result.exit_code == 1
    assert result.stderr.startswith("unhealthy: admin_port: ")


def test_healthcheck_fails_when_nobody_answers() -> None:
    """IPv6 addresses are written as in a URL."""
    port = free_port()
    result = run("healthcheck", "--admin-port", str(port), "--admin-host", "::1")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"unhealthy: http://[::1]:{port}/healthz: ")


def test_an_error_of_ours_is_not_dressed_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A traceback is what a bug deserves."""

    def broken(*_arguments: object, **_options: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr("sse_proxy.cli.config.load", broken)
    result = run("config")
    assert repr(result.exception) == repr(ValueError("a bug"))


def test_ctrl_c_is_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the server has taken signals over."""

    def interrupted(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sse_proxy.cli.config.load", interrupted)
    assert run("config").exit_code == 130


def test_python_m_is_the_same_command() -> None:
    """Where no scripts directory is on PATH."""
    done = subprocess.run(
        [sys.executable, "-m", "sse_proxy", "serve", "--zzz"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "sse-proxy: unknown flag --zzz (sse-proxy serve --help lists all)\n"
