"""The page of public Python names, from their signatures and docstrings."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import sse_proxy
from sse_proxy.obeyed import OBEYED

from .markdown import document, fenced, listed, prose

__all__ = ["page"]

_SECTION = re.compile(r"^(Args|Raises|Attributes):$")


def page() -> str:
    """docs/reference/python.md."""
    return document(
        "Python",
        f"`from sse_proxy import {', '.join(sse_proxy.__all__)}`. Importing does nothing: no environment is read, "
        f"nothing is "
        "started. Whole applications: [the middleware](../middleware.md).",
        *(part for name in sse_proxy.__all__ for part in _entry(name)),
        "## Settings that the middleware obeys",
        f"{listed(sorted(OBEYED))}. The others are the proxy's; one of them that is set is a warning in the log.",
    )


def _entry(name: str) -> Iterator[str]:
    found = getattr(sse_proxy, name)
    yield f"## {name}"
    if name == "Settings":  # fifty parameters, which have a page of their own
        yield fenced("Settings(upstream=..., heartbeat_seconds=15.0, ...)")
    else:
        yield fenced(_signature(name, found))
    yield from _docstring(inspect.getdoc(found) or "")
    if name == "Settings":
        yield "Every name is in [Settings](../settings.md)."


def _signature(name: str, found: object) -> str:
    parameters = []
    star = False
    for parameter in inspect.signature(found).parameters.values():  # type: ignore[arg-type]  # all of them are callable
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            parameters.append("    *,")
            star = True
        prefix = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        default = "" if parameter.default is parameter.empty else f" = {_default(parameter.default)}"
        parameters.append(f"    {prefix}{parameter.name}: {parameter.annotation}{default},")
    inner = "\n".join(parameters)
    return f"{name}(\n{inner}\n)" if parameters else f"{name}()"


def _default(value: object) -> str:
    # A function's repr holds its address, which is another one in each run.
    return "..." if callable(value) else repr(value)


def _docstring(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        head, _, rest = paragraph.partition("\n")
        if _SECTION.match(head.strip()):
            yield f"**{head.strip().removesuffix(':')}**"
            items = re.split(r"\n(?=\S)", inspect.cleandoc("\n" + rest))
            yield "\n".join(f"- `{item.partition(':')[0]}`: {prose(item.partition(':')[2])}" for item in items)
        else:
            yield prose(paragraph)
