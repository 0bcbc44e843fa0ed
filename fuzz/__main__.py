"""``python -m fuzz``: the campaign; ``python -m fuzz FILE …`` judges single inputs again, without atheris.

The exit status is not 0 when there is a finding; the input is then left in the artifacts' folder.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

__all__ = ["main"]

_ROOT = Path(__file__).resolve().parent.parent
#: Four kinds of limit, all far above what any input needs: a campaign shares its machine with others.
_LIMITS = ("-timeout=60", "-rss_limit_mb=1024", "-malloc_limit_mb=256", "-max_len=4096")


class Campaign:
    """Counts while it judges."""

    def __init__(self, runs: int) -> None:
        self._runs = runs
        self._done = 0
        self._started = time.monotonic()
        self._counts: dict[str, Counter[str]] = {kind: Counter() for kind in ("framing", "dialect", "output")}

    def judge(self, data: bytes) -> None:
        """One input; at the last one the counts are printed, since libFuzzer does not come back."""
        from .oracles import check  # noqa: PLC0415  imported when it is instrumented

        case = check(data)
        framing = case.coding or case.framing.name
        for kind, name in (("framing", framing), ("dialect", case.name), ("output", str(case.output))):
            self._counts[kind][name] += 1
        self._done += 1
        if self._done == self._runs:
            self._report()

    def _report(self) -> None:
        seconds = time.monotonic() - self._started
        print(f"{self._done} inputs in {seconds:.0f} s, {self._done / seconds:.0f} a second")
        for kind, counts in self._counts.items():
            print(f"{kind}: " + ", ".join(f"{name} {count}" for name, count in counts.most_common()))
        sys.stdout.flush()


def _run(runs: int, seed: int, artifacts: Path) -> None:
    import atheris  # noqa: PLC0415  only the campaign needs it

    with atheris.instrument_imports(include=["sse_proxy"]):
        from .mutator import mutated  # noqa: PLC0415
        from .seeds import starts  # noqa: PLC0415

    def mutate(data: bytes, max_size: int, number: int) -> bytes:
        return mutated(data, Random(number), lambda body: bytes(atheris.Mutate(body, max_size - 8)))[:max_size]

    shutil.rmtree(artifacts, ignore_errors=True)
    artifacts.mkdir(parents=True)
    corpus = Path(tempfile.mkdtemp(prefix="sse-proxy-fuzz-"))
    for number, data in enumerate(starts()):
        (corpus / f"{number:05}").write_bytes(data)
    campaign = Campaign(runs)
    flags = (f"-runs={runs}", f"-seed={seed}", f"-artifact_prefix={artifacts}/", "-print_final_stats=1", *_LIMITS)
    atheris.Setup([sys.argv[0], *flags, str(corpus)], campaign.judge, custom_mutator=mutate)
    atheris.Fuzz()


def main() -> None:
    """Parse the arguments and go."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("inputs", type=Path, nargs="*", metavar="FILE", help="inputs to judge again")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--artifacts", type=Path, default=_ROOT / "build" / "fuzz")
    arguments = parser.parse_args()
    for path in arguments.inputs:
        Campaign(0).judge(path.read_bytes())
        print(f"{path}: nothing found")
    if not arguments.inputs:
        _run(arguments.runs, arguments.seed, arguments.artifacts)


if __name__ == "__main__":
    main()
