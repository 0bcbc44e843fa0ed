"""Settings from flags, environment, TOML file and defaults, in that order of precedence, and where each came from.

The one place that reads the environment and the settings file; importing reads neither. Every mistake ends as one line
that names the setting, what was given and where, and what is accepted. Secrets are not settings but files, and the
user and password of a URL are masked in every message.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from .masking import mask
from .model import FILE_ONLY, Settings
from .routes import Route
from .values import Accepts

__all__ = ["ENV_PREFIX", "Loaded", "SettingsError", "Source", "load_settings"]

ENV_PREFIX = "SSE_PROXY_"
Source = Literal["flag", "environment", "file", "default"]

# What Kubernetes puts into every container for each Service of the namespace whose name begins with `sse-proxy`:
# SSE_PROXY_SERVICE_HOST, SSE_PROXY_SERVICE_PORT_HTTP, SSE_PROXY_PORT_7070_TCP_ADDR and, colliding with a setting of
# ours, SSE_PROXY_PORT=tcp://10.0.0.1:7070 (or SSE_PROXY_ADMIN_PORT, of a Service `sse-proxy-admin`).
_SERVICE_LINK_NAME = re.compile(
    ENV_PREFIX + r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_LINK_PORT = re.compile(ENV_PREFIX + r"(\w+_)?PORT")
_SERVICE_LINK_URL = re.compile(r"(tcp|udp|sctp)://")

# A blank file would let nobody in, and no file lets everybody.
_MUST_HOLD_SOMETHING = frozenset({"auth_tokens_file", "admin_token_file"})
_GUARDS = _MUST_HOLD_SOMETHING | {"tls_client_ca_file"}
_SHOWN_CHARACTERS = 100


class SettingsError(ValueError):
    """A mistake in the settings; `str` of it is one line for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The effective settings, where each came from (one entry a setting), and what the user should be warned of."""

    settings: Settings
    sources: Mapping[str, Source]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Given:
    """A raw value with its source, in general (`source`) and in words (`where`)."""

    value: object
    source: Source
    where: str


def load_settings(
    flags: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    config: Path | None = None,
    require_upstream: bool = True,
) -> Loaded:
    """Return the effective settings; *flags* are by setting name, and None there means not given.

    *environ* is the process's environment unless given; an empty variable counts as not set. *config* is the TOML file,
    else the one that ``SSE_PROXY_CONFIG`` names, else none.

    Raises:
        SettingsError: an unknown name (in *flags* or the file), a value that is not accepted, an unreadable file, or
            no upstream where *require_upstream*.
    """
    warnings: list[str] = []
    variables = _environment(os.environ if environ is None else environ, warnings)
    named = variables.pop("config", None)
    path = config or (Path(str(named.value)) if named else None)
    given = {
        **(_file(path) if path else {}),
        **variables,
        **{
            name: _Given(value, "flag", f"flag --{name.replace('_', '-')}")
            for name, value in (flags or {}).items()
            if value is not None
        },
    }
    settings = _validate(given)
    for name in Settings.model_fields:
        _check_file(name, getattr(settings, name), given.get(name))
    if require_upstream and settings.upstream is None:
        raise SettingsError(
            "upstream: not set, expected the LLM server's base URL: --upstream http://HOST:PORT or SSE_PROXY_UPSTREAM"
        )
    warnings += _low_heartbeats(settings)
    sources: dict[str, Source] = {
        name: given[name].source if name in given else "default" for name in Settings.model_fields
    }
    return Loaded(settings=settings, sources=sources, warnings=tuple(warnings))


def _low_heartbeats(settings: Settings) -> list[str]:
    found = [("heartbeat_seconds", settings.heartbeat_seconds)]
    found += [
        (f"routes[{n}].heartbeat_seconds", route.heartbeat_seconds or 0) for n, route in enumerate(settings.routes)
    ]
    return [
        f"{name}: {seconds:g} is low, some SDKs give up after 300 heartbeats"
        for name, seconds in found
        if 0 < seconds < 5
    ]


def _environment(environ: Mapping[str, str], warnings: list[str]) -> dict[str, _Given]:
    """The settings among the variables, and ``config``; unknown ones are added to *warnings*."""
    given = {}
    known = {*Settings.model_fields, "config"}
    for variable, value in sorted(environ.items()):
        if not variable.startswith(ENV_PREFIX) or _is_service_link(variable, value):
            continue
        name = variable.removeprefix(ENV_PREFIX).lower()
        if not value.strip():  # as templates leave what is not wanted
            if name in _GUARDS:
                warnings.append(f"{variable}: empty, taken as not set, so that it keeps nobody out")
            continue
        if name in known and variable.isupper():
            given[name] = _Given(value, "environment", f"environment {variable}")
        else:
            hint = _similar(name, known - FILE_ONLY, lambda match: ENV_PREFIX + match.upper())
            warnings.append(f"{variable}: unknown environment variable, ignored{hint}")
    return given


def _is_service_link(variable: str, value: str) -> bool:
    if _SERVICE_LINK_NAME.fullmatch(variable):
        return True
    return bool(_SERVICE_LINK_PORT.fullmatch(variable) and _SERVICE_LINK_URL.match(value))


def _file(path: Path) -> dict[str, _Given]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"config: got {_show(path)}, expected a readable TOML file: {error.strerror}") from error
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError
        raise SettingsError(f"config: got {_show(path)}, expected a TOML file: {error}") from error
    return {name: _Given(value, "file", f"file {path}") for name, value in document.items()}


def _validate(given: Mapping[str, _Given]) -> Settings:
    for name, one in given.items():
        if name not in Settings.model_fields:
            raise SettingsError(f"{name}: unknown setting ({one.where}){_similar(name, Settings.model_fields)}")
    try:
        return Settings.model_validate({name: one.value for name, one in given.items()})
    except ValidationError as error:
        raise SettingsError(_line(dict(error.errors()[0]), given)) from error


def _line(error: Mapping[str, Any], given: Mapping[str, _Given]) -> str:
    """The one line for the first *error* of pydantic's list."""
    if error["type"] == "bridge":
        one = given["bridge"]
        return f"bridge: got {_show(one.value)} ({one.where}): {error['ctx']['reason']}"
    if error["loc"] and error["loc"][0] == "routes" and len(error["loc"]) > 1:
        return _route_line(error, given["routes"].where)
    if error["type"] == "needs_partner":
        name, partner = error["ctx"]["name"], error["ctx"]["partner"]
        return f"{name}: got {_show(given[name].value)} ({given[name].where}), expected {partner} to be set too"
    name = error["loc"][0]
    one, field = given[name], Settings.model_fields[name]
    return f"{name}: got {_show(one.value)} ({one.where}), expected {_accepted(field)}"


