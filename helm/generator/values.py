"""A values.yaml as a tree of documented values.

The comments right above a key belong to it:

    # -- What it means; goes on in the next lines of the comment.
    # @type NAME      what is accepted, by a name of `schema.TYPES`
    # @schema {…}     JSON Schema in YAML's flow style, laid over what follows from the default and the type

A key without ``# --`` is a mistake, unless it is a map whose own keys tell what it is. So is a default without a
type (null, an empty list or map) without ``@type`` or ``@schema``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

__all__ = ["Value", "read_values"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One key: its place, default and documentation; *children* are None where the map is not ours to spell out."""

    path: tuple[str, ...]
    default: object
    description: str
    type_name: str | None
    extra_schema: dict[str, Any]
    children: tuple[Value, ...] | None

    def walk(self) -> Iterator[Value]:
        """This value and all below it, in the order of the file."""
        yield self
        for child in self.children or ():
            yield from child.walk()


def read_values(text: str) -> tuple[Value, ...]:
    """The documented values of *text*.

    Raises:
        ValueError: a key without documentation.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(root, yaml.MappingNode)
    return _children(root, text.splitlines(), ())


def _children(node: yaml.MappingNode, lines: list[str], path: tuple[str, ...]) -> tuple[Value, ...]:
    return tuple(_value(key, value, lines, (*path, str(key.value))) for key, value in node.value)


def _value(key: yaml.Node, node: yaml.Node, lines: list[str], path: tuple[str, ...]) -> Value:
    description, type_name, extra = _comment(lines, key.start_mark.line)
    is_ours = isinstance(node, yaml.MappingNode) and bool(node.value) and type_name is None
    if not (description or is_ours):
        raise ValueError(f"{'.'.join(path)}: no `# --` comment above it")
    return Value(
        path=path,
        default=yaml.safe_load(yaml.serialize(node)),
        description=description,
        type_name=type_name,
        extra_schema=extra,
        children=_children(node, lines, path) if is_ours and isinstance(node, yaml.MappingNode) else None,
    )


def _comment(lines: list[str], line: int) -> tuple[str, str | None, dict[str, Any]]:
    """Description, type name and extra schema from the comment that ends right above *line*."""
    start = line
    while start and lines[start - 1].lstrip().startswith("#"):
        start -= 1
    words: list[str] = []
    type_name, extra = None, {}
    is_told = False
    for raw in lines[start:line]:
        text = raw.strip().removeprefix("#").strip()
        if text.startswith("@type "):
            type_name = text.removeprefix("@type ").strip()
        elif text.startswith("@schema "):
            extra = yaml.safe_load(text.removeprefix("@schema "))
        elif text.startswith("-- "):
            # Whatever stood before is a heading of a group of keys.
            words, is_told = [text.removeprefix("-- ")], True
        elif is_told and text:
            words.append(text)
    return " ".join(words), type_name, extra
