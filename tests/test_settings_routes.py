"""`settings.routes`: what a route may say, what each wrong entry is refused with, and the usual bridge to each API."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from sse_proxy.core.dialects import DIALECTS as ROWS
from sse_proxy.core.dialects import GENERIC
from sse_proxy.settings import Route, Settings, SettingsError, load_settings
from sse_proxy.settings.routes import DIALECTS, usual_bridge

MESSAGES = [{"role": "user", "content": "{prompt}"}]
GEMINI = [{"role": "user", "parts": [{"text": "{prompt}"}]}]
BRIDGE = {"path": "/chat", "upstream_path": "/v1/chat/completions", "body": {"stream": True}}


def refused(tmp_path: Path, toml: str, **flags: object) -> str:
    """Return the line that a file with *toml*, or else *flags*, is refused with; ``FILE`` stands for the file."""
    path = tmp_path / "sse-proxy.toml"
    path.write_text(toml)
    with pytest.raises(SettingsError) as caught:
        load_settings(flags, environ={}, config=path, require_upstream=False)
    line = str(caught.value)
    assert "\n" not in line
    return line.replace(str(path), "FILE")


def test_the_dialects_are_those_of_the_core() -> None:
    """Settings name them again, since they know nothing of the core."""
    assert list(DIALECTS) == sorted(row.name for row in (*ROWS, GENERIC))


def test_a_route_says_nothing_by_itself() -> None:
    """What it does not set is as everywhere else."""
    route = Route(path="/v1/*")
    assert (route.overrides(), route.effective_output, route.is_bridge) == ({}, "native", False)


def test_overrides_are_settings_by_their_names() -> None:
    """Each timeout and heartbeat setting of the proxy, and what is not one is left out."""
    given: dict[str, Any] = {
        "heartbeat_seconds": 20,
        "heartbeat_mode": "data",
        "commit_after_seconds": 0,
        "connect_timeout_seconds": 1,
        "first_event_timeout_seconds": 2,
        "idle_timeout_seconds": 3,
        "total_timeout_seconds": 0,
        "completion_grace_seconds": 4,
        "client_stall_timeout_seconds": 5,
        "json_keepalive_seconds": 6,
        "reframe": "never",
    }
    route = Route(path="/a", method="get", dialect="cohere", output="openai", **given)
    assert route.overrides() == given
    assert route.method == "GET"
    assert set(given) < set(Settings.model_fields)


def test_every_override_of_a_route_has_the_bounds_of_its_setting() -> None:
    """The same kind of value, so the same words for a wrong one."""
    own = {"path", "method", "dialect", "output", "upstream_path", "upstream_method", "body"}
    for name in set(Route.model_fields) - own:
        with pytest.raises(ValidationError):
            Settings.model_validate({name: "x"})
        with pytest.raises(ValidationError):
            Route.model_validate({"path": "/a", name: "x"})


def test_a_bridge_speaks_in_tokens_unless_told_otherwise() -> None:
    """What the guide's hook and reader expect, over a POST."""
    route = Route.model_validate(BRIDGE)
    assert (route.is_bridge, route.effective_output, route.upstream_method) == (True, "tokens", "POST")
    assert Route.model_validate({**BRIDGE, "output": "native"}).effective_output == "native"
    assert route.overrides() == {}


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (
            'path = "/a"\nheartbeat_second = 5',
            "routes[0].heartbeat_second: unknown setting (file FILE), did you mean heartbeat_seconds?",
        ),
        ('path = "/a"\nzzz = 1', "routes[0].zzz: unknown setting (file FILE)"),
        (
            "",
            "routes[0].path: got nothing (file FILE), expected a path that starts with /, or a prefix that ends in *",
        ),
        (
            'path = "a"',
            'routes[0].path: got "a" (file FILE), expected a path that starts with /, or a prefix that ends in *',
        ),
        (
            'path = "/a/*/b"',
            'routes[0].path: got "/a/*/b" (file FILE), expected a path that starts with /, or a prefix that ends in *',
        ),
        (
            'path = "/a?b"',
            'routes[0].path: got "/a?…" (file FILE), expected a path that starts with /, or a prefix that ends in *',
        ),
        (
            'path = "/a"\nmethod = "G T"',
            'routes[0].method: got "G T" (file FILE), expected a method such as GET or POST',
        ),
        (
            'path = "/a"\nreframe = "sometimes"',
            'routes[0].reframe: got "sometimes" (file FILE), expected one of auto, always, never',
        ),
        (
            'path = "/a"\noutput = "anthropic"',
            'routes[0].output: got "anthropic" (file FILE), expected one of native, openai, tokens',
        ),
        (
            'path = "/a"\ndialect = "openai"',
            'routes[0].dialect: got "openai" (file FILE), expected one of a2a, ag_ui, ai_sdk_data,',
        ),
        (
            'path = "/a"\nheartbeat_seconds = 0.5',
            "routes[0].heartbeat_seconds: got 0.5 (file FILE), expected a number of seconds, 0 (off) or at least 1",
        ),
        (
            'path = "/a"\nidle_timeout_seconds = true',
            "routes[0].idle_timeout_seconds: got true (file FILE), expected a number of seconds above 0",
        ),
        (
            'path = "/a"\nupstream_path = "/b"',
            "routes[0].upstream_path: set (file FILE), expected routes[0].body to be set too",
        ),
        (
            'path = "/a"\nbody = {}',
            "routes[0].body: set (file FILE), expected routes[0].upstream_path to be set too",
        ),
        (
            'path = "/a"\nupstream_path = "b c"\nbody = {}',
            'routes[0].upstream_path: got "b c" (file FILE), expected a path of the upstream that starts with /',
        ),
        (
            'path = "/a"\nupstream_path = "/é"\nbody = {}',
            'routes[0].upstream_path: got "/é" (file FILE), expected a path of the upstream that starts with /',
        ),
        (
            'path = "/a"\nupstream_path = "/b"\nbody = "x"',
            'routes[0].body: got "x" (file FILE), expected a table, the JSON body for the upstream without dates',
        ),
    ],
)
def test_a_wrong_entry_is_one_line(entry: str, line: str, tmp_path: Path) -> None:
    """It names the entry, the key, what was given, and what is accepted."""
    assert refused(tmp_path, f"[[routes]]\n{entry}").startswith(line)


