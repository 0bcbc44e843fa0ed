"""`settings.audit`: each rule speaks up for its combination and is silent without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sse_proxy.doctor.hop import Kind
from sse_proxy.doctor.hop_table import HOPS
from sse_proxy.settings import Settings, audit, risks_at_start
from sse_proxy.settings.audit import is_loopback

TOKENS = Path("tokens")


def test_the_defaults_are_not_risky() -> None:
    """A listener on loopback with our timeouts needs no advice."""
    assert audit(Settings()) == []


@pytest.mark.parametrize(
    "given, beginning",
    [
        ({"host": "::"}, "host is not loopback"),
        ({"host": "proxy.example"}, "host is not loopback"),
        ({"admin_host": "192.0.2.1"}, "admin_host is not loopback"),
        ({"cors_origins": ("*",), "auth_tokens_file": TOKENS}, "cors_origins is * with"),
        ({"cors_origins": ("*",)}, "cors_origins is * without"),
        ({"bridge": ("/a=/completion",), "auth_tokens_file": TOKENS}, "bridge with auth_tokens_file"),
        ({"resume": "memory", "resume_owner_headers": ()}, "resume without resume_owner_headers"),
        ({"trusted_proxies": ("*",)}, "trusted_proxies is *"),
        ({"trusted_proxies": ("10.0.0.0/8", "::/0")}, "trusted_proxies is * or all addresses"),
        ({"max_event_bytes": 2048, "max_buffer_bytes": 2047}, "max_event_bytes is above max_buffer_bytes"),
        ({"resume": "memory", "resume_stream_bytes": 9, "resume_total_bytes": 8}, "resume_stream_bytes is above"),
        ({"heartbeat_seconds": 0}, "heartbeats are off"),
        ({"heartbeat_mode": "off"}, "heartbeats are off"),
        ({"heartbeat_seconds": 2}, "heartbeat_seconds is below 5"),
        ({"heartbeat_seconds": 30}, "heartbeat_seconds is 20 or more"),
        ({"commit_after_seconds": 0}, "commit_after_seconds is 0"),
        ({"commit_after_seconds": 60}, "commit_after_seconds is 20 or more"),
        ({"drain_seconds": 25}, "drain_delay_seconds and drain_seconds"),
        ({"keep_alive_seconds": 75}, "keep_alive_seconds is 600 or less"),
    ],
)
def test_a_risky_combination_is_one_sentence(given: dict[str, Any], beginning: str) -> None:
    """Only that one, and in one line."""
    [sentence] = audit(Settings(**given))
    assert sentence.startswith(beginning)
    assert "\n" not in sentence


def test_an_open_resume_is_a_risk_of_its_own() -> None:
    """Besides the open port: those without a key are one caller to it."""
    settings = Settings(host="::", resume="memory")
    assert [sentence.partition(":")[0] for sentence in audit(settings)] == [
        "host is not loopback and auth_tokens_file is not set",
        "resume with a host that is not loopback and no auth_tokens_file",
    ]


def test_an_open_playground_is_a_risk_of_its_own() -> None:
    """It is told at the start, too: in a container the open port is usual, and this is not."""
    settings = Settings(host="::", playground=True)
    assert [sentence.partition(":")[0] for sentence in audit(settings)] == [
        "host is not loopback and auth_tokens_file is not set",
        "playground with a host that is not loopback and no auth_tokens_file",
    ]
    assert risks_at_start(settings) == audit(settings)[1:]
    assert audit(Settings(playground=True)) == []


def test_a_late_heartbeat_of_a_route_counts_too() -> None:
    """It is its streams that are cut."""
    route = {"path": "/v1/*", "heartbeat_seconds": 60}
    [sentence] = audit(Settings.model_validate({"routes": [route]}))
    assert sentence.startswith("heartbeat_seconds is 20 or more")


def test_a_start_warns_of_what_is_not_usual() -> None:
    """In a container all addresses are listened on; low heartbeats are told of when the settings are read."""
    assert risks_at_start(Settings(host="::", admin_host="::", heartbeat_seconds=2)) == []
    settings = Settings(host="::", resume="memory", heartbeat_seconds=30)
    assert risks_at_start(settings) == audit(settings)[1:]


def test_a_token_file_answers_the_question_who_may() -> None:
    """Then a public address is what it is for."""
    assert audit(Settings(host="::", auth_tokens_file=TOKENS, admin_host="::", admin_token_file=TOKENS)) == []


def test_the_limit_on_silence_is_that_of_the_doctors_table() -> None:
    """The shortest limit that the default heartbeat survives; one table of hops, and not two."""
    limits = {cut.seconds for hop in HOPS for cut in hop.cuts if cut.kind is Kind.IDLE}
    shortest = min(seconds for seconds in limits if seconds > Settings().heartbeat_seconds)
    for name in ("heartbeat_seconds", "commit_after_seconds"):
        assert audit(Settings.model_validate({name: shortest - 0.1})) == []
        assert len(audit(Settings.model_validate({name: shortest}))) == 1


@pytest.mark.parametrize(
    "host, expected",
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("[::1]", True),
        ("localhost", True),
        ("::", False),
        ("a.example", False),
    ],
)
def test_loopback_is_what_this_machine_alone_reaches(host: str, *, expected: bool) -> None:
    """A name may be anything but ``localhost``."""
    assert is_loopback(host) is expected
