"""The kinds of value a setting can have: bounds, spelling, and in words what is accepted.

Every kind is an annotated type, so that the model reads as a table. A kind takes what a flag, an environment variable
or TOML can give (text, number, boolean, list) and yields one normal form. The words of `Accepts` are what the user
reads after a mistake. Knows nothing of names, defaults or where a value came from.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

__all__ = [
    "Accepts", "Bridges", "ByteCount", "ByteLimit", "Count", "FilePath", "GuardFile", "HeaderNames", "HeartbeatMode",
    "HeartbeatSeconds", "Host", "LogFormat", "LogLevel", "Networks", "Origins", "Port", "PositiveSeconds", "Readiness",
    "Reframe", "Seconds", "SendBufferBytes", "Store", "Switch", "Upstream",
]  # fmt: skip

#: Some 24 days: a signed 32-bit count of milliseconds, which is what TCP_USER_TIMEOUT holds.
MAX_SECONDS = 2_147_483.0
#: One TiB; above this a limit is a typing error.
MAX_BYTES = 1 << 40

_STORE = re.compile(r"rediss?(\+cluster)?://\S+")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@\s]+", re.IGNORECASE)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 § 5.6.2


@dataclass(frozen=True, slots=True)
class Accepts:
    """What a setting accepts, as the end of the sentence "expected …"."""

    text: str


def _number(value: object) -> object:
    # `heartbeat_seconds = true` in TOML would silently become 1.
    if isinstance(value, bool):
        raise PydanticCustomError("number", "a boolean is no number")
    return value


def _heartbeat(value: float) -> float:
    if 0 < value < 1:
        raise ValueError("a fraction of a second floods the clients")
    return value


def _items(value: object) -> object:
    if isinstance(value, str):
        return tuple(item for item in (part.strip() for part in value.split(",")) if item)
    return value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _origins(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if value not in {"*", "null"} and not _ORIGIN.fullmatch(value):
            raise ValueError("not an origin")
    # Browsers serialise scheme and host in lower case (RFC 6454 § 6.2).
    return tuple(value.lower() for value in values)


def _bridges(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        path, separator, target = value.partition("=")
        if not (separator and re.fullmatch(r"/[^\s?#*]*", path) and re.fullmatch(r"/[!-\"$-~]*", target)):
            raise ValueError("no pair of paths")
    return values


def _networks(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if value != "*":
            ipaddress.ip_network(value, strict=False)
    return values


def _header_names(values: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(value.lower() for value in values)
    if names == ("none",):
        return ()
    if "none" in names or not all(map(_TOKEN.fullmatch, names)):
        raise ValueError("not a header name, or none among others")
    return names


def _none(value: object) -> object:
    # Templates of charts and of compose files give empty text for what is not wanted.
    return None if value == "" else value


def _named(value: object) -> object:
    # Here it would let everybody in, as the variable that was to fill it had another name.
    if value == "":
        raise ValueError("no path")
    return value


def _upstream(value: str | None) -> str | None:
    if value is None:
        return None
    if re.search(r"[\s\x00-\x1f\x7f?#\\]", value):
        raise ValueError("white space, query or fragment")
    url = urlsplit(value)
    if url.scheme == "unix":
        if url.netloc or not url.path.startswith("/") or url.path == "/":
            raise ValueError("no absolute path")
        return f"unix:{url.path}"
    # `.port` raises ValueError when it is not a number from 0 to 65535.
    if url.scheme not in {"http", "https"} or not url.hostname or "@" in url.netloc or url.port == 0:
        raise ValueError("no plain http URL")
    return value


def _store(value: str) -> str:
    # `.port` raises ValueError when it is no number.
    if value not in {"off", "memory"} and not (_STORE.fullmatch(value) and urlsplit(value).port != 0):
        raise ValueError("neither a word nor the URL of a store")
    return value


def _readiness(value: str) -> str:
    if value not in {"tcp", "off"} and not re.fullmatch(r"/[^\s#]*", value):
        raise ValueError("neither a word nor a path")
    return value


# Bounds come first: a validator in front of them would hide them from the JSON schema.
Seconds = Annotated[
    float,
    Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False),
    BeforeValidator(_number),
    Accepts("a number of seconds, at least 0"),
]
PositiveSeconds = Annotated[
    float,
    Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False),
    BeforeValidator(_number),
    Accepts("a number of seconds above 0"),
]
HeartbeatSeconds = Annotated[
    float,
    Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False),
    BeforeValidator(_number),
    AfterValidator(_heartbeat),
    Accepts("a number of seconds, 0 (off) or at least 1"),
]
Count = Annotated[
    int, Field(ge=0, le=1 << 31), BeforeValidator(_number), Accepts("a whole number, at least 0 (no limit)")
]
ByteCount = Annotated[
    int, Field(ge=0, le=MAX_BYTES), BeforeValidator(_number), Accepts("a whole number of bytes, at least 0")
]
ByteLimit = Annotated[
    int, Field(ge=1, le=MAX_BYTES), BeforeValidator(_number), Accepts("a whole number of bytes, at least 1")
]
# setsockopt takes a C int, and the kernel doubles it.
SendBufferBytes = Annotated[
    int,
    Field(ge=4096, le=1 << 30),
    BeforeValidator(_number),
    Accepts("a whole number of bytes from 4096 to 1073741824"),
]
Port = Annotated[
    int, Field(ge=0, le=65535), BeforeValidator(_number), Accepts("a port from 1 to 65535, or 0 for any free one")
]
Host = Annotated[str, Field(pattern=r"^[^\s/]+$"), Accepts("an address or host name to listen on, or :: for all")]
Switch = Annotated[bool, Accepts("true or false")]
FilePath = Annotated[Path | None, BeforeValidator(_none), Accepts("the path of a readable file")]
GuardFile = Annotated[Path | None, BeforeValidator(_named), Accepts("the path of a readable file")]
Upstream = Annotated[
    str | None,
    AfterValidator(_upstream),
    BeforeValidator(_none),
    Accepts("http://HOST[:PORT][/PREFIX], https://… or unix:/PATH.sock, without user, query or fragment"),
]
Readiness = Annotated[str, AfterValidator(_readiness), Accepts("tcp, off or a path that starts with /")]
Store = Annotated[
    str, AfterValidator(_store), Accepts("off, memory, redis://HOST[:PORT][/DB], rediss://… or redis+cluster://…")
]
Origins = Annotated[
    tuple[str, ...],
    BeforeValidator(_items),
    AfterValidator(_origins),
    Accepts("origins such as https://app.example.com, or *, separated by commas"),
]
Bridges = Annotated[
    tuple[str, ...],
    BeforeValidator(_items),
    AfterValidator(_bridges),
    Accepts("PATH=UPSTREAM_PATH, both starting with /; several separated by commas"),
]
Networks = Annotated[
    tuple[str, ...],
    BeforeValidator(_items),
    AfterValidator(_networks),
    Accepts("addresses or networks such as 10.0.0.0/8, or *, separated by commas"),
]
HeaderNames = Annotated[
    tuple[str, ...],
    BeforeValidator(_items),
    AfterValidator(_header_names),
    Accepts("header names separated by commas, or none"),
]
HeartbeatMode = Annotated[
    Literal["auto", "comment", "comment-block", "data", "off"],
    BeforeValidator(_lower),
    Accepts("one of auto, comment, comment-block, data, off"),
]
Reframe = Annotated[Literal["auto", "always", "never"], BeforeValidator(_lower), Accepts("one of auto, always, never")]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error", "critical"],
    BeforeValidator(_lower),
    Accepts("one of debug, info, warning, error, critical"),
]
LogFormat = Annotated[
    Literal["auto", "json", "console"], BeforeValidator(_lower), Accepts("one of auto, json, console")
]