@pytest.mark.parametrize("value", ["2026-01-01", "[{ x = inf }]", "nan"])
def test_a_body_is_what_json_can_say(value: str, tmp_path: Path) -> None:
    """TOML can say more, which would come up at the first request only."""
    line = refused(tmp_path, f'[[routes]]\npath = "/a"\nupstream_path = "/b"\nbody = {{ x = {value} }}')
    assert line.startswith("routes[0].body: got {")


def test_the_second_entry_is_told_from_the_first(tmp_path: Path) -> None:
    """Counted from 0, as pydantic and most editors do."""
    assert refused(tmp_path, '[[routes]]\npath = "/a"\n[[routes]]\npath = "b"').startswith('routes[1].path: got "b"')


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        ('routes = "/a"', 'routes: got "/a" (file FILE), expected a list of tables, [[routes]]'),
        ("routes = [1]", "routes[0]: got 1 (file FILE), expected a table, [[routes]]"),
    ],
)
def test_routes_are_tables(toml: str, line: str, tmp_path: Path) -> None:
    """Anything else is told as such."""
    assert refused(tmp_path, toml) == line


def test_routes_are_not_for_flags_and_environment(tmp_path: Path) -> None:
    """A list of tables has no sensible spelling there."""
    with pytest.raises(SettingsError, match=r"^routes: got \"x\" \(environment SSE_PROXY_ROUTES\), expected a list of"):
        load_settings(environ={"SSE_PROXY_ROUTES": "x"}, require_upstream=False)


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/v1/chat/completions", {"model": "m", "messages": MESSAGES, "stream": True}),
        ("/openai/deployments/d/chat/completions?api-version=1", {"model": "m", "messages": MESSAGES, "stream": True}),
        ("/v1/chat/completions/", {"model": "m", "messages": MESSAGES, "stream": True}),
        ("/v1/completions", {"model": "m", "prompt": "{prompt}", "stream": True}),
        ("/v1/responses", {"model": "m", "input": "{prompt}", "stream": True}),
        ("/v1/messages", {"model": "m", "messages": MESSAGES, "stream": True, "max_tokens": 4096}),
        ("/v2/chat", {"model": "m", "messages": MESSAGES, "stream": True}),
        ("/api/chat", {"model": "m", "messages": MESSAGES, "stream": True}),
        ("/api/generate", {"model": "m", "prompt": "{prompt}", "stream": True}),
        *(
            (
                f"/v1beta/models/g:streamGenerateContent{query}",
                {"contents": [{"role": "user", "parts": [{"text": "{prompt}"}]}]},
            )
            for query in ("", "?alt=sse")
        ),
        ("/generate_stream", {"inputs": "{prompt}"}),
        ("/v2/models/m/generate_stream", {"text_input": "{prompt}", "parameters": {"stream": True}}),
        ("/completion", {"prompt": "{prompt}", "stream": True}),
    ],
)
def test_the_usual_bridge_knows_what_each_api_takes(target: str, body: dict[str, object]) -> None:
    """One prompt, in a body of its own; the path is kept to the letter, query included."""
    [route] = Settings(bridge=(f"/chat/stream={target}",), bridge_model="m").effective_routes
    assert (route.path, route.upstream_path, route.method) == ("/chat/stream", target, None)
    assert (route.body, route.effective_output) == (body, "tokens")


