"""Targets for what a client, an operator or the store writes: see `parsers` for what a target is."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote

from sse_proxy.core.clients import is_event_source, variant_of
from sse_proxy.core.cursor import parse_event_id, told_event_ids
from sse_proxy.core.headers import accepts, content_length, media_type, tokens
from sse_proxy.core.probing import plan_of
from sse_proxy.core.requests import classify, wants_body
from sse_proxy.core.target import RESERVED_PREFIX, reserved_name
from sse_proxy.core.templates import fill, placeholders
from sse_proxy.core.trusted import TrustedProxies
from sse_proxy.core.wish import MAX_KEY_BYTES, resume_keys, wants_resume
from sse_proxy.errors import BadRequest
from sse_proxy.replay.redis.records import MalformedRecord, batch_of, glance_of
from sse_proxy.settings import Settings, SettingsError
from sse_proxy.settings.load import load_settings

from .parsers import PARSERS, Target

__all__ = ["TARGETS"]

_PATHS = ("/v1/chat/completions", "/v1/messages", "/api/generate", "/v1/models/m:streamGenerateContent", "/x")
_NAMES = tuple(Settings.model_fields)


def request_body(data: bytes) -> None:
    """The look-ahead into a JSON body: any answer, the same each time, and none that asks for less than nothing."""
    path = _PATHS[data[0] % len(_PATHS)] if data else "/x"
    headers = [(b"content-type", b"application/json")]
    facts = classify("POST", path, headers, data[1:])
    assert facts == classify("POST", path, headers, data[1:])
    assert wants_body("POST", path, headers)
    assert facts.choices >= 0
    try:
        document = json.loads(data[1:])
    except (ValueError, RecursionError):
        return
    if path == _PATHS[0] and isinstance(document, dict) and document.get("stream") is True:
        assert facts.candidate, "a stream that was asked for"


def request_headers(data: bytes) -> None:
    """Accept, Content-Type, Content-Length and what tells one client from another, in any case of the letters."""
    for name in (b"accept", b"content-type", b"user-agent", b"content-length", b"transfer-encoding"):
        headers = [(name, line) for line in data.split(b"\n")]
        shouted = [(name.upper(), line.upper()) for _, line in headers]
        assert accepts(headers, b"text/event-stream") == accepts(shouted, b"text/event-stream")
        assert all(member == member.strip().lower() for member in tokens(headers, name))
        assert media_type(headers[0][1]) == media_type(headers[0][1].upper())
        variant_of(headers)
        is_event_source(headers)
        try:
            length = content_length(headers)
        except BadRequest:
            continue
        assert length is None or length >= 0


def event_id(data: bytes) -> None:
    """An id of ours comes back as it was; any other is nobody's, and is passed on as it is."""
    cursor = parse_event_id(data)
    if cursor is not None:
        stream, _, number = data.decode("ascii").partition(".")
        assert (cursor.stream, cursor.after) == (stream, int(number))
    query = dict(parse_qsl(data.decode("latin-1")))
    told = told_event_ids([(b"last-event-id", data)], query)
    assert told[:1] == ([data] if data else told[:1])
    assert all(told)


def resume_wish(data: bytes) -> None:
    """Keys are bounded, or refused."""
    headers = [(b"x-sse-resume", data), (b"idempotency-key", data[::-1])]
    wants_resume(headers)
    try:
        keys = resume_keys(headers)
    except BadRequest:
        assert len(data) > MAX_KEY_BYTES
        return
    for key in (keys.chat, keys.once):
        assert key is None or 0 < len(key) <= MAX_KEY_BYTES


def forwarded(data: bytes) -> None:
    """The client's address is the peer's, or an address that a trusted proxy told; garbage is never one."""
    networks, _, chain = data.partition(b"\0")
    try:
        trusted = TrustedProxies(networks.decode("latin-1").split())
    except ValueError:
        trusted = TrustedProxies(["10.0.0.0/8"])
    for peer in ("10.1.2.3", "192.0.2.1", "", "::ffff:10.0.0.1"):
        told = trusted.client_address(peer, [(b"x-forwarded-for", line) for line in chain.split(b"\n")])
        if not trusted.trusts(peer):
            assert told == (str(ip_address(peer).ipv4_mapped) if peer.startswith("::") else peer)  # type: ignore[union-attr]
        elif told != peer:
            ip_address(told)


