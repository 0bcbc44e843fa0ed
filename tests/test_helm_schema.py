"""The values' schema against the settings model, and everything generated against its source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from helm.generator import generate
from helm.generator.schema import schema_of
from helm.generator.values import read_values
from sse_proxy.settings import Settings
from sse_proxy.settings.model import FILE_ONLY

from .helm_charts import CHART, LIBRARY, SHAPES, Object, ci_values

SCHEMA: Object = json.loads((LIBRARY / "values.schema.json").read_text())
CONFIG: Object = SCHEMA["properties"]["config"]

# Name of a setting, and values on both sides of what it accepts.
SAMPLES: list[tuple[str, object]] = [
    *[("upstream", value) for value in (
        "http://vllm:8000", "https://h/p", "HTTP://h", "unix:/run/llm.sock", "unix:///run/llm.sock", "http://[::1]:8000/v1",
        "vllm:8000", "ftp://h", "http://", "http:///p", "unix:", "unix:/", "http://h?q=1", "http://h/#f", "http://h /p",
        "http://u:p@h", 8000, "")],
    *[("heartbeat_seconds", value) for value in (0, 1, 1.5, 15, 0.5, -1, "15", True, 1e12)],
    *[("commit_after_seconds", value) for value in (0, 0.5, -0.1)],
    *[("connect_timeout_seconds", value) for value in (0.1, 0)],
    *[("readiness_upstream", value) for value in ("tcp", "off", "/health", "/h?x=1", "health", "/a b", "/a#b", "on")],
    *[("resume", value) for value in (
        "off", "memory", "redis://h", "rediss://h:6380/1", "redis+cluster://h", "mongodb://h", "redis://", "disk")],
    *[("bridge", value) for value in (
        [], ["/a=/v1/chat/completions"], ["/a=/v1/messages", "/b=/api/chat"], ["a=/v1/messages"], ["/a"],
        ["/a*=/v1/messages"])],
    *[("resume_owner_headers", value) for value in ([], ["authorization", "x-user"], ["no name"], ["a:b"])],
    *[("cors_origins", value) for value in (["*"], ["https://a.example:8443"], ["null"], ["a.example"], ["https://a/b"])],
    *[("trusted_proxies", value) for value in (
        ["*"], ["10.0.0.0/8", "::1"], ["fd00::/8"], ["proxy.example"], ["10.0.0.0/8/8"])],
    *[("heartbeat_mode", value) for value in ("auto", "comment-block", "loud", 1)],
    *[("log_level", value) for value in ("debug", "verbose")],
    *[("max_streams", value) for value in (0, 10, -1, 1.5)],
    *[("max_event_bytes", value) for value in (1, 0, 1 << 41)],
    *[("client_send_buffer_bytes", value) for value in (4096, 4095)],
    *[("client_variants", value) for value in (True, False, 2)],
    *[("host", value) for value in ("::", "0.0.0.0", "a b", "")],  # noqa: S104 -- nothing listens
    *[("port", value) for value in (1, 65535, 65536)],
    *[("routes", value) for value in (
        [], [{"path": "/v1/*", "heartbeat_seconds": 2.5}], [{"path": "v1"}], [{"heartbeat_seconds": 5}],
        [{"path": "/x", "heartbeat_seconds": 0.5}], [{"path": "/x", "dialect": "openai_chat", "output": "tokens"}],
        [{"path": "/x", "dialect": "no_such"}], [{"path": "/x", "upstream_path": "/y", "body": {"deep": [{"a": 1}]}}],
        [{"path": "/x", "unknown": 1}], ["/x"])],
]  # fmt: skip


def is_valid(schema: Object, value: object) -> bool:
    """Whether *schema* takes *value*."""
    return bool(jsonschema.Draft7Validator(schema).is_valid(value))


def objects_in(schema: Any, path: str = "") -> Iterator[tuple[str, Object]]:
    """Every schema of a map with keys of its own, with its place."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield path, schema
        for key, value in schema.items():
            yield from objects_in(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from objects_in(value, f"{path}/{index}")


def test_every_setting_is_in_the_schema() -> None:
    """`config` has exactly the settings, each with the words of its documentation."""
    assert list(CONFIG["properties"]) == list(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        assert CONFIG["properties"][name]["description"] == field.description


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_default_is_valid_and_nonsense_is_not(name: str) -> None:
    """Each setting takes its own default and null, and no map."""
    schema = CONFIG["properties"][name]
    default = json.loads(json.dumps(Settings.model_fields[name].default))
    assert is_valid(schema, default)
    assert is_valid(schema, None)
    assert not is_valid(schema, {"a": "map"})


@pytest.mark.parametrize("name, value", SAMPLES)
def test_the_schema_judges_as_the_model_does(name: str, value: object) -> None:
    """What Helm lets through the proxy accepts, and what the proxy accepts Helm lets through."""
    partners = {"bridge_model": "m"} if name == "bridge" else {}
    try:
        Settings.model_validate({name: value, **partners})
    except ValidationError:
        expected = False
    else:
        expected = True
    # Two things that only the chart is strict about: an empty text is null, and a number in a text is no number.
    if isinstance(value, str) and (not value or value.isdigit()):
        expected = False
    assert is_valid(CONFIG["properties"][name], value) is expected


def test_a_port_that_is_none_is_refused() -> None:
    """0, any free port, is for tests on a laptop; a Service could not find it."""
    assert not is_valid(CONFIG["properties"]["port"], 0)
    assert not is_valid(CONFIG["properties"]["admin_port"], 0)


@pytest.mark.parametrize("chart", [LIBRARY, CHART], ids=lambda path: path.name)
def test_no_map_takes_an_unknown_key(chart: Any) -> None:
    """Every map whose keys are ours has `additionalProperties: false`."""
    schema = json.loads((chart / "values.schema.json").read_text())
    found = dict(objects_in(schema))
    assert len(found) > 10
    assert [path for path, one in found.items() if one.get("additionalProperties") is not False] == []
    jsonschema.Draft7Validator.check_schema(schema)


def test_the_ci_values_are_valid_by_an_independent_validator() -> None:
    """What Helm takes another implementation of JSON Schema takes too."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    for shape in SHAPES:
        jsonschema.validate(ci_values(shape), schema, jsonschema.Draft7Validator)


def test_what_is_generated_is_in_step() -> None:
    """Settings, values, schemas, READMEs: `scripts/helm-generate` would change nothing."""
    generated = list(generate())
    assert {one.path.name for one in generated} == {"values.yaml", "values.schema.json", "README.md", "_settings.tpl"}
    assert [str(one.path) for one in generated if not one.is_current()] == []


def test_the_file_only_settings_are_those_that_the_templates_leave_out() -> None:
    """`routes` is what the templates put into config.toml; another setting of its kind would need them to know it."""
    assert frozenset({"routes"}) == FILE_ONLY


@pytest.mark.parametrize(
    "text, said",
    [
        ("key: 1\n", "key: no `# --` comment"),
        ("group:\n  # -- Told.\n  a: 1\n  b: 2\n", "group.b: no `# --` comment"),
        ("# -- Told.\nkey: null\n", "key: its default shows no type"),
        ("# -- Told.\nkey: {}\n", "key: its default shows no type"),
        ("# -- Told.\n# @type wish\nkey: 1\n", "key: @type wish, expected one of"),
    ],
)
def test_values_without_documentation_or_type_are_a_mistake(text: str, said: str) -> None:
    """The generator refuses values that it cannot tell the users about."""
    with pytest.raises(ValueError, match=said.replace("`", ".").replace("*", ".")):
        schema_of(read_values(text), {})


def test_comments_become_schema_and_words() -> None:
    """A comment of several lines is one description; `@type` and `@schema` narrow the value."""
    text = "# A heading.\n\n# -- First,\n# second line.\n# @type optional integer\n# @schema {minimum: 3}\nkey: null\n"
    assert schema_of(read_values(text), {})["properties"]["key"] == {
        "description": "First, second line.",
        "type": ["integer", "null"],
        "minimum": 3,
    }
