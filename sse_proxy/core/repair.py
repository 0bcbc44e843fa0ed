"""Repairs of one payload in dialects where every payload is one JSON document (or ``[DONE]``).

Each defect was seen in the wild (reference: formats.md § A4). A payload that none of the repairs makes whole is passed
on as it came: the proxy never drops what it does not understand. Repairing what was repaired changes nothing.
"""

from __future__ import annotations

import json
import re

from .sse import Repairs, count, is_complete_json

__all__ = ["NEXT_EVENT", "has_separator", "is_plain_json", "is_plain_object", "repair_payload", "seems_whole"]

#: Two documents back to back. The fast path refuses these bytes as well, so both paths decide alike.
_SEAMS = (b"}{", b"} {")
#: Can stand in no JSON text, where the quote would be escaped: the next event begins inside of this one.
NEXT_EVENT = b'data: {"'

#: Possessive: a payload may be megabytes of ``data:``, and there is nothing to come back to.
_PREFIXES = re.compile(rb"\s*+(?:data:\s*+)*+")
#: What servers put between two documents: white space, or line ends and field names that they have quoted.
_BETWEEN = re.compile(r"(?:[ \t]|\\[nr]|data:)*+")

#: An error object without its envelope, which no SDK takes for an error: old vLLM's, and the flat one of Responses.
_BARE_ERROR = re.compile(rb'\{\s*"(object|type)"\s*:\s*"error"\s*[,}]')

#: Characters to JSON, line ends to whoever splits text by Unicode's rules, as several clients do: UTF-8 → escape. JSON
#: has them within strings only.
_SEPARATORS = ((b"\xe2\x80\xa8", rb"\u2028"), (b"\xe2\x80\xa9", rb"\u2029"), (b"\xc2\x85", rb"\u0085"))

_decoder = json.JSONDecoder()


def is_plain_json(chunk: bytes, events: list[bytes]) -> bool:
    """Whether the payloads of the *events* of a canonical *chunk* all are objects that need no repair."""
    for event in events:
        line = event.find(b"\n") + 1  # where the data is, behind the type if there is one
        whole = event.startswith(b"data: {", line) and event.endswith(b"}")
        if not whole or event.count(b"{", line) != event.count(b"}", line):
            return False
    find = chunk.find
    seamless = find(_SEAMS[0]) < 0 and find(_SEAMS[1]) < 0 and chunk.count(b"data: {") == len(events)
    return seamless and not has_separator(chunk)


def seems_whole(payload: bytes) -> bool:
    """Whether *payload* is one object for all that `is_plain_json`, which parses nothing, could tell.

    As many braces are closed as were opened: in one of nearly all pieces of a document they are not.
    """
    return payload.startswith(b"{") and payload.endswith(b"}") and payload.count(b"{") == payload.count(b"}")


def is_plain_object(payload: bytes) -> bool:
    """Whether `repair_payload` gives *payload* back as it is, if it is one whole JSON object."""
    find = payload.find
    edges = payload.startswith(b"{") and payload.endswith(b"}")
    seamless = edges and find(b"\n") < 0 and find(b"}{") < 0 and find(b"} {") < 0
    return seamless and _BARE_ERROR.match(payload) is None and not has_separator(payload)


def repair_payload(data: bytes, repairs: Repairs) -> list[bytes]:
    """The payloads that *data* stands for: none for a wrapped comment or nothing at all, as a rule one, or several.

    The very same object comes back when nothing had to be done. Counts what was done in *repairs*, under
    ``double_data``, ``comment_in_data``, ``empty_data``, ``multi_line_data``, ``concatenated_json``,
    ``literal_newlines``, ``white_space``, ``line_separators`` and ``bare_error``.
    """
    payload = data.strip()
    if payload.startswith((b"data:", b":")):
        payload = data = _unwrap(payload, repairs)
        if not payload:
            return []
    if not payload:
        count(repairs, "empty_data")
        return []
    if not payload.startswith((b"{", b"[")):
        return [data]
    if has_separator(payload):
        data = _escaped(data, repairs)
        payload = data.strip()
    documents = [_enveloped(document, repairs) for document in _documents(payload, repairs)]
    if documents == [data]:
        return [data]
    if documents == [payload]:
        if not is_complete_json(payload):
            return [data.lstrip()]  # a part of a document, whose last white space may be within a string
        count(repairs, "white_space")
    return documents


