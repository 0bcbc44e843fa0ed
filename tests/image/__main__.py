"""``python -m tests.image``: build the image, run it, tell docs/container.md; exit 1 for a surprise.

``--work FOLDER`` keeps the bases there for another run, which takes some minutes less then.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from sse_proxy.version import version

from ..generated import facts, replace_block
from .bases import bootstrap, copy_python
from .build import Buildah
from .look import Fact, look
from .run import Confined

_PROJECT = Path(__file__).resolve().parents[2]
_PAGE = _PROJECT / "docs" / "container.md"
_SUITE = "bookworm"  # the oldest whose Python is new enough
_IMAGE = "localhost/sse-proxy"


def _bases(work: Path) -> tuple[Path, Path]:
    """The root folders of the two bases in *work*, made where they are not there yet."""
    full, small = work / "python-build", work / "python-run"
    if not small.exists():
        bootstrap(full, _SUITE)
        copy_python(full, small)
    return full, small


def _build(buildah: Buildah, full: Path, small: Path) -> tuple[Confined, float]:
    """The image, and how many seconds its build took on bases that are there."""
    buildah.add_base("localhost/python-build", full)
    buildah.add_base("localhost/python-run", small)
    arguments = {
        "PYTHON_IMAGE": "localhost/python-build",
        "RUNTIME_IMAGE": "localhost/python-run",
        "VERSION": version(),
    }
    begun = time.monotonic()
    buildah.build(_IMAGE, _PROJECT, arguments)
    seconds = time.monotonic() - begun
    return Confined(root=buildah.mount(_IMAGE), config=buildah.inspect(_IMAGE)), seconds


def _page(seen: list[Fact], seconds: float) -> str:
    rows = "\n".join(f"| {what} | {told} |" for what, told, _expected in seen)
    return f"| | |\n|---|---|\n| built by buildah in | {seconds:.0f} s |\n{rows}\n\n{facts()}"


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.image", description=__doc__)
    parser.add_argument("--work", type=Path, help="folder that is kept; a temporary one by default")
    kept = parser.parse_args().work
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        work = kept or Path(temporary)
        full, small = _bases(work)
        with tempfile.TemporaryDirectory(dir=work) as store:
            image, seconds = _build(Buildah(Path(store)), full, small)
            seen = asyncio.run(look(image, small))
    replace_block(_PAGE, _page(seen, seconds))
    surprises = [f"{what}: {told}" for what, told, expected in seen if not expected]
    sys.stderr.write("".join(f"not as expected: {surprise}\n" for surprise in surprises))
    return min(1, len(surprises))


if __name__ == "__main__":
    sys.exit(_main())
