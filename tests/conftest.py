"""What every test may lean on: the component gate, a free port, and generous limits for real sockets.

A component is something outside Python (promtool, node and its packages, nginx, …). `scripts/setup-system` installs
them where it may; under ``CI=true`` a missing one is a failure, on a developer's machine it is a skip that says why.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

__all__ = ["LIMIT_SECONDS", "free_port", "require_component"]

#: How long a test waits for something that should come at once; generous, since the machine may be busy.
LIMIT_SECONDS = 20.0

# For `make mutants`: a mutant is killed by the first failure, so none is made smaller, and the same ones each time.
settings.register_profile(
    "mutants", phases=(Phase.explicit, Phase.generate), deadline=None, derandomize=True, database=None
)

# For `make fuzz`: many more examples, and the same ones each time.
settings.register_profile(
    "fuzz", max_examples=50_000, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)

_ROOT = Path(__file__).resolve().parent.parent

# What is not a program on PATH: name → the path that shows that it is there.
_INSTALLED_PATHS = {
    "build-tools": Path(sys.prefix) / "build-tools" / "hatchling",
    "js-sdks": _ROOT / "tests" / "js" / "node_modules" / "openai",
}
# Programs of which another one does as well.
_ALTERNATIVES = {"chromium": ("chromium", "google-chrome")}


def require_component(name: str) -> str:
    """Return the path of the program (or installed tree) *name*; without it skip, or fail where ``CI=true``."""
    if name in _INSTALLED_PATHS:
        path = _INSTALLED_PATHS[name]
        found = str(path) if path.exists() else None
    else:
        # Debian keeps servers in sbin, which an ordinary user's PATH lacks.
        places = os.environ.get("PATH", os.defpath) + os.pathsep + "/usr/sbin"
        programs = (shutil.which(program, path=places) for program in _ALTERNATIVES.get(name, (name,)))
        found = next(filter(None, programs), None)
    if found is not None:
        return found
    message = f"component {name!r} is missing: run scripts/setup-system or `make test`"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


# Below the ports that the kernel gives out by itself (32768 and up): no socket bound to port 0 and no connection that
# goes out can take one between its being found here and its being used. A cluster's node has a second one 10,000 above.
_PORTS = range(12_000, 20_000)
# Each worker of a run has ports of its own, and runs beside each other begin at different ones.
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_SHARE = len(_PORTS) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_FIRST = random.SystemRandom().randrange(_SHARE)
_candidates = (_PORTS[_WORKER * _SHARE + number % _SHARE] for number in itertools.count(_FIRST))


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody uses and that is given out once, for programs that need a number."""
    for port in _candidates:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the candidates never end")
