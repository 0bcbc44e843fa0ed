"""``python -m docsite``: write the generated pages; ``--check``: name those that are out of step, and exit with 1."""

from __future__ import annotations

import sys

from .pages import DOCS, PAGES, expected

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Write what has changed, or with ``--check`` only name it."""
    stale = [name for name in PAGES if _read(name) != expected(name)]
    for name in stale:
        if "--check" in arguments:
            print(f"docs/{name} is out of step with the code: make reference", file=sys.stderr)
        else:
            (DOCS / name).parent.mkdir(exist_ok=True)
            (DOCS / name).write_text(expected(name))
            print(f"docs/{name}")
    return 1 if stale and "--check" in arguments else 0


def _read(name: str) -> str | None:
    path = DOCS / name
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
