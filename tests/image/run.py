"""A program in the image's root folder, kept in by what a container runtime keeps it in by.

The root is mounted read-only, the process is user and group 65532 without capabilities, and can gain none (as
Kubernetes' restricted profile has it). Its environment is the image's. No namespaces of network and processes: the
ports are this machine's.
"""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Confined"]

# Mounts are private, so they are gone with the process. /proc is for its own metrics, /dev for what everyone needs.
_ENTER = """
mount --make-rprivate /
mount --bind "$1" "$1"
mkdir -p "$1/proc" "$1/dev"
mount -t proc -o ro proc "$1/proc"
mount --bind -o ro /dev "$1/dev"
mount -o remount,bind,ro "$1"
root=$1 user=$2
shift 2
exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all,+setuid,+setgid,+sys_chroot \\
    chroot --userspec="$user" --groups= "$root" "$@"
"""


@dataclass(frozen=True, kw_only=True)
class Confined:
    """The root folder and the configuration of an image."""

    root: Path
    config: Mapping[str, Any]

    def command(self, program: Sequence[str], environment: Mapping[str, str]) -> list[str]:
        """What runs *program* in there; it needs root."""
        variables = [*self.config["Env"], *(f"{name}={value}" for name, value in environment.items())]
        enter = ["unshare", "--mount", "sh", "-euc", _ENTER, "sh", str(self.root), self.config["User"]]
        return ["env", "-i", *variables, *enter, *self._found(program)]

    async def start(self, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
        """Start the image's entrypoint with its command, its log on stderr."""
        program = [*self.config["Entrypoint"], *self.config["Cmd"]]
        return await asyncio.create_subprocess_exec(*self.command(program, environment), stderr=asyncio.subprocess.PIPE)

    def ask(self, program: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run another *program* in there to its end."""
        return subprocess.run(self.command(program, environment), capture_output=True, text=True, check=False)

    def _found(self, program: Sequence[str]) -> list[str]:
        """*program* with its path, as execvp would find it inside: chroot(1) looks with our own PATH."""
        name, *arguments = program
        [path] = [value.removeprefix("PATH=") for value in self.config["Env"] if value.startswith("PATH=")]
        places = [f"{place}/{name}" for place in path.split(":")] if "/" not in name else [name]
        inside = next((place for place in places if (self.root / place.lstrip("/")).exists()), None)
        if inside is None:
            raise FileNotFoundError(shlex.join(program))
        return [inside, *arguments]
