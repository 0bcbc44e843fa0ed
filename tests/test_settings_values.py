"""`settings.values`: what each kind of setting takes, what it makes of it, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sse_proxy.settings import values


def taken(kind: Any, value: object) -> object:
    """Return what *kind* makes of *value*."""
    return TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize(
    "kind, given, expected",
    [
        (values.Seconds, "0.5", 0.5),
        (values.Seconds, 0, 0.0),
        (values.PositiveSeconds, "1e-3", 0.001),
        (values.HeartbeatSeconds, "0", 0.0),
        (values.HeartbeatSeconds, 1, 1.0),
        (values.Count, "12", 12),
        (values.ByteCount, 0, 0),
        (values.ByteLimit, "1", 1),
        (values.SendBufferBytes, "4096", 4096),
        (values.Port, "0", 0),
        (values.Port, 65535, 65535),
        (values.Host, "::", "::"),
        (values.Switch, "yes", True),
        (values.Switch, "0", False),
        (values.FilePath, "/etc/key", Path("/etc/key")),
        (values.FilePath, "", None),
        (values.HeaderNames, "", ()),
        (values.HeaderNames, "None", ()),
        (values.HeaderNames, ["none"], ()),
        (values.Upstream, "", None),
        (values.Upstream, None, None),
        (values.Upstream, "http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        (values.Upstream, "https://llm.example/openai/", "https://llm.example/openai/"),
        (values.Upstream, "HTTP://[::1]:8000/a", "HTTP://[::1]:8000/a"),
        (values.Upstream, "unix:/run/llm.sock", "unix:/run/llm.sock"),
        (values.Upstream, "unix:///run/llm.sock", "unix:/run/llm.sock"),
        (values.Readiness, "tcp", "tcp"),
        (values.Readiness, "off", "off"),
        (values.Readiness, "/health?deep=1", "/health?deep=1"),
        (values.Store, "off", "off"),
        (values.Store, "memory", "memory"),
        (values.Store, "redis://cache:6379/2", "redis://cache:6379/2"),
        (values.Store, "rediss://user:p@ss@cache", "rediss://user:p@ss@cache"),
        (values.Store, "redis+cluster://cache:7000", "redis+cluster://cache:7000"),
        (values.Store, "rediss+cluster://cache:7000", "rediss+cluster://cache:7000"),
        (values.Origins, "https://A.example, http://localhost:3000 ,,", ("https://a.example", "http://localhost:3000")),
        (values.Origins, ["*", "null"], ("*", "null")),
        (values.Origins, "", ()),
        (values.Networks, "10.0.0.1/8,::1,*", ("10.0.0.1/8", "::1", "*")),
        (values.HeaderNames, "Authorization, X-User", ("authorization", "x-user")),
        (values.HeartbeatMode, "COMMENT-block", "comment-block"),
        (values.Reframe, "Never", "never"),
        (values.LogLevel, "DEBUG", "debug"),
        (values.LogFormat, "json", "json"),
    ],
)
def test_a_kind_takes_what_users_write(kind: Any, given: object, expected: object) -> None:
    """Text of a flag or variable and values of TOML end as the same normal form."""
    assert taken(kind, given) == expected


@pytest.mark.parametrize(
    "kind, given",
    [
        (values.Seconds, "abc"),
        (values.Seconds, -1),
        (values.Seconds, math.inf),
        (values.Seconds, "nan"),
        (values.Seconds, values.MAX_SECONDS + 1),
        (values.Seconds, True),
        (values.PositiveSeconds, 0),
        (values.HeartbeatSeconds, 0.5),
        (values.Store, ""),
        (values.Store, "disk"),
        (values.Store, "redis"),
        (values.Store, "redis://"),
        (values.Store, "redis://cache:port"),
        (values.Store, "redis://cache:0"),
        (values.Store, "http://cache"),
        (values.Count, "1.5"),
        (values.Count, False),
        (values.ByteCount, -1),
        (values.ByteCount, values.MAX_BYTES + 1),
        (values.ByteLimit, 0),
        (values.SendBufferBytes, 4095),
        (values.SendBufferBytes, 1 << 31),
        (values.Port, 65536),
        (values.Port, "http"),
        (values.Host, ""),
        (values.GuardFile, ""),
        (values.HeaderNames, "none, x-user"),
        (values.Host, "http://localhost"),
        (values.Switch, "maybe"),
        (values.FilePath, 7),
        (values.Upstream, "127.0.0.1:8000"),
        (values.Upstream, "ftp://host"),
        (values.Upstream, "http://"),
        (values.Upstream, "http://user:secret@host"),
        (values.Upstream, "http://host:0"),
        (values.Upstream, "http://host:99999"),
        (values.Upstream, "http://host/?key=1"),
        (values.Upstream, "http://host/#top"),
        (values.Upstream, "http://ho st"),
        (values.Upstream, "http:\\\\host"),
        (values.Upstream, "http://[::1"),
        (values.Upstream, "unix:run/llm.sock"),
        (values.Upstream, "unix://host/llm.sock"),
        (values.Upstream, "unix:/"),
        (values.Readiness, "http"),
        (values.Readiness, "/with space"),
        (values.Origins, "example.com"),
        (values.Origins, "https://example.com/path"),
        (values.Origins, 5),
        (values.Networks, "10.0.0.0/33"),
        (values.Networks, "localhost"),
        (values.HeaderNames, "not a name"),
        (values.HeartbeatMode, "loud"),
        (values.HeartbeatMode, 1),
        (values.LogLevel, "trace"),
    ],
)
def test_a_kind_refuses_the_rest(kind: Any, given: object) -> None:
    """What cannot be meant is an error, also where Python or pydantic would find a number in it."""
    with pytest.raises(ValidationError):
        taken(kind, given)
