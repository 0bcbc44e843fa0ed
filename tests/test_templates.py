"""`core.templates`: bodies with placeholders, filled after parsing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_proxy.core.templates import fill, placeholders
from sse_proxy.errors import BadRequest


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("{a}", "x"),
        ("{n}", 3),
        ("{o}", {"k": ["{a}"]}),
        ("{none}", None),
        ("{a}!", "x!"),
        ("{a}{a}", "xx"),
        ("{n} of {o}", '3 of {"k": ["{a}"]}'),
        ("{none}, {u}", "null, é"),
        ("{l}", ["é"]),
        ("all of {l}", 'all of ["é"]'),
        ("{{a}}", "{a}"),
        ("{{{a}}}", "{x}"),
        ("{{", "{"),
        ("}}", "}"),
        ('{"a": 1}', '{"a": 1}'),
        ("{ a }", "{ a }"),
        ("{1a}", "{1a}"),
        ("{}", "{}"),
        ("{a", "{a"),
        ("{a}\n", "x\n"),
        ("", ""),
        (1, 1),
        (None, None),
        (True, True),
        ({"k": "{a}", "{a}": [1, "{n}"]}, {"k": "x", "{a}": [1, 3]}),
    ],
)
def test_fill(template: object, filled: object) -> None:
    """A lone placeholder becomes the value, of any type; in a longer text its text. Keys and all else stay."""
    values = {"a": "x", "n": 3, "o": {"k": ["{a}"]}, "none": None, "u": "é", "l": ["é"]}
    assert fill(template, values) == filled


@pytest.mark.parametrize("template", ["{a}", "x{a}", {"k": ["{a}"]}])
def test_a_value_that_is_missing(template: object) -> None:
    """It is the caller's mistake, and told by its name."""
    with pytest.raises(BadRequest, match=r"^missing: a$"):
        fill(template, {"b": 1})


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("{a} {b_1} {{c}}", {"a", "b_1"}),
        ({"k": ["{a}", {"{key}": "{b}"}], "n": 1}, {"a", "b"}),
        (None, set()),
        ("{", set()),
    ],
)
def test_placeholders(template: object, names: set[str]) -> None:
    """Those that `fill` will ask for."""
    assert placeholders(template) == names
    fill(template, dict.fromkeys(names, ""))


@given(value=st.text())
def test_a_value_never_becomes_structure(value: str) -> None:
    """Whatever is in it: quotes, braces, placeholders."""
    filled = fill({"messages": [{"content": "{prompt}"}], "note": "a {prompt} b"}, {"prompt": value, "other": "secret"})
    assert json.loads(json.dumps(filled)) == {"messages": [{"content": value}], "note": f"a {value} b"}
