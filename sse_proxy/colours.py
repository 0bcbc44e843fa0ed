"""Whether a stream of output is to have colours: on a terminal only, unless the environment says otherwise.

``NO_COLOR`` (no-color.org) turns them off and goes before ``FORCE_COLOR``, which turns them on anywhere; an empty
variable counts as not set. The same as rich's own rules, for output that is made without it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

__all__ = ["wants_colours"]


def wants_colours(stream: TextIO, *, environ: Mapping[str, str] | None = None) -> bool:
    """See the module header; *environ*: the process's own unless given."""
    environ = os.environ if environ is None else environ
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and environ.get("TERM") != "dumb"
