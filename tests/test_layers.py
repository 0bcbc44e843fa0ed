"""Imports of `sse_proxy` point down, never in a circle, and the core stays pure.

The floors are a table: a new module has to be placed in it. Every import counts, also one inside a function or under
TYPE_CHECKING, since each says that one module knows of the other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import sse_proxy

ROOT = Path(sse_proxy.__file__).parent

# Top-level modules and packages from the ground up. Those of one floor may know each other, but not in a circle.
FLOORS = (
    ("colours", "errors", "flag", "outcome", "version"),
    ("settings",),
    ("core",),
    (
        "client_ending",
        "client_protocol",
        "errors_http",
        "json_answer",
        "lifecycle",
        "logs",
        "metrics",
        "replay",
        "sockets",
        "standins",
        "tls_server",
        "unasked",
        "tracing",
        "upstream",
        "wire",
    ),
    (
        "admin",
        "auth",
        "bridge",
        "cors",
        "drain",
        "entrance",
        "exchange",
        "gate",
        "handshake",
        "listener",
        "middleware",
        "obeyed",
        "playground",
        "probe",
        "proxy",
        "readiness",
        "resume",
        "routing",
        "server",
        "streaming",
        "watch",
    ),
    ("app",),
    ("__init__", "__main__", "cli", "demo", "doctor"),
)
FLOOR_OF = {name: floor for floor, names in enumerate(FLOORS) for name in names}

# Computing, and nothing that has a clock, a socket, a file or a framework.
CORE_MAY_IMPORT = {
    *("__future__", "collections", "collections.abc", "dataclasses", "enum", "functools", "itertools", "typing"),
    *("base64", "binascii", "codecs", "hashlib", "ipaddress", "json", "math", "re", "string", "struct", "types"),
    *("urllib.parse",),
    *("brotli", "zlib", "zstandard"),
}

Graph = dict[str, set[str]]


def modules(root: Path) -> dict[str, Path]:
    """Return every module below *root* by its dotted name within the package; the package itself is ``__init__``."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)] = path
    return found


def imported(path: Path, root: Path) -> Iterator[str]:
    """Yield the absolute name of everything that *path* imports: ``json``, ``sse_proxy.errors``."""
    package = [root.name, *path.relative_to(root).parent.parts]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def own_module(name: str, known: dict[str, Path], package: str) -> str | None:
    """Return the module of ours that *name* (a module or something in one) lives in; None for a foreign name."""
    parts = name.split(".")
    if parts[0] != package:
        return None
    for end in range(len(parts), 1, -1):
        if (candidate := ".".join(parts[1:end])) in known:
            return candidate
    return "__init__"


def graph(root: Path) -> Graph:
    """Return for each module of ours the modules of ours that it imports."""
    known = modules(root)
    return {
        module: {target for name in imported(path, root) if (target := own_module(name, known, root.name))}
        for module, path in known.items()
    }


def floor_of(module: str) -> int | None:
    """Return the floor of *module*, by the top-level name; None when the table does not have it."""
    return FLOOR_OF.get(module.partition(".")[0])


def unplaced(imports: Graph) -> list[str]:
    """Return the modules that stand on no floor."""
    return [module for module in imports if floor_of(module) is None]


def upward(imports: Graph) -> list[str]:
    """Return every import of a module that stands higher than the importer."""
    return [
        f"{module} -> {target}"
        for module, targets in imports.items()
        for target in sorted(targets)
        if (floor_of(target) or 0) > (floor_of(module) or 0)
    ]


def impure(root: Path) -> list[str]:
    """Return every import of the core that is neither ours nor plain computing."""
    return [
        f"{path.relative_to(root)} -> {name}"
        for path in sorted((root / "core").rglob("*.py"))
        for name in imported(path, root)
        if name.partition(".")[0] != root.name
        and name not in CORE_MAY_IMPORT
        and name.rpartition(".")[0] not in CORE_MAY_IMPORT
    ]


def circle(imports: Graph) -> list[str]:
    """Return the modules of one circle of imports, empty when there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def test_every_module_stands_on_a_floor() -> None:
    """A new module is placed in FLOORS, so that somebody thinks about where it belongs."""
    assert unplaced(graph(ROOT)) == []


def test_no_floor_is_named_for_a_module_that_is_gone() -> None:
    """FLOORS tells what there is, so that it can be read as the map of the package."""
    assert sorted(FLOOR_OF) == sorted({module.partition(".")[0] for module in graph(ROOT)})


def test_imports_point_down() -> None:
    """No module imports one of a higher floor."""
    assert upward(graph(ROOT)) == []


def test_imports_do_not_go_in_circles() -> None:
    """No two modules know each other, not even of one floor."""
    assert circle(graph(ROOT)) == []


def test_the_core_is_pure() -> None:
    """The core imports neither clock, socket, file, environment nor framework."""
    assert impure(ROOT) == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a small package of the same shape, without any violation."""
    root = tmp_path / "sse_proxy"
    (root / "core").mkdir(parents=True)
    (root / "__init__.py").write_text("from .app import create_app\n")
    (root / "errors.py").write_text("import os\n")
    (root / "core" / "__init__.py").write_text("from .sse import feed\n")
    (root / "core" / "sse.py").write_text(
        "import json\nfrom collections.abc import Iterator\nfrom ..errors import Oops\n"
    )
    (root / "app.py").write_text("import sse_proxy.errors\nfrom . import core\nfrom .core.sse import feed\n")
    return root


def test_the_check_reads_every_form_of_import(tree: Path) -> None:
    """Relative, absolute and nested names all end at the module they live in."""
    assert graph(tree) == {
        "__init__": {"app"},
        "app": {"errors", "core", "core.sse"},
        "core": {"core.sse"},
        "core.sse": {"errors"},
        "errors": set(),
    }
    assert (unplaced(graph(tree)), upward(graph(tree)), circle(graph(tree)), impure(tree)) == ([], [], [], [])


@pytest.mark.parametrize(
    "planted",
    [
        "from .app import create_app",
        "from sse_proxy import app",
        "import sse_proxy.app",
        "def late():\n    from . import app",
    ],
)
def test_the_check_finds_an_upward_import(tree: Path, planted: str) -> None:
    """An upward import fails the check in whatever form it is written."""
    (tree / "errors.py").write_text(planted + "\n")
    assert upward(graph(tree)) == ["errors -> app"]


def test_the_check_finds_a_circle_on_one_floor(tree: Path) -> None:
    """Two modules of one floor that import each other fail the check."""
    (tree / "core" / "repair.py").write_text("from .sse import feed\n")
    (tree / "core" / "sse.py").write_text("from .repair import repair\n")
    assert set(circle(graph(tree))) == {"core.repair", "core.sse"}


@pytest.mark.parametrize(
    "name", ["asyncio", "time", "os", "socket", "httpx", "starlette.types", "urllib.request", "logging"]
)
def test_the_check_finds_an_impure_core(tree: Path, name: str) -> None:
    """The core may not even know the module that has the clock, the socket or the framework."""
    (tree / "core" / "pacing.py").write_text(f"import {name}\n")
    assert impure(tree) == [f"core/pacing.py -> {name}"]


def test_the_check_finds_a_module_without_a_floor(tree: Path) -> None:
    """A module that FLOORS does not name fails the check."""
    (tree / "helpers.py").write_text("")
    assert unplaced(graph(tree)) == ["helpers"]