def _route_line(error: Mapping[str, Any], where: str) -> str:
    """The line for an *error* within an entry of ``routes``."""
    entry = f"routes[{error['loc'][1]}]"
    if error["type"] == "needs_partner":
        return (
            f"{entry}.{error['ctx']['name']}: set ({where}), expected {entry}.{error['ctx']['partner']} to be set too"
        )
    if len(error["loc"]) < 3:
        return f"{entry}: got {_show(error['input'])} ({where}), expected a table, [[routes]]"
    name = str(error["loc"][2])
    if name not in Route.model_fields:
        return f"{entry}.{name}: unknown setting ({where}){_similar(name, Route.model_fields)}"
    given = "nothing" if error["type"] == "missing" else _show(error["input"])
    return f"{entry}.{name}: got {given} ({where}), expected {_accepted(Route.model_fields[name])}"


def _accepted(field: FieldInfo) -> str:
    """The words for what *field* accepts; those of an optional one are inside its union."""
    alternatives = (getattr(kind, "__metadata__", ()) for kind in get_args(field.annotation))
    found = (item for item in chain(field.metadata, *alternatives) if isinstance(item, Accepts))
    return next(item.text for item in found)


def _check_file(name: str, value: object, given: _Given | None) -> None:
    """Raise unless *value* is no path, or the path of a file that can be read and, for tokens, is not blank."""
    if not isinstance(value, Path) or given is None:
        return
    try:
        content = value.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"{name}: got {_show(given.value)} ({given.where}), expected a readable file: {error.strerror}"
        ) from error
    if name in _MUST_HOLD_SOMETHING and not content.strip():
        raise SettingsError(f"{name}: got {_show(given.value)} ({given.where}), expected a file that holds a token")


def _show(value: object) -> str:
    text = mask(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _similar(name: str, known: Iterable[str], spell: Callable[[str], str] = str) -> str:
    matches = difflib.get_close_matches(name.replace("-", "_"), known, n=1)
    return f", did you mean {spell(matches[0])}?" if matches else ""
