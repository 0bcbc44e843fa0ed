"""The targets of the parsers' fuzzing: each takes what it starts from and what is near to that, and each can fail."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NoReturn

import pytest

from fuzz import parsers, requests
from fuzz.parsers import judged
from fuzz.requests import TARGETS
from fuzz.starts import STARTS, usual
from sse_proxy.settings import SettingsError


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_sound_inputs_and_their_neighbours(name: str) -> None:
    """Whatever changed bytes make of them: nothing escapes, and the rules hold."""
    random = Random(1)
    starts = STARTS.get(name) or list(usual())
    for start in (b"", *starts[:: len(starts) // 12 + 1]):
        data = bytearray(start[:400])
        judged(TARGETS[name], bytes(data))
        for _ in range(3):
            place = random.randrange(len(data) + 1)
            data[place : place + random.randrange(3)] = bytes([random.choice(b'\0\r\n{}":;,%xX0\xff')])
            judged(TARGETS[name], bytes(data))


@pytest.mark.parametrize(
    "name, place, planted",
    [
        ("framer-sse", "parsers._framed", lambda _framing, pieces: ([], str(len(pieces)), {})),
        ("aws-message", "parsers.encode_message", lambda headers, payload: payload),
        ("response-head", "parsers.MAX_HEAD_BYTES", -100),
        ("chunked-body", "parsers.decoder_for", lambda head, parts: _Leaky(parts)),
        ("watched-stream", "parsers._watched", lambda _facts, _kind, pieces: ([("event", "", "")], str(len(pieces)))),
        ("request-body", "requests.wants_body", lambda *_: False),
        ("request-headers", "requests.accepts", lambda headers, _media: headers[0][0].isupper()),
        ("event-id", "requests.told_event_ids", lambda *_: [b""]),
        ("resume-wish", "requests.MAX_KEY_BYTES", 1),
        ("forwarded", "requests.TrustedProxies", lambda _entries: _Gullible()),
        ("template", "requests.placeholders", lambda _shape: {"other"}),
        ("reserved-path", "requests.reserved_name", lambda *_: None),
        ("probe-query", "requests.plan_of", lambda query: _Endless()),
        ("settings-value", "requests.load_settings", lambda *_, **__: _refused()),
        ("store-reply", "requests.MalformedRecord", ZeroDivisionError),
    ],
)  # fmt: skip
def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, name: str, place: str, planted: object) -> None:
    """A target that can find nothing proves nothing."""
    module, _, attribute = place.partition(".")
    monkeypatch.setattr({"parsers": parsers, "requests": requests}[module], attribute, planted)
    assert _finds(name, STARTS.get(name, list(usual())))


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "zstd"])
def test_a_planted_bug_of_a_coding_is_found(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As above: content that depends on the cut."""
    monkeypatch.setattr("fuzz.oracles._decoded", lambda _coding, pieces: (str(len(pieces)).encode(), ""))
    assert _finds(f"coding-{name}", [start * 3 for start in STARTS[f"coding-{name}"]])


def _finds(name: str, inputs: Iterable[bytes]) -> bool:
    for data in inputs:
        try:
            judged(TARGETS[name], data)
        except Exception:  # noqa: BLE001  whatever escapes is a finding
            return True
    return False


def _refused() -> NoReturn:
    raise SettingsError("no\n")


class _Leaky:
    """A decoder that loses the end of each piece."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    def feed(self, data: bytes) -> bool:
        self._parts.append(data[:-1])
        return False


class _Gullible:
    def trusts(self, _host: str) -> bool:
        return True

    def client_address(self, _peer: str, headers: list[tuple[bytes, bytes]]) -> str:
        return headers[0][1].decode("latin-1")


class _Endless:
    seconds = 1e9

    def query(self) -> str:
        return ""
