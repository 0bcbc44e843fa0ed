"""The settings model as parts of the library chart: the block ``config``, its schema, and what its templates know.

A setting keeps its name, so that docs/settings.md holds in the chart too; null leaves it to the proxy. The schema is
stricter than the model's own where the model checks in code: Helm then refuses what would end as a crash loop.
"""

from __future__ import annotations

import json
import textwrap
from typing import Any

from pydantic.fields import FieldInfo

from sse_proxy.settings import Settings

from .schema import object_of

__all__ = ["config_lines", "config_schema", "settings_template"]

#: What the chart sets by itself, as the end of the sentence "default: …".
_SET_BY_CHART = {
    "upstream": "in sidecar mode the LLM's port, else required",
    "host": "`::`, all addresses",
    "port": "`7070`; not 0 here, which no Service would find",
    "admin_port": "`7071`; not 0 here, which no probe would find",
    "admin_host": "`::`, all addresses, for probes and Prometheus",
    "readiness_upstream": "`tcp` in sidecar mode, else `off`: one outage must not unready every replica",
    "resume": "`off`, or what `secrets.redisUrl` holds",
    "tls_cert_file": "from `secrets.serverTls`",
    "tls_key_file": "from `secrets.serverTls`",
    "tls_client_ca_file": "from `secrets.serverTls`",
    "auth_tokens_file": "from `secrets.authTokens`",
    "upstream_headers_file": "from `secrets.upstreamHeaders`",
    "upstream_ca_file": "from `secrets.upstreamTls`",
    "upstream_client_cert": "from `secrets.upstreamTls`",
    "upstream_client_key": "from `secrets.upstreamTls`",
    "admin_token_file": "from `secrets.adminToken`",
}

_WIDTH = 124  # the application's values have it two columns to the right
_FIXED_PORT = {"minimum": 1}
_HEARTBEAT = {"anyOf": [{"const": 0}, {"minimum": 1}]}
# The checks that the model makes in code; tests/test_helm_schema.py compares both.
_STRICTER: dict[str, dict[str, Any]] = {
    "upstream": {
        "pattern": r"^([hH][tT][tT][pP][sS]?://[^\s?#\\@/]+(/[^\s?#\\]*)?|unix:(///?|/)?[^\s?#\\/][^\s?#\\]*)$"
    },
    "port": _FIXED_PORT,
    "admin_port": _FIXED_PORT,
    "heartbeat_seconds": _HEARTBEAT,
    "readiness_upstream": {"pattern": r"^(tcp|off|/[^\s#]*)$"},
    "resume": {"pattern": r"^(off|memory|rediss?(\+cluster)?://\S+)$"},
    "bridge": {"items": {"type": "string", "pattern": r"^/[^\s?#*=]*=/[!-\"$-~]*$"}},
    "resume_owner_headers": {"items": {"type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"}},
    "cors_origins": {"items": {"type": "string", "pattern": r"^(\*|null|[A-Za-z][A-Za-z0-9+.-]*://[^/?#@\s]+)$"}},
    "trusted_proxies": {"items": {"type": "string", "pattern": r"^(\*|[0-9A-Fa-f:.]+(/[0-9]{1,3})?)$"}},
}


def config_schema() -> dict[str, Any]:
    """The JSON Schema of the block ``config``."""
    model = Settings.model_json_schema()
    definitions = model.get("$defs", {})
    properties = {name: _setting(name, schema, definitions) for name, schema in model["properties"].items()}
    return object_of(properties)


def _setting(name: str, schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of the setting *name*, here or of a route, which may be null: Helm drops that, and so do templates."""
    found = {**_plain(schema, definitions), **_STRICTER.get(name, {})}
    if "enum" in found:
        found["enum"] = [*found["enum"], None]
    return {**found, "type": [found["type"], "null"]}


def _plain(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """*schema* of pydantic without null, references, titles and defaults."""
    if "$ref" in schema:
        return _plain(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    found = {key: value for key, value in schema.items() if key not in {"title", "default", "format", "anyOf"}}
    for option in schema.get("anyOf", ()):
        if option != {"type": "null"}:
            found = {**_plain(option, definitions), **found}
    if "items" in found:
        found["items"] = _plain(found["items"], definitions)
    if "properties" in found:
        found["properties"] = {key: _setting(key, one, definitions) for key, one in found["properties"].items()}
    return found


def config_lines() -> list[str]:
    """The lines of values.yaml below ``config:``, one commented null a setting."""
    lines = []
    for name, field in Settings.model_fields.items():
        text = f"{field.description} Default: {_SET_BY_CHART.get(name, _default(field))}."
        lines += textwrap.wrap(text, _WIDTH, initial_indent="  # -- ", subsequent_indent="  # ", break_on_hyphens=False)
        lines.append(f"  {name}: {'[]' if name == 'routes' else 'null'}")
    return lines


def _default(field: FieldInfo) -> str:
    default = field.default
    if default is None or default == ():
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ", ".join(f"`{item}`" for item in default)
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def settings_template() -> str:
    """The template that tells the others every setting's name, with the default that the proxy has for it."""
    defaults = {
        name: list(field.default) if isinstance(field.default, tuple) else field.default
        for name, field in Settings.model_fields.items()
    }
    return (
        "{{- /* Generated by scripts/helm-generate from the settings model: every setting with its own default.\n"
        "       Values that do not pass the chart's schema are held against these names. */ -}}\n"
        '{{- define "sse-proxy.settingDefaults" -}}\n' + json.dumps(defaults, indent=2) + "\n{{- end }}\n"
    )
