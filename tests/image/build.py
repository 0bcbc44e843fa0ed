"""buildah in a folder of its own: no daemon, no user namespaces, nothing left when the folder is gone."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Buildah"]


class Buildah:
    """Images and containers below *folder*."""

    def __init__(self, folder: Path) -> None:
        self._global = [
            *("--root", str(folder / "images"), "--runroot", str(folder / "run")),
            # Plain folders and a chroot: what works inside of other sandboxes too.
            *("--storage-driver", "vfs"),
        ]
        self._policy = folder / "policy.json"
        self._policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        self._environment = {**os.environ, "BUILDAH_ISOLATION": "chroot"}

    def add_base(self, name: str, root: Path) -> None:
        """Make the folder *root* an image."""
        container = self._ask("from", "scratch")
        self._ask("add", "--quiet", container, str(root), "/")
        self._ask("commit", "--quiet", "--rm", "--signature-policy", str(self._policy), container, name)

    def build(self, name: str, context: Path, arguments: Mapping[str, str]) -> None:
        """Build the Dockerfile of *context*; nothing but what it asks for is fetched.

        Raises:
            subprocess.CalledProcessError: the build failed; its output is on stderr.
        """
        given = [part for item in arguments.items() for part in ("--build-arg", "=".join(item))]
        certificates = "/etc/ssl/certs:/etc/ssl/certs:ro"  # those that this machine reaches its index with
        self._ask(
            *("build", "--quiet", "--format", "docker", "--pull-never", "--network", "host"),
            *("--signature-policy", str(self._policy), "--volume", certificates),
            *(*given, "--tag", name, str(context)),
        )

    def inspect(self, name: str) -> dict[str, Any]:
        """The configuration of the image *name*, as Docker has it."""
        config: dict[str, Any] = json.loads(self._ask("inspect", "--type", "image", name))["Docker"]["config"]
        return config

    def mount(self, name: str) -> Path:
        """The root folder of a fresh container of the image *name*."""
        container = self._ask("from", "--pull-never", "--signature-policy", str(self._policy), name)
        return Path(self._ask("mount", container))

    def _ask(self, *arguments: str) -> str:
        asked = subprocess.run(
            ["buildah", *self._global, *arguments],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        return asked.stdout.strip()