@pytest.mark.parametrize("target", ["/completion", "/generate_stream", "/v1beta/models/g:streamGenerateContent"])
def test_a_model_is_asked_for_only_where_the_api_takes_one(target: str) -> None:
    """It is in the path, or there is but one."""
    assert "model" not in (usual_bridge("/a", target, None).body or {})


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/v1/chat/completions", "needs a model, expected bridge_model to be set too"),
        ("/v1/embeddings", "is no known API, expected a [[routes]] entry with a body of its own"),
    ],
)
def test_a_bridge_to_nowhere_is_one_line(target: str, reason: str, tmp_path: Path) -> None:
    """It names the setting, what was given, and what would do."""
    line = refused(tmp_path, "", bridge=f"/a={target}")
    assert line == f'bridge: got "/a={target}" (flag --bridge): {target} {reason}'


@pytest.mark.parametrize(
    "value", ["/a", "a=/api/chat", "/a=api/chat", "/a*=/api/chat", "/a=http://host/api/chat", "=", "/a=/b c", "/a=/é"]
)
def test_a_bridge_is_a_pair_of_paths(value: str, tmp_path: Path) -> None:
    """Anything else is told as such."""
    expected = "PATH=UPSTREAM_PATH, both starting with /; several separated by commas"
    line = refused(tmp_path, "", bridge=value, bridge_model="m")
    assert line == f'bridge: got "{value}" (flag --bridge), expected {expected}'


def test_the_usual_bridges_come_before_the_routes_of_the_file() -> None:
    """Each has one path, which a route for everything in the file must not hide."""
    settings = Settings(bridge=("/b=/completion", "/c=/api/chat"), bridge_model="m", routes=(Route(path="/*"),))
    assert [route.path for route in settings.effective_routes] == ["/b", "/c", "/*"]


@pytest.mark.parametrize("document", ["bridge.md", "frontends.md"])
def test_the_examples_of_the_documents_are_accepted(document: str) -> None:
    """Each by itself, as somebody pastes it."""
    text = (Path(__file__).parent.parent / "docs" / document).read_text()
    examples = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert examples
    for example in examples:
        assert Settings.model_validate(tomllib.loads(example)).routes
