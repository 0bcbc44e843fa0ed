"""The page of our own paths, from the routes of the admin app and from what the gate answers itself."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields

from starlette.applications import Starlette
from starlette.routing import Route

from sse_proxy import admin, readiness
from sse_proxy.core.probing import PROBE, Plan
from sse_proxy.core.target import HOME, RESERVED_PREFIX
from sse_proxy.lifecycle import Lifecycle
from sse_proxy.metrics.prometheus import PrometheusMetrics
from sse_proxy.playground.hop import HOPS
from sse_proxy.probe import endpoint as probe
from sse_proxy.resume import endpoints
from sse_proxy.settings import Settings

from .markdown import code, document, fenced, prose, table
from .source import member_comments

__all__ = ["page"]


def page() -> str:
    """docs/reference/paths.md."""
    return document(
        "Paths of our own",
        f"On the traffic port every path belongs to the upstream, but those under `{RESERVED_PREFIX}`, in whatever "
        f"disguise "
        "(percent-encoding, doubled slashes, dot segments, case): what is not in this table gets 404 there, and "
        "never reaches "
        "the upstream.",
        "## Traffic port",
        table(("path", "methods", "what", "needs a token of `auth_tokens_file`", "there with"), _traffic()),
        "Kept streams:",
        fenced(textwrap.dedent((inspect.getdoc(endpoints) or "").split("\n\n")[1]).replace("``", "")),
        prose((inspect.getdoc(endpoints) or "").split("\n\n")[2]) + " [Resume](../resume.md).",
        "The parameters of the probe:",
        table(("parameter", "default", "meaning"), _plan()),
        "## Admin port",
        table(("path", "methods", "answer"), _admin()),
        "With `admin_token_file`, `/-/drain`, `/-/undrain` and `/-/streams` need `Authorization: Bearer` with a "
        "token of it. "
        f"`wait` is cut to {admin.MAX_DRAIN_WAIT_SECONDS:g} seconds. What a drain does: [How a replica "
        f"ends](../drain.md).",
        "## Readiness",
        prose(inspect.getdoc(readiness)),
    )


def _traffic() -> Iterator[tuple[str, str, str, str, str]]:
    yield code(RESERVED_PREFIX + "healthz"), "`GET`, `HEAD`", "this process answers", "no", "always"
    yield (
        code(RESERVED_PREFIX + "readyz"),
        "`GET`, `HEAD`",
        "not draining, upstream reachable; else 503",
        "no",
        "always",
    )
    streams = RESERVED_PREFIX + endpoints.STREAMS
    yield (
        code(streams + "/ID"),
        "`GET`, `HEAD`, `DELETE`",
        "a kept stream: the rest of it, or its end",
        "yes",
        "`resume`",
    )
    yield code(streams + "?key=NAME"), "`GET`, `HEAD`", "the newest of that name", "yes", "`resume`"
    what = prose((inspect.getdoc(probe) or "").split("\n")[0].partition(": ")[2])
    yield code(RESERVED_PREFIX + PROBE), "`GET`, `POST`", what, "yes", "`probe`"
    yield from _playground()


def _playground() -> Iterator[tuple[str, str, str, str, str]]:
    below, reading, setting = f"{RESERVED_PREFIX}{HOME}/", "`GET`, `HEAD`", code(HOME)
    yield code(RESERVED_PREFIX), reading, "the page of the [playground](../playground.md)", "no", setting
    yield code(below + "FILE"), reading, "its styles and scripts", "no", setting
    yield code(below + "about"), reading, "what this proxy is, and what there is to try, as JSON", "yes", setting
    yield code(below + "figures"), reading, "the process's totals, as JSON", "yes", setting
    yield code(below + "figures?id=ID"), reading, "besides, what became of that request of the page", "yes", setting
    hops = ", ".join(map(code, sorted(HOPS)))
    yield (
        code(below + "lane/LANE/HOP/PATH"),
        "`GET`, `POST`",
        f"PATH at the upstream (LANE `upstream`) or through this proxy (`proxy`), behind a HOP: {hops}",
        "yes",
        setting,
    )


def _plan() -> Iterator[tuple[str, str, str]]:
    comments = member_comments(Plan)
    for field in fields(Plan):
        default = "none" if field.default == "" else f"{field.default:g}"
        yield code(field.name), code(default), prose(comments.get(field.name))


def _admin() -> Iterator[tuple[str, str, str]]:
    app = admin.create_admin(
        Settings(), metrics=PrometheusMetrics(), lifecycle=Lifecycle(), upstream_ready=lambda: True
    )
    if not isinstance(app, Starlette):
        raise TypeError("the admin app is no Starlette application any more")
    for route in app.routes:
        if isinstance(route, Route):
            methods = ", ".join(map(code, sorted(route.methods or ())))
            yield code(route.path), methods, prose(inspect.getdoc(route.endpoint))
