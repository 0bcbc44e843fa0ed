"""Judges the mutants of one module by the module's own tests, with mutmut, in a copy of the project.

mutmut compiles all mutants of a module into it and forks a process for each, so that one costs no more than the tests
themselves (0.2 s, where a new pytest takes 2 s). What it cannot see that way is a function that runs while its module
is imported, which has happened before the fork. Survivors among those are judged again, each in a process of its own,
and so is what did not end in the time that mutmut gives it.
"""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from .mutants import Judged, Survivor, digest

__all__ = ["judge", "modules", "tests_of"]

_ROOT = Path(__file__).resolve().parent.parent.parent
_CORE = Path("sse_proxy/core")
#: What a core module's tests read.
_COPIED = ("sse_proxy", "tests", "pyproject.toml")
_LEFT_OUT = shutil.ignore_patterns("node_modules", "__pycache__", "*.pyc", "image", "pod", "frontends")
_PLUGINS = Path(__file__).resolve().parent / "plugins"
_PYTEST = (
    "-p",
    "no:cacheprovider",
    "-p",
    "quick_first",
    "-k",
    "not linear",
    "--hypothesis-profile=mutants",
    "--timeout=0",
)
_SETTINGS = """
[tool.mutmut]
source_paths = ["sse_proxy"]
only_mutate = ["{module}"]
pytest_add_cli_args = [{arguments}]
pytest_add_cli_args_test_selection = ["{tests}"]
use_git_change_detection = false
track_dependencies = false
timeout_multiplier = 3.0
timeout_constant = 2.0
"""
#: Names of functions that ran during the import, one a line.
_CALLED_AT_IMPORT = "import {module}; from mutmut.state import state; print(*state()._stats, sep='\\n')"
_SURVIVED = ("survived", "no tests")
#: For one mutant in a process of its own: several times what the slowest tests of a module take on a quiet machine.
_ALONE_SECONDS = 40.0
#: For all mutants of a module, each of which has its own limit: the longest took nine minutes on a busy machine.
_MODULE_SECONDS = 1800.0
#: Modules whose tests have another name than theirs; a package's ``__init__`` has those of the package.
_TESTED_IN = {
    "dialects/__init__.py": "tests/test_dialects_table.py",
    "dialects/native.py": "tests/test_dialects_voice.py",
}
#: Nothing in them is mutmut's to change: tables, protocols, and properties, which are decorated.
_WITHOUT_MUTANTS = frozenset({"__init__.py", "dialects/state.py", "repair_kinds.py", "shapes/base.py"})


def modules() -> list[str]:
    """Every module of the core in which there is something to change.

    Raises:
        FileNotFoundError: one has no tests of its own, and its mutants would be missing from the score.
    """
    found = sorted(str(path.relative_to(_ROOT)) for path in (_ROOT / _CORE).rglob("*.py"))
    judged = [module for module in found if str(Path(module).relative_to(_CORE)) not in _WITHOUT_MUTANTS]
    if missing := [module for module in judged if not (_ROOT / tests_of(module)).exists()]:
        raise FileNotFoundError(f"no tests of their own: {', '.join(missing)}")
    return judged


def tests_of(module: str) -> str:
    """Where the tests of *module*, a path, are."""
    within = Path(module).relative_to(_CORE)
    if elsewhere := _TESTED_IN.get(str(within)):
        return elsewhere
    parts = [part for part in within.with_suffix("").parts if part != "__init__"]
    return f"tests/test_{'_'.join(parts)}.py"


