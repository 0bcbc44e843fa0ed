"""JSON bodies with ``{name}`` in their strings, filled after parsing: a value can never become structure.

A string that is nothing but ``{name}`` becomes the value itself, of any JSON type; within a longer string the value's
text is put in. ``{{`` and ``}}`` stand for braces; any other brace is itself, so JSON within a string needs no care.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from ..errors import BadRequest

__all__ = ["fill", "placeholders"]

_TOKEN = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")
_WHOLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


def placeholders(template: object) -> set[str]:
    """The names that *template*, a JSON value, asks for."""
    if isinstance(template, str):
        return {name for name in _TOKEN.findall(template) if name}
    items = template.values() if isinstance(template, dict) else template if isinstance(template, list) else ()
    return {name for item in items for name in placeholders(item)}


def fill(template: object, values: Mapping[str, object]) -> object:
    """*template*, a JSON value, with its placeholders filled from *values*; keys of objects are left alone.

    Raises:
        BadRequest: a value is missing.
    """
    if isinstance(template, dict):
        return {key: fill(item, values) for key, item in template.items()}
    if isinstance(template, list):
        return [fill(item, values) for item in template]
    if not isinstance(template, str):
        return template
    if whole := _WHOLE.fullmatch(template):
        return _value(whole[1], values)
    return _TOKEN.sub(lambda found: _text(_value(found[1], values)) if found[1] else found[0][0], template)


def _value(name: str, values: Mapping[str, object]) -> object:
    if name not in values:
        raise BadRequest(f"missing: {name}")
    return values[name]


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
