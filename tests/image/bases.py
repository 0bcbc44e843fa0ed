"""Base images out of Debian's packages, where no registry has one to give.

The one that builds is a small Debian with pip. The one that runs holds the packages that python3 depends on and nothing
else, above all no shell, as the distroless images do: what starts there needs none.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["bootstrap", "copy_python"]

_INCLUDED = "ca-certificates,python3,python3-pip,python3-venv"
# What python3's packages name as dependencies for their installation scripts only, and with them a shell and Perl.
_FOR_SCRIPTS = frozenset({"debconf", "debconf-2.0", "dpkg"})
# Made by installation scripts, so in no package's list.
_GENERATED = ("etc/ssl/certs", "etc/ld.so.cache", "etc/passwd", "etc/group", "tmp")
# Links into /usr, though the packages' lists name what is behind them.
_MERGED = ("bin", "lib", "lib64", "sbin")


def bootstrap(root: Path, suite: str) -> None:
    """Install Debian *suite* with pip into *root*.

    Raises:
        subprocess.CalledProcessError: debootstrap says why.
    """
    # In a mount namespace of its own: what it mounts in there is gone when it ends, however it ends.
    command = ["unshare", "--mount", "debootstrap", "--variant=minbase", f"--include={_INCLUDED}", suite, str(root)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def copy_python(source: Path, root: Path) -> None:
    """Copy Python, and what its packages depend on, from the system in *source* to the empty *root*."""
    paths = {path for package in _closure(source, "python3") for path in _files(source, package)}
    root.mkdir()
    _copy(source, root, "--no-recursion", names=sorted(paths.union(_MERGED)))
    _copy(source, root, names=_GENERATED)


def _copy(source: Path, root: Path, *options: str, names: Iterable[str]) -> None:
    listed = b"\0".join(name.encode() for name in names)
    pack = ["tar", "--create", f"--directory={source}", *options, "--null", "--files-from=-"]
    packed = subprocess.run(pack, input=listed, check=True, capture_output=True)
    subprocess.run(["tar", "--extract", f"--directory={root}"], input=packed.stdout, check=True)


def _closure(source: Path, package: str) -> set[str]:
    """*package* and everything that it depends on, of what is installed in *source*."""
    stanzas = (source / "var/lib/dpkg/status").read_text().split("\n\n")
    named = ((re.search(r"^Package: (.*)$", stanza, re.MULTILINE), stanza) for stanza in stanzas)
    installed = {found[1]: stanza for found, stanza in named if found}
    closure, left = set[str](), {package}
    while left:
        name = left.pop()
        if name in installed and name not in closure | _FOR_SCRIPTS:
            closure.add(name)
            left |= set(_dependencies(installed[name]))
    return closure


def _dependencies(stanza: str) -> Iterator[str]:
    for field in re.findall(r"^(?:Pre-)?Depends: (.*)$", stanza, re.MULTILINE):
        for alternative in re.split(r"[,|]", field):
            yield re.split(r"[ :(]", alternative.strip())[0]


def _files(source: Path, package: str) -> Iterator[str]:
    lists = source / "var/lib/dpkg/info"
    for listed in (*lists.glob(f"{package}.list"), *lists.glob(f"{package}:*.list")):
        for path in (line.strip("/") for line in listed.read_text().splitlines() if line != "/."):
            merged = f"usr/{path}" if path.partition("/")[0] in _MERGED and "/" in path else path
            if not path.startswith("usr/share/doc"):
                yield merged
