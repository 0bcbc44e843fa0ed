"""The tables of settings and of routes, from the pydantic models."""

from __future__ import annotations

from typing import get_args

from pydantic.fields import FieldInfo

from sse_proxy.settings import Settings
from sse_proxy.settings.routes import Route
from sse_proxy.settings.values import Accepts

from .markdown import code, listed, table

__all__ = ["routes_table", "settings_table", "shown_default"]


def settings_table() -> str:
    """Every setting in the model's order: its default, what it accepts, what it means."""
    rows = [
        (code(name), shown_default(field.default), _accepted(field), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return table(("setting", "default", "accepted", "meaning"), rows)


def routes_table() -> str:
    """Every key of an entry of ``[[routes]]``; those of a setting's name have its meaning."""
    rows = []
    for name, field in Route.model_fields.items():
        like = Settings.model_fields.get(name)
        default = "required" if field.is_required() else "as the setting" if like else shown_default(field.default)
        meaning = field.description or (like.description if like else "") or ""
        rows.append((code(name), default, _accepted(field) or (_accepted(like) if like else ""), meaning))
    return table(("key", "default", "accepted", "meaning"), rows)


def shown_default(value: object) -> str:
    """*value* as the tables write a default."""
    match value:
        case None | ():
            return "none"
        case bool():
            return str(value).lower()
        case float():
            return code(f"{value:g}")
        case tuple():
            return listed(value)
    return code(value)


def _accepted(field: FieldInfo) -> str:
    found = [item.text for item in field.metadata if isinstance(item, Accepts)] or _within(field.annotation)
    return next(iter(found), "").replace("<", "&lt;")


def _within(annotation: object) -> list[str]:
    """What the parts of *annotation* accept, as of ``X | None``."""
    told = [item.text for item in getattr(annotation, "__metadata__", ()) if isinstance(item, Accepts)]
    return told + [text for part in get_args(annotation) for text in _within(part)]
