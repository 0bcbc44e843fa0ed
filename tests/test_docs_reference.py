"""docs/reference and docs/settings.md are what the code says, and nothing that it knows is missing there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import sse_proxy
from docsite.dialects import page as dialects_page
from docsite.headers import READ, SET
from docsite.pages import DOCS, PAGES, expected
from docsite.settings import settings_table, shown_default
from docsite.source import member_comments
from sse_proxy.core.dialects import DIALECTS
from sse_proxy.core.repair_kinds import REPAIR_KINDS
from sse_proxy.outcome import Outcome
from sse_proxy.settings import Settings

_PACKAGE = Path(sse_proxy.__file__).parent
#: Clients of streams and servers of the demo: what they read and set is not the proxy's.
_OTHERS = ("cli", "demo", "doctor", "playground", "watch")
#: What is only recognised in a response, or only set towards the upstream, where nothing else is told of it.
_ELSEWHERE = {"mcp-session-id", "x-vercel-ai-data-stream", "x-vercel-ai-ui-message-stream"}
_TOWARDS_UPSTREAM = {"accept-encoding", "host", "transfer-encoding", "x-forwarded-for", "x-forwarded-host"}
_FIELD = re.compile(rb"[a-z][a-z0-9-]+")


@cache
def nodes() -> list[ast.AST]:
    """Every node of the proxy's modules."""
    paths = (path for path in _PACKAGE.rglob("*.py") if path.relative_to(_PACKAGE).parts[0] not in _OTHERS)
    return [node for path in paths for node in ast.walk(ast.parse(path.read_bytes()))]


def name_of(node: ast.expr) -> str | None:
    """The header field that a literal names, if any."""
    known = isinstance(node, ast.Constant) and isinstance(node.value, bytes) and _FIELD.fullmatch(node.value)
    return known.group().decode() if known else None


@pytest.mark.parametrize("name", sorted(PAGES))
def test_the_page_is_in_step(name: str) -> None:
    """`make reference` would change nothing."""
    assert expected(name) == (DOCS / name).read_text()


def test_every_generated_page_is_a_row() -> None:
    """A page that the code has left behind would be found by nobody."""
    assert sorted(f"reference/{path.name}" for path in (DOCS / "reference").iterdir()) == sorted(
        name for name in PAGES if name.startswith("reference/")
    )


def test_every_setting_is_a_row_with_its_default() -> None:
    """In the model's order."""
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \|", settings_table(), re.MULTILINE)
    assert rows == [(name, shown_default(field.default)) for name, field in Settings.model_fields.items()]


def test_every_field_that_is_set_is_explained() -> None:
    """A pair of a field's name and a value is how all of them are set."""
    pairs = (node.elts for node in nodes() if isinstance(node, ast.Tuple) and len(node.elts) == 2)
    names = {name for first, _ in pairs if (name := name_of(first))} - _ELSEWHERE - _TOWARDS_UPSTREAM
    assert len(names) > 15
    assert names - {"x-forwarded-proto"} == set(SET) - {"x-sse-resume"}


def test_every_field_that_is_read_is_explained() -> None:
    """The functions of `core.headers` are the only way to a field."""
    calls = (node for node in nodes() if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    asked = (call.args[1] for call in calls if call.func.id in {"first", "tokens", "values"} and len(call.args) == 2)  # type: ignore[attr-defined]  # a name, by the line above
    names = {name for node in asked if (name := name_of(node))}
    of_responses = {"content-encoding", "vary"}
    by_another_name = {"authorization", "x-sse-resume"}
    assert len(names) > 15
    assert names - of_responses == set(READ) - by_another_name


def test_every_repair_is_explained() -> None:
    """Where one is made its name is a literal, which is counted."""
    made = set()
    for node in nodes():
        if isinstance(node, ast.Call) and re.search(r"(?:^|\W|_)(?:count|repair)$", ast.unparse(node.func)):
            words = {arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
            made |= {word for word in words if word.isidentifier()}
    made |= set(re.findall(r'repairs\["(\w+)"\]', (_PACKAGE / "core/framers/base.py").read_text()))
    assert made == set(REPAIR_KINDS)
    assert list(REPAIR_KINDS) == sorted(REPAIR_KINDS)


def test_every_outcome_is_explained() -> None:
    """By the comment in front of it."""
    assert set(member_comments(Outcome)) == {item.name for item in Outcome}


def test_every_dialect_is_recognised_somehow() -> None:
    """No row of the first table leaves it open how a stream gets there."""
    table = dialects_page().split("## How they are recognised")[1].split("##")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows] == [f"`{dialect.name}`" for dialect in DIALECTS] + ["`generic`"]
    assert [row[0] for row in rows if not (row[2] or row[4])] == []
