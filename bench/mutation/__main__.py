"""``python -m bench.mutation``: judge the mutants of the core, or of some modules, and write docs/mutation.md."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from .campaign import judge, modules
from .mutants import read_all, save
from .page import write

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parent.parent.parent
#: Kept in the repository, so that the page can be written anew when one module was judged again.
_RESULTS = _ROOT / "docs" / "mutation"


def main() -> None:
    """Parse the arguments and go."""
    parser = argparse.ArgumentParser(prog="python -m bench.mutation", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="like sse_proxy/core/sniff.py; none: all")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1, help="mutants at the same time")
    parser.add_argument("--page-only", action="store_true", help="write the page of what was judged before")
    arguments = parser.parse_args()
    known = modules()
    if unknown := set(arguments.modules) - set(known):
        parser.error(f"no core module with tests of its own: {', '.join(sorted(unknown))}")
    endless: list[str] = []
    for module in [] if arguments.page_only else arguments.modules or known:
        try:
            with tempfile.TemporaryDirectory(prefix="sse-proxy-mutants-") as work:
                judged = judge(module, children=arguments.children, work=Path(work))
        except subprocess.TimeoutExpired:
            endless.append(module)
            continue
        save(judged, _RESULTS)
        print(f"{module}: {judged.counts} in {judged.seconds:.0f} s")
        for survivor in judged.survivors:
            print(f"  {survivor.function}\n    - {survivor.removed}\n    + {survivor.added}")
        sys.stdout.flush()
    write(read_all(_RESULTS), _ROOT / "docs" / "mutation.md", _ROOT)
    if endless:
        raise SystemExit(f"not judged, since the run did not come to an end: {', '.join(endless)}")


if __name__ == "__main__":
    main()