def template(data: bytes) -> None:
    """A value never becomes structure: the keys and lists of a filled template are the template's own."""
    text, _, value = data.decode("utf-8", "replace").partition("\0")
    shape = {"a": text, "b": [text, {"c": text}], "d": 1}
    names = placeholders(shape)
    filled = fill(shape, dict.fromkeys(names, value))
    assert isinstance(filled, dict)
    assert list(shape) == list(filled)
    assert list(filled["b"][1]) == ["c"]
    assert all(isinstance(leaf, str) for leaf in (filled["a"], filled["b"][0], filled["b"][1]["c"]))
    if names:
        try:
            fill(shape, {})
        except BadRequest:
            return
        raise AssertionError("a missing value was not missed")


def reserved_path(data: bytes) -> None:
    """No path that the upstream is sent can be read as one of ours."""
    raw = b"/" + data.partition(b"?")[0]
    path = unquote(raw.decode("latin-1"))
    name = reserved_name(raw, path)
    if name is None:
        for text in (path, unquote(path)):
            plain = posixpath.normpath("/" + text.replace("\\", "/").lower().lstrip("/")) + "/"
            assert not plain.startswith(RESERVED_PREFIX), plain
    elif name:
        assert path == RESERVED_PREFIX + name


def probe_query(data: bytes) -> None:
    """A plan is within its bounds, and its own query asks for it again."""
    try:
        plan = plan_of(dict(parse_qsl(data.decode("latin-1"), keep_blank_values=True)))
    except BadRequest:
        return
    assert plan == plan_of(dict(parse_qsl(plan.query())))
    assert 0 <= plan.seconds <= 3600


def settings_value(data: bytes) -> None:
    """Any text for any setting: taken, or one line that names the setting."""
    name = _NAMES[data[0] % len(_NAMES)] if data else _NAMES[0]
    text = data[1:].decode("latin-1")
    if name.endswith("_file") or name in {"upstream_client_cert", "upstream_client_key", "config"}:
        return  # what is read then is the machine's
    try:
        loaded = load_settings({name: text}, environ={}, require_upstream=False)
    except SettingsError as error:
        told = str(error)
    else:
        again = load_settings({name: getattr(loaded.settings, name)}, environ={}, require_upstream=False)
        assert getattr(again.settings, name) == getattr(loaded.settings, name)
        return
    assert "\n" not in told
    assert name in told.replace("-", "_"), told


def _replies(data: bytes) -> Iterator[object]:
    """What a store could answer with, made of *data*."""
    fields = data.split(b"\0")
    head, latest, end = (fields + [b""] * 3)[:3]
    entries = [[fields[at], [b"e", fields[at + 1]]] for at in range(3, len(fields) - 1, 2)]
    yield [b"replica", head, latest, end, entries]
    yield [*fields]
    yield [b"replica", head or None, latest, end or None, [entries, head]]


def store_reply(data: bytes) -> None:
    """What is no stream of ours is refused; events of a batch follow the cursor without a gap."""
    for reply in _replies(data):
        try:
            glance_of(reply)
            _, batch = batch_of(reply, 0)
        except MalformedRecord:
            continue
        if batch is not None and batch.events:
            assert batch.events[0][0] == 1


TARGETS: dict[str, Target] = {
    **PARSERS,
    "request-body": request_body,
    "request-headers": request_headers,
    "event-id": event_id,
    "resume-wish": resume_wish,
    "forwarded": forwarded,
    "template": template,
    "reserved-path": reserved_path,
    "probe-query": probe_query,
    "settings-value": settings_value,
    "store-reply": store_reply,
}
