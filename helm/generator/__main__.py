"""``python -m helm.generator [--check]``: write the generated files, or exit with 1 when one is out of step."""

from __future__ import annotations

import sys

from .outputs import generate


def main(arguments: list[str]) -> int:
    """Write (or only compare) every generated file and name those that differed."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m helm.generator [--check]", file=sys.stderr)
        return 2
    changed = [one for one in generate() if not one.is_current()]
    for one in changed:
        if arguments:
            print(f"{one.path}: out of step, run scripts/helm-generate", file=sys.stderr)
        else:
            one.path.write_text(one.text, encoding="utf-8")
            print(f"wrote {one.path}")
    return 1 if arguments and changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
