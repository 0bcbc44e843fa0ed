"""`demo.apis`: every API that the mock speaks is read by its row of `core.dialects`, well written and badly.

Two independent hands wrote the two: what the one writes the other must understand, whole, cut, and with every defect
that has a meaning there.
"""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import GENERIC, Dialect, StreamState, dialect_by_name, dialect_for, dialect_of_head
from sse_proxy.core.framers import Framing
from sse_proxy.core.headers import HeaderList
from sse_proxy.core.negotiation import agreed_framing
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.shapes import shape_for
from sse_proxy.core.sniff import SNIFF_BYTES, framing_of_media_type, sniff
from sse_proxy.demo import expected_text
from sse_proxy.demo.apis import APIS, ERROR_MESSAGE, Api, Ask
from sse_proxy.demo.defects import DEFECTS, check_defects, parse_defects
from sse_proxy.demo.knobs import Knobs
from sse_proxy.demo.steps import Write
from sse_proxy.demo.stream_body import StreamBody
from sse_proxy.demo.text import spoken
from sse_proxy.errors import Truncated, UpstreamProtocolError

from .event_streams import reference_events

TOKENS = 9
#: Those that end as complete wherever they end.
ENDLESS = {api.path for api in APIS if dialect_by_name(api.name).completes_at_end}


def key(api: Api) -> str:
    """The name of a case."""
    return f"{api.name}{api.path}"


def dialect_of(api: Api) -> Dialect:
    """What a proxy takes a request for *api* to be, its answer's headers included."""
    method = "POST" if "POST" in api.methods else "GET"
    query = b"alt=sse" if api.name == "gemini" else b""
    headers: HeaderList = [(b"accept", b"application/json, text/event-stream")] if api.name == "mcp" else []
    headers += [(b"accept", b"text/event-stream")] if api.name == "replicate" else []
    found = dialect_for(method, api.path, query, headers, {"stream": True, **api.example})
    told = dialect_of_head([(name.encode(), value.encode()) for name, value in api.headers])
    return told or found


def writes(api: Api, **knobs: object) -> list[bytes]:
    """The writes of a stream of `TOKENS` tokens."""
    asked = Knobs.model_validate({"tokens": TOKENS, "rate": 0, **knobs})
    ask = Ask(
        id="t",
        created=0,
        tokens=spoken(TOKENS, bad_byte="invalid_utf8" in asked.defect),
        no_done=asked.no_done,
        no_finish=asked.no_finish,
        error_status=asked.error_status,
    )
    return [step.data for step in StreamBody(api, ask, asked).steps() if isinstance(step, Write)]


def pipeline(api: Api, body: bytes) -> Pipeline:
    """One that tells *body* as tokens, its framing found as a proxy finds it."""
    kind = api.media_type.partition(";")[0]
    promised = framing_of_media_type(kind)
    found = sniff(body[:SNIFF_BYTES], promised)
    assert found is not None
    framing = agreed_framing(promised, found, textual=kind in {"", "text/plain"})
    assert framing is not None
    return Pipeline(
        dialect_of(api),
        state=StreamState(),
        max_event_bytes=1 << 20,
        framing=framing,
        shape=shape_for("tokens", identity={}),
        recognises=True,
    )


def text_of(out: bytes) -> str:
    """What the client of a stream of tokens has."""
    found = [json.loads(event.data) for event in reference_events(out)]
    return "".join(document.get("token", "") for document in found)


def read(api: Api, parts: list[bytes]) -> tuple[bytes, Pipeline]:
    """What comes of a body that is written in *parts* and ends cleanly."""
    of = pipeline(api, b"".join(parts))
    return b"".join([*map(of.feed, parts), of.flush(), of.conclude()]), of


@pytest.mark.parametrize("api", APIS, ids=key)
def test_the_request_or_the_answer_tells_the_dialect(api: Api) -> None:
    """Under the name that both have for it."""
    _, of = read(api, writes(api))
    assert api.name == of.dialect.name


def cases() -> list[tuple[Api, str]]:
    """Each API with each defect that can be undone there."""
    found = []
    for api in APIS:
        for defect in sorted(DEFECTS | {"none"}):
            try:
                check_defects(api.name, parse_defects(defect), framing=api.framing)
            except ValueError:
                continue
            found.append((api, defect))
    return found


@pytest.mark.parametrize("api, defect", cases(), ids=lambda case: key(case) if isinstance(case, Api) else case)
def test_the_whole_text_is_read_out_of_every_defect(api: Api, defect: str) -> None:
    """And the stream is complete."""
    out, of = read(api, writes(api, defect=defect))
    assert expected_text(api.name, TOKENS, defect) == text_of(out)
    assert of.state.error is None
    assert out.endswith(b'event: done\ndata: {"done":true}\n\n')


@pytest.mark.parametrize("api", [api for api in APIS if api.path not in ENDLESS], ids=key)
@pytest.mark.parametrize("defect", ["none", "split_bytes"])
def test_a_cut_answer_is_never_complete(api: Api, defect: str) -> None:
    """After any number of events but the last ones, which tell the end."""
    whole = sum(1 for _ in writes(api))
    for count in range(1, whole - 3):
        parts = writes(api, truncate_after=count, defect=defect)
        of = pipeline(api, b"".join(parts))
        for part in parts:
            of.feed(part)
        of.flush()
        with pytest.raises(Truncated):
            of.conclude()


#: Where an error is an answer like any other, or cannot be told from text.
WITHOUT_ERRORS = {"/mcp", "/text"}


@pytest.mark.parametrize("api", [api for api in APIS if api.path not in WITHOUT_ERRORS], ids=key)
@pytest.mark.parametrize("after", [0, 3])
def test_its_errors_are_errors(api: Api, after: int) -> None:
    """First or later, with the text before them."""
    out, of = read(api, writes(api, error_after=after))
    assert ERROR_MESSAGE in str(of.state.error)
    assert b"event: error\ndata: {" in out
    assert b"event: done" not in out
    assert expected_text(api.name, TOKENS).startswith(text_of(out))


JSON_EVENTS = [
    api for api in APIS if dialect_by_name(api.name).framing is Framing.SSE and dialect_by_name(api.name).json
]


@pytest.mark.parametrize("api", [api for api in JSON_EVENTS if api.framing.startswith("sse")], ids=key)
def test_a_torn_event_is_an_error(api: Api) -> None:
    """What is lost is never dropped in silence."""
    parts = writes(api, tear_after=4)
    of = pipeline(api, b"".join(parts))
    with pytest.raises(UpstreamProtocolError, match="cut an event"):
        b"".join(map(of.feed, parts))
    assert b"event: error" in of.fail(UpstreamProtocolError("the upstream cut an event in the middle"))


def test_generic_rows_are_those_of_nobody() -> None:
    """The table has a row for everything else."""
    generic = {api.path for api in APIS if dialect_by_name(api.name) is GENERIC}
    assert generic == {"/events", "/ndjson", "/json-array", "/text"}
