"""The page of dialects, from the rows of their table."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from sse_proxy.core import dialects
from sse_proxy.core.clients import _VARIANTS as VARIANTS
from sse_proxy.core.clients import COMMON, Variant
from sse_proxy.core.dialects import DIALECTS, GENERIC, Dialect, StreamState, Voice
from sse_proxy.core.dialects.base import ANY_PATH
from sse_proxy.core.framers.base import Framing
from sse_proxy.core.heartbeat import heartbeat

from .markdown import bytes_code, code, document, listed, prose, table
from .source import member_comments

__all__ = ["page"]


def page() -> str:
    """docs/reference/dialects.md."""
    return document(
        "Dialects",
        "The APIs that are understood: how each is recognised, what keeps its streams alive, what ends them. In the "
        "order of "
        "lookup: the first row that fits a request is the one; where none does, the response's headers and its "
        "first event "
        "are looked at, and then it is `generic`. A [route](../bridge.md#routes) with `dialect` goes before all of "
        "it. Its "
        "errors: [Errors](errors.md).",
        "## How they are recognised",
        "A path fits by its end, so that any prefix does. *and*: more than the path has to fit (a query, a header, "
        "the body).",
        table(("dialect", "method", "path ends in", "and", "else by"), map(_recognition, _rows())),
        "## What they write",
        "*heartbeat*: with `heartbeat_mode = auto` to a client that needs no other, without ids on the wire. *data "
        "heartbeat*: "
        "the event that changes nothing, where there is one. *added*: the terminator that a whole answer gets when "
        "its server "
        "leaves it out.",
        table(("dialect", "server's framing", "heartbeat", "data heartbeat", "added"), map(_writing, _rows())),
        "A client that expects the server's own framing gets it, with these heartbeats:",
        table(("dialect", "media type", "heartbeat between records"), _natives()),
        "## Framings",
        table(("framing", "records"), [(code(k.lower()), prose(v)) for k, v in member_comments(Framing).items()]),
        "## Notes",
        *_notes(),
        "## Clients that get another form",
        "By their own request headers, while `client_variants` is on; the first that fits.",
        table(("header", "matches", "differs in"), map(_variant, VARIANTS)),
        table(("difference", "meaning"), [(code(k), prose(v)) for k, v in member_comments(Variant).items()]),
    )


def _rows() -> tuple[Dialect, ...]:
    return (*DIALECTS, GENERIC)


def _recognition(row: Dialect) -> tuple[str, str, str, str, str]:
    paths = "any" if row.paths == ANY_PATH else listed(row.paths)
    claims = "yes" if row.paths and row.claims is not Dialect.__dataclass_fields__["claims"].default else ""
    signs = []
    if row.response_header is not None:
        name, value = row.response_header
        signs.append(f"response header {code(name.decode() + (': ' + value.decode() if value else ''))}")
    if row.speaks is not None:
        signs.append("first event")
    methods = listed(row.methods) if row.paths else ""
    return code(row.name), methods, paths, claims, ", ".join(signs) or ("nothing else fits" if row is GENERIC else "")


def _writing(row: Dialect) -> tuple[str, str, str, str, str]:
    state = StreamState()
    beat = heartbeat(row, state, "auto", prefers_data=False, data_due=False)
    shown = "" if beat is None else f"{code(beat.mode)} {bytes_code(beat.data)}"
    noop = row.noop(state)
    return (
        code(row.name),
        code(row.framing.name.lower()),
        shown,
        "" if noop is None else bytes_code(noop),
        bytes_code(row.terminator) if row.terminator else "",
    )


def _natives() -> Iterator[tuple[str, str, str]]:
    for row in _rows():
        if isinstance(row.native, Voice):
            beat = heartbeat(row.native, StreamState(), "auto", prefers_data=False, data_due=False)
            yield code(row.name), code(row.native.media_type.decode()), "none" if beat is None else "white space"


def _homes() -> dict[str, ModuleType]:
    """The module of each row."""
    names = [item.name for item in pkgutil.iter_modules(dialects.__path__)]
    modules = [importlib.import_module(f"{dialects.__name__}.{name}") for name in names]
    # A module that imports a row comes after the one that makes it: that one names it in its ``__all__``.
    return {
        row.name: module
        for module in modules
        for name in module.__all__
        if isinstance(row := getattr(module, name), Dialect)
    }


def _notes() -> Iterator[str]:
    told: set[str] = set()
    homes = _homes()
    for row in _rows():
        module = homes[row.name]
        if module.__name__ in told:
            continue
        told.add(module.__name__)
        names = [other.name for other in _rows() if homes[other.name] is module]
        yield f"**{', '.join(names)}.** {prose(module.__doc__)}"


def _variant(entry: tuple[bytes, object, Variant]) -> tuple[str, str, str]:
    name, pattern, variant = entry
    shown = getattr(pattern, "pattern", b"").decode()
    flags = [flag for flag in Variant.__dataclass_fields__ if getattr(variant, flag)]
    matches = "anything" if shown in {"", "."} else code(shown)
    return code(name.decode()), matches, listed(flags) if variant != COMMON else "nothing"
