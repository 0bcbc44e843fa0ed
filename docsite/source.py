"""Comments that are documentation: ``#:`` in front of the members and fields of a class."""

from __future__ import annotations

import inspect
import re

__all__ = ["member_comments"]

_MEMBER = re.compile(r"    (\w+)\s*(?::|=)")


def member_comments(cls: type) -> dict[str, str]:
    """The ``#:`` comment in front of each member of *cls* that has one, joined to one line."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in inspect.getsource(cls).splitlines():
        text = line.strip()
        if text.startswith("#:"):
            comment.append(text.removeprefix("#:").strip())
        elif comment and (member := _MEMBER.match(line)):
            found[member[1]] = " ".join(comment)
            comment = []
        else:
            comment = []
    return found
