"""What a request asks for, read from its method, path, headers and (when it is at hand) its JSON body.

The answer decides whether the response is a stream candidate at all: only then is anything of it held, looked into or
changed (DESIGN fact 16); and how its client has to be spoken to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

from .clients import COMMON, Variant, variant_of
from .dialects import GENERIC, Dialect, Voice, dialect_by_name, dialect_for, may_read_body
from .dialects.state import JSONObject
from .documents import json_object
from .headers import RawHeaders, accepts, first, media_type
from .shapes.base import Output

__all__ = ["COMMON_TERMS", "RequestFacts", "Terms", "Wish", "classify", "wants_body"]

#: What a body holds that asks for a stream, or tells an API that no path tells; only then, or for rows that say so, is
#: it parsed: most large bodies are images in non-stream requests.
_HINT = re.compile(rb'"stream"\s*:\s*true|"jsonrpc"|"response_mode"\s*:\s*"streaming"')
#: Calls of known APIs that are answered with one JSON document and never with a stream, so that no row is theirs.
_DOCUMENTS = re.compile(
    r"/(?:embeddings|embed|rerank|score|moderations|images/generations)/?$"
    r"|:(?:generateContent|embedContent|batchEmbedContents)$|/model/[^/]+/(?:converse|invoke)$"
)
#: The row whose voice each output shape has.
_VOICES: dict[Output, str] = {"openai": "openai_chat", "tokens": "tokens"}


class Wish(Enum):
    """Whether the client wants a stream."""

    #: No sign of it.
    NO = auto()
    #: The body asks for a stream, in a format that is not known, or is too large to be looked into.
    MAYBE = auto()
    #: A stream in a form that is known, so that it may be begun before the upstream says anything.
    YES = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the settings of the request's route say of its treatment."""

    #: Name of the row, whatever the request looks like; None looks.
    dialect: str | None = None
    output: Output = "native"
    reframe: Literal["auto", "always", "never"] = "auto"
    #: The request was made by a bridge, whose clients all want events.
    bridged: bool = False
    #: The headers of a client may choose its `Variant`.
    client_variants: bool = True


COMMON_TERMS = Terms()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """Everything that later decisions need to know of the request."""

    dialect: Dialect
    wish: Wish
    #: How the client has to be spoken to before the response tells more.
    voice: Voice
    output: Output = "native"
    #: The client can read nothing but an event stream: other framings have to become one.
    expects_sse: bool = False
    variant: Variant = COMMON
    #: The client may take only blocks that begin with ``data:``: an id or retry goes into a block of its own. Who asks
    #: for an event stream by name has a parser, and to some of those a block without data is an event.
    ids_apart: bool = False
    #: Silent by design (generic GET streams, MCP): no idle timeout.
    may_be_silent: bool = False
    #: Parallel answers asked for; 0 when the body that says so is too large to be looked into.
    choices: int = 1
    #: The model that was asked for; empty when that is not known.
    model: str = ""
    #: No stream, but one JSON document of a known API, which may be long in coming.
    awaits_json: bool = False

    @property
    def candidate(self) -> bool:
        """Whether the response may be a stream."""
        return self.wish is not Wish.NO


def wants_body(method: str, path: str, headers: RawHeaders) -> bool:
    """Whether the request body has to be looked at before `classify`: a JSON POST, or one to a known API."""
    if method != "POST":
        return False
    kind = media_type(first(headers, b"content-type"))
    if kind == "application/json" or kind.endswith("+json"):
        return True
    # Clients forget the header (curl -d says urlencoded), servers do not mind; a multipart upload is another matter.
    return dialect_for(method, path) is not GENERIC and not kind.startswith("multipart/")


def classify(
    method: str, path: str, headers: RawHeaders, body: bytes | None, *, query: bytes = b"", terms: Terms = COMMON_TERMS
) -> RequestFacts:
    """The facts of a request.

    Args:
        method: As on the wire.
        path: Decoded, without query.
        headers: Names in lower case.
        body: The whole body; None when it was not looked at, or is larger than what may be held.
        query: As on the wire.
        terms: What the route says.
    """
    told = None if terms.dialect is None else dialect_by_name(terms.dialect)
    reads = may_read_body(method, path) if told is None else told.reads_body
    document = None if body is None else _document(body, reads=reads)
    dialect = dialect_for(method, path, query, headers, document) if told is None else told
    asked = terms.bridged or dialect.always_streams or (document is not None and dialect.asks(document))
    # Nothing follows the head of an answer to HEAD, so none can be promised or counted as a stream.
    accepts_sse = method != "HEAD" and accepts(headers, b"text/event-stream")
    wants_sse = terms.bridged or terms.reframe == "always" or accepts_sse
    voice = _voice(dialect, terms.output, wants_sse=wants_sse)
    known = dialect is not GENERIC or terms.output != "native" or terms.bridged
    if accepts_sse or (asked and known):
        wish = Wish.YES
    elif asked or (document is None and known and method == "POST"):
        wish = Wish.MAYBE
    else:
        wish = Wish.NO
    variant = variant_of(headers) if terms.client_variants else COMMON
    # Who takes JSON too (MCP) must get what the upstream chose.
    either = accepts_sse and accepts(headers, b"application/json") and not (asked and known)
    return RequestFacts(
        dialect=dialect,
        wish=wish,
        voice=voice,
        output=terms.output,
        expects_sse=voice.is_sse and wish is Wish.YES and not either,
        variant=variant,
        ids_apart=variant.splits_blocks and not accepts_sse,
        may_be_silent=dialect.name == "mcp" or (dialect is GENERIC and (method == "GET" or either)),
        choices=0 if document is None else _choices(document),
        model=_text((document or {}).get("model")),
        awaits_json=wish is Wish.NO and method == "POST" and _is_known(dialect, path),
    )


def _is_known(dialect: Dialect, path: str) -> bool:
    """Whether *path* is a call of a known API, streamed or not."""
    return dialect is not GENERIC or _DOCUMENTS.search(path) is not None


def _document(body: bytes, *, reads: bool) -> JSONObject:
    if body and (reads or _HINT.search(body)):
        return json_object(body) or {}
    return {}


def _voice(dialect: Dialect, output: Output, *, wants_sse: bool) -> Voice:
    if output != "native":
        return dialect_by_name(_VOICES[output])
    return dialect if wants_sse or dialect.native is None else dialect.native


def _choices(asked: JSONObject) -> int:
    """``n`` for each prompt: the legacy completions take a list of them, where one prompt may be a list of tokens."""
    n, prompts = asked.get("n"), asked.get("prompt")
    answers = n if isinstance(n, int) and n > 1 else 1
    if isinstance(prompts, list) and not any(isinstance(token, int) for token in prompts):
        answers *= max(len(prompts), 1)
    return answers


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