def _unwrap(payload: bytes, repairs: Repairs) -> bytes:
    """*payload* without ``data:`` in front of its lines, and without the lines that are comments."""
    kept: list[bytes] = []
    doubled = commented = False
    for line in payload.split(b"\n"):
        prefix = _PREFIXES.match(line)
        start = prefix.end() if prefix else 0  # the pattern also matches nothing at all
        doubled = doubled or line.startswith(b"data:")
        if line.startswith(b":", start):
            commented = True
        else:
            kept.append(line[start:])
    if doubled:
        count(repairs, "double_data")
    if commented:
        count(repairs, "comment_in_data")
    return b"\n".join(kept).strip()


def _documents(payload: bytes, repairs: Repairs) -> list[bytes]:
    """The JSON documents in *payload*, each on one line; *payload* itself when that is not what it is."""
    # Between tokens a line end is white space, within a string it cannot stand: joining loses nothing either way.
    flat = payload.replace(b"\n", b"")
    quoted = flat.endswith((b"\\n", b"\\r"))
    seam = _SEAMS[0] in flat or _SEAMS[1] in flat or NEXT_EVENT in flat
    if len(flat) == len(payload) and not (seam or quoted):
        return [payload]
    documents = _split(flat.decode())
    if quoted and documents:
        count(repairs, "literal_newlines")
        return documents
    if len(documents) > 1:
        count(repairs, "concatenated_json")
        return documents
    if documents and len(flat) != len(payload):
        count(repairs, "multi_line_data")
        return documents
    return [payload]


def _split(text: str) -> list[bytes]:
    """The documents in *text*, the last of them possibly cut; none when something else is in between."""
    documents: list[bytes] = []
    position = 0
    while position < len(text):
        if text.startswith("[DONE]", position):
            end = position + len("[DONE]")
        else:
            try:
                _, end = _decoder.raw_decode(text, position)
            except (ValueError, RecursionError):
                if not (documents and text.startswith(("{", "["), position)):
                    return []
                end = len(text)
        documents.append(text[position:end].encode())
        space = _BETWEEN.match(text, end)
        position = space.end() if space else end  # the pattern also matches nothing at all
    return documents


def _enveloped(document: bytes, repairs: Repairs) -> bytes:
    bare = _BARE_ERROR.match(document)
    if bare is None or not is_complete_json(document):
        return document
    if bare[1] == b"object":
        count(repairs, "bare_error")
        return b'{"error":' + document + b"}"
    fields = json.loads(document)
    if (
        "error" in fields or "message" not in fields
    ):  # the AI SDK's error has an ``errorText``, and may have no more keys
        return document
    count(repairs, "bare_error")
    # Both shapes in one (reference: formats.md § B3, "superset"): the flat keys are for who looks for those.
    error = {"type": "server_error", **{key: fields.get(key) for key in ("code", "message", "param")}}
    return document[: document.rindex(b"}")] + b',"error":' + json.dumps(error, separators=(",", ":")).encode() + b"}"


def has_separator(data: bytes) -> bool:
    """Whether a character is in *data* at which some clients cut lines."""
    # Bytes are found many times as fast as words, and those at either end seldom come together.
    return not data.isascii() and any(
        character[:1] in data and character[-1:] in data and character in data for character, _ in _SEPARATORS
    )


def _escaped(data: bytes, repairs: Repairs) -> bytes:
    for character, escape in _SEPARATORS:
        data = data.replace(character, escape)
    count(repairs, "line_separators")
    return data
