"""A chart's values.schema.json: JSON Schema draft 7, which every Helm from 3.0 on reads.

Maps that are spelled out in values.yaml take no other key. What is Kubernetes' own (an affinity, a volume) is only
held to be a map or a list of maps: the API server and `kubernetes-validate` know the rest better.
"""

from __future__ import annotations

from typing import Any

from .values import Value

__all__ = ["DRAFT", "TYPES", "object_of", "schema_of"]

DRAFT = "http://json-schema.org/draft-07/schema#"

_TEXT: dict[str, Any] = {"type": "string"}
_OBJECT: dict[str, Any] = {"type": "object"}
#: What ``@type`` may name.
TYPES: dict[str, dict[str, Any]] = {
    "strings": {"type": "array", "items": _TEXT},
    "map of strings": {"type": "object", "additionalProperties": _TEXT},
    "object": _OBJECT,
    "objects": {"type": "array", "items": _OBJECT},
    "objects or templates": {"type": "array", "items": {"type": ["object", "string"]}},
    "optional integer": {"type": ["integer", "null"]},
    "headers": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name", "value"],
            "properties": {"name": _TEXT, "value": _TEXT},
        },
    },
    "hosts": {
        "type": "array",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["host"],
            "properties": {
                "host": _TEXT,
                "paths": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["path"],
                        "properties": {
                            "path": {"type": "string", "pattern": "^/"},
                            "pathType": {"enum": ["Prefix", "Exact", "ImplementationSpecific"]},
                        },
                    },
                },
            },
        },
    },
    "resources": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "requests": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
            "limits": {"type": "object", "additionalProperties": {"type": ["string", "number"]}},
            "claims": {"type": "array", "items": _OBJECT},
        },
    },
}
_BY_DEFAULT = {bool: "boolean", int: "integer", float: "number", str: "string"}


def schema_of(values: tuple[Value, ...], given: dict[tuple[str, ...], dict[str, Any]]) -> dict[str, Any]:
    """The schema of a map of *values*; *given* is the schema of some paths, made elsewhere.

    Raises:
        ValueError: a default that shows no type, or a type of no known name.
    """
    return object_of({value.path[-1]: _schema(value, given) for value in values})


def object_of(properties: dict[str, Any]) -> dict[str, Any]:
    """The schema of a map with *properties* and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _schema(value: Value, given: dict[tuple[str, ...], dict[str, Any]]) -> dict[str, Any]:
    if value.path in given:
        found = given[value.path]
    elif value.children is not None:
        found = schema_of(value.children, given)
    elif value.type_name is not None:
        if value.type_name not in TYPES:
            raise ValueError(f"{'.'.join(value.path)}: @type {value.type_name}, expected one of {', '.join(TYPES)}")
        found = TYPES[value.type_name]
    elif type(value.default) in _BY_DEFAULT:
        found = {"type": _BY_DEFAULT[type(value.default)]}
    elif value.extra_schema:
        found = {}
    else:
        raise ValueError(f"{'.'.join(value.path)}: its default shows no type, expected @type or @schema")
    told = {"description": value.description} if value.description else {}
    return {**told, **found, **value.extra_schema}
