"""What a request says of resuming: ``X-SSE-Resume: on; key=<chat id>`` and ``Idempotency-Key`` (INTERFACE "Resume").

Both keys are the caller's own words: they are bounded here, and hashed with the owner before a store sees them. The
chat's may be percent-encoded, as it is where the same key stands in a query. They are read only of requests whose
stream is to be kept: an ``Idempotency-Key`` of any other is the upstream's business, whatever its length.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from ..errors import BadRequest
from .headers import RawHeaders, first

__all__ = ["MAX_KEY_BYTES", "RESUME_HEADER", "ResumeKeys", "resume_keys", "wants_resume"]

RESUME_HEADER = b"x-sse-resume"
#: Any UUID or path-like id is far below; what is kept of each stream has to be bounded.
MAX_KEY_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeKeys:
    """By what else than its id a stream can be found.

    Attributes:
        chat: The caller's name for a series of streams.
        once: The caller's idempotency key.
    """

    chat: str | None = None
    once: str | None = None


def wants_resume(headers: RawHeaders) -> bool:
    """Whether a request with *headers* asks for its stream to be kept."""
    return (first(headers, RESUME_HEADER) or b"").partition(b";")[0].strip().lower() == b"on"


def resume_keys(headers: RawHeaders) -> ResumeKeys:
    """The keys of a request with *headers*, whose stream is to be kept.

    Raises:
        BadRequest: a key is over `MAX_KEY_BYTES`.
    """
    chat: str | None = None
    for parameter in (first(headers, RESUME_HEADER) or b"").split(b";")[1:]:
        name, _, value = parameter.strip().partition(b"=")
        if name.strip().lower() == b"key":
            chat = unquote(_key("X-SSE-Resume", value)) or None
    once = _key("Idempotency-Key", first(headers, b"idempotency-key") or b"") or None
    return ResumeKeys(chat=chat, once=once)


def _key(header: str, value: bytes) -> str:
    # In quotes, as the draft for Idempotency-Key has it, or bare, as everybody writes it.
    value = value.strip().removeprefix(b'"').removesuffix(b'"')
    if len(value) > MAX_KEY_BYTES:
        raise BadRequest(f"the key in {header} is over {MAX_KEY_BYTES} bytes")
    return value.decode("utf-8", errors="replace")