def judge(module: str, *, children: int, work: Path) -> Judged:
    """Judge all mutants of *module* (a path from the root), *children* at a time, in the empty folder *work*.

    Raises:
        TimeoutExpired: the run of all of them did not come to an end, and has been ended.
    """
    started, started_cpu = time.monotonic(), _cpu_seconds()
    for name in _COPIED:
        if (_ROOT / name).is_dir():
            shutil.copytree(_ROOT / name, work / name, ignore=_LEFT_OUT)
        else:
            shutil.copy(_ROOT / name, work)
    source = digest((work / module).read_bytes())
    arguments = ", ".join(f'"{argument}"' for argument in _PYTEST)
    with (work / "pyproject.toml").open("a") as settings:
        settings.write(_SETTINGS.format(module=module, tests=tests_of(module), arguments=arguments))
    _run(["-m", "mutmut", "run", "--max-children", str(children)], work)
    verdicts = _verdicts(module, work)
    diffs = _diffs([name for name, verdict in verdicts.items() if verdict in _SURVIVED], work)
    return Judged(
        module=module,
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        tool=f"mutmut {importlib.metadata.version('mutmut')}",
        seconds=round(time.monotonic() - started, 1),
        cpu_seconds=round(_cpu_seconds() - started_cpu, 1),
        source=source,
        counts=dict(sorted(Counter(verdicts.values()).items())),
        survivors=[Survivor.of(_function(name), diff) for name, diff in diffs.items()],
    )


def _cpu_seconds() -> float:
    """What all processes that were started and waited for have used, theirs included."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(arguments: list[str], folder: Path, **environment: str) -> str:
    """What Python prints. Raises RuntimeError, with all of it, when it fails; TimeoutExpired when it does not end."""
    with subprocess.Popen(  # noqa: S603  our own interpreter
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(_PLUGINS), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            printed, _ = process.communicate(
                timeout=_ALONE_SECONDS if "MUTANT_UNDER_TEST" in environment else _MODULE_SECONDS
            )
        except BaseException:
            # All that it has started as well: a mutant that is left holds the pipe open, and would be waited for.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: exit status {process.returncode}\n{printed[-4000:]}")
    return printed


def _verdicts(module: str, work: Path) -> dict[str, str]:
    from mutmut.stats import status_by_exit_code  # noqa: PLC0415  only the campaign needs it

    codes = json.loads((work / "mutants" / f"{module}.meta").read_text())["exit_code_by_key"]
    verdicts = {name: str(status_by_exit_code[code]) for name, code in codes.items()}
    early = _called_at_import(module, work)
    for name, verdict in verdicts.items():
        # On a machine that is busy a mutant may only have waited: what seems not to end is given more time, alone.
        if verdict == "timeout" or (verdict in _SURVIVED and name.rpartition("__mutmut_")[0] in early):
            verdicts[name] = _judged_alone(module, name, work)
    return verdicts


def _called_at_import(module: str, work: Path) -> set[str]:
    dotted = module.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
    program = _CALLED_AT_IMPORT.format(module=dotted)
    return set(_run(["-c", program], work / "mutants", MUTANT_UNDER_TEST="stats").split())


def _judged_alone(module: str, name: str, work: Path) -> str:
    """The verdict when the mutant is there from the first import on, in a process of its own."""
    try:
        _run(["-m", "pytest", "-x", "-q", *_PYTEST, tests_of(module)], work / "mutants", MUTANT_UNDER_TEST=name)
    except RuntimeError:
        return "killed"
    except subprocess.TimeoutExpired:
        return "timeout"
    return "survived"


def _diffs(names: list[str], work: Path) -> dict[str, str]:
    """Name → unified diff, made in a process of its own since mutmut works where it stands."""
    program = (
        "import json, sys; from mutmut.mutation.diff_apply import get_diff_for_mutant;"
        "print(json.dumps({name: get_diff_for_mutant(name) for name in json.load(sys.stdin)}))"
    )
    done = subprocess.run(  # noqa: S603  our own interpreter
        [sys.executable, "-c", program], cwd=work, input=json.dumps(names), capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


def _function(name: str) -> str:
    """``Class.method`` or ``function``, from mutmut's ``…xǁClassǁmethod__mutmut_7`` or ``…x_function__mutmut_7``."""
    plain = name.rpartition("__mutmut_")[0].rpartition(".")[2]
    return plain.removeprefix("xǁ").replace("ǁ", ".") if "ǁ" in plain else plain.removeprefix("x_")
