"""What single clients need, told by their own request headers (``client_variants``; reference: formats.md § B).

Most clients survive the common form and are not here. A variant is a set of flags, so that nothing but this table knows
any client by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .headers import RawHeaders, first, tokens

__all__ = ["COMMON", "Variant", "is_event_source", "variant_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """What is done differently for one client."""

    #: Heartbeats are data wherever the dialect has a no-op event: comments would spoil something for this client.
    prefers_data: bool = False
    #: It may split the stream on blank lines and take only blocks that begin with ``data:``.
    splits_blocks: bool = False
    #: Errors are looked for only in events named ``error``.
    wants_named_errors: bool = False
    #: No error frame raises: after one, the connection is aborted.
    needs_abort: bool = False


COMMON = Variant()

#: Page scripts: readers that people write by hand split on blank lines, and lose what is glued to a comment.
_SCRIPT = Variant(prefers_data=True, splits_blocks=True)

#: Header, pattern of its value, variant; the first that fits wins.
_VARIANTS: tuple[tuple[bytes, re.Pattern[bytes], Variant], ...] = (
    # Reads only ``event: error`` (§ B4).
    (b"user-agent", re.compile(rb".*langchain4j", re.IGNORECASE), Variant(wants_named_errors=True)),
    # openai, anthropic and all that Stainless generates: real parsers, in Node too, whose fetch says Sec-Fetch-Mode.
    (b"x-stainless-lang", re.compile(rb"."), COMMON),
    # go-openai: a comment before an error frame makes its message unreadable, and 300 of them end the stream (§ B4).
    (b"user-agent", re.compile(rb"Go-http-client/"), Variant(prefers_data=True)),
    # Python before 3, and the legacy JavaScript package, take an error object for a chunk without text (§ B3).
    (b"x-goog-api-client", re.compile(rb"(?:.*\s)?google-genai-sdk/[0-2]\.\S*\s+gl-python"), Variant(needs_abort=True)),
    (b"x-goog-api-client", re.compile(rb"(?:.*\s)?genai-js/0"), Variant(needs_abort=True)),
    (b"sec-fetch-mode", re.compile(rb""), _SCRIPT),
    # Of a plain http:// address browsers do not say that.
    (b"user-agent", re.compile(rb"Mozilla/"), _SCRIPT),
)


def variant_of(headers: RawHeaders) -> Variant:
    """The variant for the client that sent *headers*; `COMMON` for all that need nothing."""
    for name, pattern, variant in _VARIANTS:
        value = first(headers, name)
        if value is not None and pattern.match(value):
            return variant
    return COMMON


def is_event_source(headers: RawHeaders) -> bool:
    """Whether *headers* are those that a browser's own `EventSource` sends (WHATWG HTML § 9.2.2 and § 9.2.3).

    It accepts nothing but event streams, from no cache. A page that says the same with fetch has a parser of its own,
    so nobody else may be taken for one whose parser is not known to obey the standard.
    """
    by_itself = tokens(headers, b"accept") == [b"text/event-stream"] and b"no-cache" in tokens(
        headers, b"cache-control"
    )
    return by_itself and variant_of(headers).splits_blocks
