"""The columns of the matrix: what the mock does, as its knobs, and what a client is to make of it.

A *delivered* column is one in which the upstream has sent the whole answer, however odd: all of its text is to arrive.
A *failure* is one in which it has not: the client is to hear of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sse_proxy.demo.apis import Api
from sse_proxy.demo.defects import check_defects, expected_text, parse_defects

__all__ = ["COLUMNS", "GROUPS", "Column"]

#: Length of an answer: it holds characters of one to four bytes, quotes and a line end.
_TOKENS = "6"
#: Events before a failure in the middle.
_SOME = "4"

_OPENAI = frozenset({"openai_chat", "openai_completions"})
#: Its end is an event's type, which is a field; and it has no documents.
_TOKENS_API = frozenset({"tokens"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Column:
    """One of the things that upstreams do."""

    #: The heading.
    name: str
    #: What it means, for the legend.
    meaning: str
    #: Of the mock, the number of tokens among them.
    knobs: Mapping[str, str]
    #: The whole answer is sent.
    delivered: bool = True
    #: The upstream falls silent for ever.
    silent: bool = False
    #: The proxy has promised a stream, and sends heartbeats, before the upstream says anything.
    late: bool = True
    #: The mock's dialects that can have it; empty for all.
    dialects: frozenset[str] = field(default=frozenset())
    #: Those that cannot.
    never: frozenset[str] = field(default=frozenset())
    #: Only event streams can have it.
    events_only: bool = False

    def concerns(self, api: Api) -> bool:
        """Whether a server of *api* can be like this."""
        if api.name in self.never or (self.dialects and api.name not in self.dialects):
            return False
        if self.events_only and not api.framing.startswith("sse"):
            return False
        try:
            check_defects(api.name, parse_defects(self._defect), framing=api.framing)
        except ValueError:
            return False
        return True

    def text(self, api: Api) -> str:
        """The whole text of the answer."""
        return expected_text(
            api.name,
            int(self.knobs["tokens"]),
            self._defect,
            huge=int(self.knobs.get("huge", "0")),
            separators="separators" in self.knobs,
        )

    @property
    def _defect(self) -> str:
        return self.knobs.get("defect", "none")


def _whole(
    name: str,
    meaning: str,
    *,
    dialects: frozenset[str] = frozenset(),
    never: frozenset[str] = frozenset(),
    events_only: bool = False,
    **knobs: str,
) -> Column:
    return Column(
        name=name,
        meaning=meaning,
        knobs={"tokens": _TOKENS, **knobs},
        dialects=dialects,
        never=never,
        events_only=events_only,
    )


def _failed(
    name: str,
    meaning: str,
    *,
    silent: bool = False,
    late: bool = False,
    dialects: frozenset[str] = frozenset(),
    **knobs: str,
) -> Column:
    return Column(
        name=name,
        meaning=meaning,
        knobs={"tokens": _TOKENS, **knobs},
        delivered=False,
        silent=silent,
        late=late,
        dialects=dialects,
    )


_MALFORMED = (
    _whole("single newline", "no blank line between events", defect="single_newline"),
    _whole("`}{`", "two JSON documents in one event", defect="concatenated_json"),
    _whole("`data: data:`", "the field name twice", defect="double_data"),
    _whole("split JSON", "one JSON document cut in two events", defect="split_json"),
    _whole("many lines", "JSON pretty-printed over several `data:` lines", defect="multi_line_data"),
    _whole("`\\n\\n`", "the line ends quoted: a backslash and an `n`, twice", defect="literal_newlines"),
    _whole(
        "bare JSON", "JSON documents without `data:`, with nothing between them", defect="bare_json", never=_TOKENS_API
    ),
    _whole("bare lines", "JSON documents without `data:`, one a line", defect="bare_lines", never=_TOKENS_API),
    _whole("NUL", "JSON documents without `data:`, each ended by a NUL", defect="nul_delimited", never=_TOKENS_API),
    _whole("bad UTF-8", "a byte that is no UTF-8; it is to arrive as U+FFFD", defect="invalid_utf8"),
    _whole("wrapped comment", "`data: : keepalive` before every event", defect="comment_in_data"),
    _whole("empty data", "`data:` with nothing in it before every event", defect="empty_data"),
    _whole(
        "one document", "a stream was asked for, and the answer is one JSON document", body="json", never=_TOKENS_API
    ),
)

_UNUSUAL = (
    _whole("none", "a good stream"),
    _whole("awkward text", "all words of the mock: `[DONE]`, `data: `, blank lines, JSON as text", tokens="17"),
    _whole("U+2028", "U+2028, U+2029 and U+0085 in the text, unescaped", separators="true"),
    _whole("150 kB", "one token of that length", huge="150000"),
    _whole("CRLF", "line ends", defect="crlf"),
    _whole("CR", "line ends", defect="cr"),
    _whole("CRLF cut", "line ends, the LF in a write of its own", defect="crlf_split"),
    _whole("BOM", "a byte order mark in front", defect="bom"),
    _whole("`data:{`", "no space after the colon", defect="no_space"),
    _whole("blank lines", "more of them than one between events", defect="extra_blank_lines"),
    _whole("coalesced", "three events in one write", defect="coalesced"),
    _whole("bytes", "every byte in a write of its own", defect="split_bytes"),
    _whole("cut characters", "a write ends within every character of several bytes", defect="split_utf8"),
    _whole("no last blank line", "the body ends with the last byte of the last event", defect="no_final_blank_line"),
    _whole(
        "no terminator", "a finish signal, and neither `[DONE]` nor `message_stop`",
        no_done="true", dialects=_OPENAI | {"anthropic"},
    ),
)  # fmt: skip

_AROUND = (
    _whole("text/plain", "Content-Type", content_type="text/plain"),
    _whole("application/json", "Content-Type", content_type="application/json"),
    _whole("octet-stream", "Content-Type `application/octet-stream`", content_type="application/octet-stream"),
    _whole("Text/Event-Stream", "Content-Type in other letters", content_type="Text/Event-Stream", events_only=True),
    _whole("no type", "no Content-Type", content_type="none"),
    _whole("gzip", "content coding, though the proxy asks for none", encoding="gzip"),
    _whole("deflate", "content coding", encoding="deflate"),
    _whole("br", "content coding", encoding="br"),
    _whole("zstd", "content coding", encoding="zstd"),
    _whole("comments", "`: ping` after every token", ping="comment", events_only=True),
    _whole("pings", "`event: ping`, or the API's own, after every token", ping="event", events_only=True),
    _whole("no-ops", "an event that changes nothing after every token", ping="data", events_only=True),
    _whole("`id:`", "on every event", defect="id_lines", events_only=True),
    _whole("`id:`, comments", "both", defect="id_lines", ping="comment", events_only=True),
    _whole("`retry:`", "in a block of its own in front", defect="retry_field", events_only=True),
)

_FAILURES = (
    _failed("cut", "a clean end in the middle of the answer", truncate_after=_SOME),
    _failed("no finish", "all of the text, and a clean end without a finish signal", no_finish="true", no_done="true"),
    _failed("empty", "no body at all", body="empty"),
    _failed("dies", "the connection breaks between two events", die_after=_SOME),
    _failed("dies in an event", "the connection breaks within one", die_mid_event=_SOME),
    _failed("dies at once", "the connection breaks before the first event", die_after="0"),
    _failed("torn", "an event begins within another one, whose rest is lost", tear_after="3"),
    _failed("error first", "the API's own error instead of an answer", error_first="true"),
    _failed("error first, late", "the same, after heartbeats", error_first="true", prefill="0.6", late=True),
    _failed("error", "the API's own error after some events", error_after=_SOME),
    _failed(
        "flat error", "`{\"object\":\"error\", …}` as old vLLMs have it, or Responses' other shape",
        error_after=_SOME, error_form="flat", dialects=_OPENAI | {"openai_responses"},
    ),
    _failed(
        "`error:`", "in a field of that name, as old llama-servers have it",
        error_after=_SOME, error_form="field", dialects=_OPENAI,
    ),
    _failed("HTML", "200 and an HTML page", body="html"),
    _failed("HTML, late", "the same, after heartbeats", body="html", prefill="0.6", late=True),
    _failed("no head", "nothing at all, not even response headers", prefill="600", silent=True),
    _failed("no head, late", "the same, after heartbeats", prefill="600", silent=True, late=True),
    _failed("no event", "response headers, and nothing more", stall_after="0", silent=True),
    _failed("silence", "silence after some events", stall_after=_SOME, silent=True),
    _failed(
        "comments for ever", "silence after some events but for comments",
        stall_after=_SOME, ping="comment", ping_seconds="0.1", silent=True,
    ),
)  # fmt: skip

#: Title → the columns under it.
GROUPS: dict[str, tuple[Column, ...]] = {
    "Well-formed, but unusual": _UNUSUAL,
    "Malformed": _MALFORMED,
    "Types, codings, keep-alives, ids": _AROUND,
    "Failures": _FAILURES,
}
COLUMNS: tuple[Column, ...] = tuple(column for columns in GROUPS.values() for column in columns)
