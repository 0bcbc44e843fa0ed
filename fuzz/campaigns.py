"""``python -m fuzz.campaigns``: every target of `requests.TARGETS`, or those named, for some seconds each.

What a target has found worth keeping stays in ``build/fuzz/corpus/NAME``, from where the next run goes on. The table at
the end is that of docs/fuzzing.md. The exit status is not 0 when there is a finding; the input is then left in
``build/fuzz/findings/``, and ``python -m fuzz.campaigns NAME --input FILE`` judges it again, without atheris.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

__all__ = ["main"]

_BUILD = Path(__file__).resolve().parent.parent / "build" / "fuzz"
_LIMITS = ("-timeout=20", "-rss_limit_mb=1024", "-max_len=2048")
_RUNS = re.compile(r"^stat::number_of_executed_units:\s*(\d+)", re.MULTILINE)
_COVERAGE = re.compile(r"cov: (\d+)")


def _fuzz(name: str, seconds: int, seed: int) -> None:
    """Run one target in this process; libFuzzer does not come back."""
    import atheris  # noqa: PLC0415  only a campaign needs it

    with atheris.instrument_imports(include=["sse_proxy"]):
        from .requests import TARGETS  # noqa: PLC0415
    from .parsers import judged  # noqa: PLC0415
    from .starts import STARTS, usual  # noqa: PLC0415

    corpus, findings = _BUILD / "corpus" / name, _BUILD / "findings"
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(STARTS.get(name, usual())):
        (corpus / f"start-{number:04}").write_bytes(data)
    target = TARGETS[name]
    flags = (f"-max_total_time={seconds}", f"-seed={seed}", f"-artifact_prefix={findings}/{name}-", *_LIMITS)
    atheris.Setup([sys.argv[0], *flags, "-print_final_stats=1", str(corpus)], lambda data: judged(target, data))
    atheris.Fuzz()


def _campaign(name: str, seconds: int, seed: int) -> tuple[str, bool]:
    """The row of one target, and whether nothing was found."""
    command = [sys.executable, "-m", "fuzz.campaigns", name, "--one", "--seconds", str(seconds), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own interpreter
    runs, coverage = _RUNS.search(done.stderr), _COVERAGE.findall(done.stderr)
    if done.returncode:
        print(done.stderr[-3000:], file=sys.stderr)
    found = "nothing" if not done.returncode else "**a finding**"
    return (
        f"| {name} | {int(runs[1]) if runs else 0:,} | {coverage[-1] if coverage else '-'} | {found} |",
        not done.returncode,
    )


def main() -> None:
    """Parse the arguments and go."""
    from .requests import TARGETS  # noqa: PLC0415  not before the parent's: the child instruments them

    parser = argparse.ArgumentParser(prog="python -m fuzz.campaigns", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=30, help="for each")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--input", type=Path, help="judge this input again")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(TARGETS):
        parser.error(f"no target: {', '.join(sorted(unknown))}")
    if arguments.input:
        TARGETS[arguments.names[0]](arguments.input.read_bytes())
        print("nothing found")
        return
    print("| target | inputs | edges reached | found |\n|---|---|---|---|")
    clean = True
    for name in arguments.names or TARGETS:
        row, fine = _campaign(name, arguments.seconds, arguments.seed)
        print(row, flush=True)
        clean = clean and fine
    sys.exit(not clean)


if __name__ == "__main__":
    if "--one" in sys.argv:
        _options = dict(zip(sys.argv, sys.argv[1:], strict=False))
        _fuzz(sys.argv[1], int(_options["--seconds"]), int(_options["--seed"]))
    else:
        main()
