"""Rules of the project that a reader can hold it to: public names, quiet imports, small files, live links."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sse_proxy

PACKAGE = Path(sse_proxy.__file__).parent
PROJECT = PACKAGE.parent
MAX_FILE_LINES = 250
MAX_FUNCTION_LINES = 45


def in_fresh_python(code: str, **environment: str) -> str:
    """Return what *code* prints in a Python of its own, where nothing of ours is imported yet."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the place and the length in lines of every function in *path*."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            yield f"{path.relative_to(PROJECT)}:{node.lineno} {node.name}", lines


def test_the_public_names_are_those_of_the_contract() -> None:
    """INTERFACE "Python": what users import, sorted, and nothing besides."""
    assert sse_proxy.__all__ == ["SSEMiddleware", "Settings", "create_app", "metrics_app"]
    assert all(hasattr(sse_proxy, name) for name in sse_proxy.__all__)


def test_importing_is_quiet_whatever_the_environment_says() -> None:
    """Wrong settings in the environment are the business of whoever asks for settings, not of an import."""
    environment = {"SSE_PROXY_HEARTBEAT_SECONDS": "nonsense", "SSE_PROXY_NO_SUCH_SETTING": "1"}
    assert in_fresh_python("import sse_proxy", **environment) == ""


def test_the_environment_is_read_in_one_place() -> None:
    """Only the loader of settings reads ours; the metrics look for prometheus-client's, and colours for everybody's."""
    readers = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(
            ast.unparse(node) in {"os.environ", "os.getenv"}
            for node in ast.walk(ast.parse(path.read_bytes()))
            if isinstance(node, ast.Attribute)
        )
    }
    assert readers == {"colours.py", "settings/load.py", "metrics/prometheus.py"}


def test_importing_brings_neither_command_line_nor_server_nor_demo() -> None:
    """An application that only wraps itself in the middleware pays for nothing else."""
    code = (
        "import sys\n"
        "from sse_proxy import *\n"
        "unwanted = ('uvicorn', 'uvloop', 'sse_proxy.cli', 'sse_proxy.demo', 'sse_proxy.server')\n"
        "print([name for name in unwanted if name in sys.modules])"
    )
    assert in_fresh_python(code) == "[]"


def test_the_package_is_typed() -> None:
    """PEP 561: users' type checkers read our annotations."""
    assert (PACKAGE / "py.typed").exists()


def test_files_are_small() -> None:
    """One concept, one file: over 250 lines a second concept is hiding in it."""
    lengths = {path: len(path.read_text().splitlines()) for path in sorted(PACKAGE.rglob("*.py"))}
    assert [f"{path.relative_to(PROJECT)}: {lines}" for path, lines in lengths.items() if lines > MAX_FILE_LINES] == []


def test_functions_are_short() -> None:
    """A function fits on a screen."""
    found = [place for path in sorted(PACKAGE.rglob("*.py")) for place in functions(path)]
    assert [f"{name}: {lines}" for name, lines in found if lines > MAX_FUNCTION_LINES] == []


def test_every_module_lists_its_public_names() -> None:
    """What a module offers stands in its ``__all__``; ruff holds that it is sorted (RUF022) and true (F822)."""
    silent = []
    for path in sorted(PACKAGE.rglob("*.py")):
        body = ast.parse(path.read_bytes()).body
        assigned = {ast.unparse(node.targets[0]) for node in body if isinstance(node, ast.Assign)}
        only_a_docstring = len(body) <= 1
        if path.name != "__main__.py" and not only_a_docstring and "__all__" not in assigned:
            silent.append(path.relative_to(PROJECT).as_posix())
    assert silent == []


@pytest.mark.parametrize(
    "document",
    [path.relative_to(PROJECT).as_posix() for folder in (PROJECT, PROJECT / "docs") for path in folder.glob("*.md")],
)
def test_relative_links_lead_somewhere(document: str) -> None:
    """A link to a file of the project has that file at its end."""
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", (PROJECT / document).read_text())
    assert [target for target in targets if not ((PROJECT / document).parent / target).exists()] == []


def test_make_help_tells_every_target() -> None:
    """Each target that the Makefile declares has its line of help."""
    makefile = (PROJECT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert sorted(phony[1].split()) == sorted(re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE))
