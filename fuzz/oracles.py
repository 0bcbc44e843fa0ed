"""What holds for every input: the judge of the fuzzer. A finding is an `AssertionError`, or whatever escapes.

Only the documented errors are raised; any split is the whole; what is held stays below its bound; what an SSE client
gets is canonical and needs no second repair; what is watched passes as it came; no answer is complete that never said
so; and all that in no time.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from random import Random

from sse_proxy.core.decoding import decoder_for
from sse_proxy.core.dialects import StreamState
from sse_proxy.core.framers import Framing
from sse_proxy.core.heartbeat import heartbeat
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.core.sniff import SNIFF_BYTES, sniff
from sse_proxy.errors import EventTooLarge, IdleTimeout, Truncated, UpstreamProtocolError
from tests.event_streams import check_canonical, reference_events

from .case import Case
from .held import held_bytes
from .signals import may_be_complete

__all__ = ["Life", "check", "check_decoding", "check_pipeline", "check_sniffing"]

#: CPU time for all that is done with one input of at most 4 KiB; as a rule it is a millisecond.
MAX_CPU_SECONDS = 2.0
#: Whoever holds a record may hold an id from before, pieces of the next one, and what the state keeps of the last.
#: A byte that is no UTF-8 becomes three that are.
HELD_RECORDS = 6
HELD_BYTES = 512
#: With a higher limit no input of ours could pass it by much.
MAX_SEEN_BYTES = 1024
#: A stream is looked at so many times on its way.
WATCHED = 16
#: A bomb is looked at for so long.
MAX_DECODED_BYTES = 1 << 20
#: The largest portion that a decoder gives out: zstd's, see there.
MAX_PORTION_BYTES = 1 << 21

_SEVERAL_LINES = re.compile(rb"data: [^\n]*\ndata: ")
_ID = re.compile(rb"id: 0{32}\.([0-9]+)\n\n?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One stream from its beginning to its end."""

    #: All that the client gets.
    output: bytes
    #: "whole", or the message of the error.
    ending: str
    #: What was learnt, in comparable form.
    facts: dict[str, object]
    of: Pipeline


def check(data: bytes) -> Case:
    """Judge one input.

    Raises:
        AssertionError: a rule does not hold.
    """
    started = time.process_time()
    case = Case.of(data)
    if case.coding is not None:
        check_decoding(case)
    else:
        if case.split % 8 == 2:
            check_sniffing(case)
        check_pipeline(case)
    assert time.process_time() - started < MAX_CPU_SECONDS, "too slow"
    return case


def check_sniffing(case: Case) -> None:
    """Once a framing was found, more bytes do not change it."""
    body = case.body[:SNIFF_BYTES]
    places = sorted(Random(case.split).randrange(len(body) + 1) for _ in range(3))
    for promised in (None, Framing.SSE):
        found = [sniff(body[:place], promised) for place in (*places, len(body))]
        framings = [kind for kind in found if isinstance(kind, Framing)]
        assert len(set(framings)) <= 1, found
        assert not framings or found[-1] is framings[0], found


def check_decoding(case: Case) -> None:
    """However corrupt: portions of bounded size, one error, and any split is the whole."""
    assert case.coding is not None
    whole, end = _decoded(case.coding, [case.body])
    again, end_again = _decoded(case.coding, case.pieces())
    size = min(len(whole), len(again))
    assert whole[:size] == again[:size]
    if case.coding == "br":
        return  # its library raises at bytes behind the end, and gives out nothing, if they come in one piece with it
    if case.coding == "zstd" and not (end and end_again):
        return  # its library may notice only with the next byte that a frame is broken, if it comes in pieces
    if max(len(whole), len(again)) < MAX_DECODED_BYTES:
        assert end == end_again
        assert end or whole == again


def _decoded(coding: str, pieces: Sequence[bytes]) -> tuple[bytes, str]:
    decoder = decoder_for(coding.encode())
    assert decoder is not None
    plain = b""
    try:
        for piece in pieces:
            for portion in decoder.feed(piece):
                assert 0 < len(portion) <= MAX_PORTION_BYTES
                plain += portion
                if len(plain) >= MAX_DECODED_BYTES:
                    return plain, "enough"
    except UpstreamProtocolError as error:
        return plain, str(error)
    return plain, ""


def check_pipeline(case: Case) -> None:
    """The rules for one body; see the module header."""
    whole, split = live(case, [case.body]), live(case, case.pieces())
    if case.framing is Framing.TEXT:
        _compare_texts(case, whole, split)
    elif case.rewrites or whole.ending == "whole":
        assert split.output == whole.output
    if case.framing is not Framing.TEXT:
        assert split.ending == whole.ending
        assert split.facts == whole.facts
    _check_output(case, split)
    _check_ending(case, whole)
    if case.split % 8 == 0:
        _check_interruption(case)
    if case.split % 8 == 1:
        _check_second_proxy(case, whole)


def live(case: Case, pieces: Sequence[bytes]) -> Life:
    """A whole life, watched on its way."""
    of = case.pipeline()
    output: list[bytes] = []
    often = max(1, len(pieces) // WATCHED)
    try:
        for number, piece in enumerate(pieces):
            output.append(of.feed(piece))
            if number % often == 0:
                _check_heartbeats(case, of)
                _check_held(case, of)
        output.append(of.flush())
        output.append(of.conclude())
        ending = "whole"
    except (EventTooLarge, Truncated, UpstreamProtocolError) as error:
        output.append(of.fail(error))
        ending = str(error)
        if not isinstance(error, Truncated):
            # What is behind the fatal event was in the same read or not, and so were its repairs.
            of.repairs.clear()
    return Life(output=b"".join(output), ending=ending, facts=_facts(of, ending), of=of)


def _facts(of: Pipeline, ending: str) -> dict[str, object]:
    state = of.state
    known = {field.name: getattr(state, field.name) for field in fields(state) if field.name not in {"error", "last"}}
    error = state.error
    known |= {
        "error": None if error is None else (str(error), error.http_status, error.body),
        "dialect": of.dialect.name,
        "noop": of.dialect.noop(state),
        "events": of.events,
        "repairs": sorted(of.repairs.items()),
        "over": of.over,
        "began_with_error": of.began_with_error,
    }
    if ending == "whole":
        known["between_events"] = of.between_events
    # NaN is not even itself.
    return {key: repr(value) for key, value in known.items()} if "nan" in repr(known) else known


def _compare_texts(case: Case, whole: Life, split: Life) -> None:
    """Text has no records: only what they say together is the same."""
    if case.output == "native" and case.name == "generic":
        texts = ["".join(event.data for event in reference_events(life.output)) for life in (whole, split)]
        assert texts[0] == texts[1]


def _check_held(case: Case, of: Pipeline) -> None:
    if case.limit > MAX_SEEN_BYTES:
        return
    held = held_bytes(of)
    assert held <= HELD_RECORDS * case.limit + HELD_BYTES, held


def _check_heartbeats(case: Case, of: Pipeline) -> None:
    for prefers_data in (False, True):
        beat = heartbeat(of.voice, of.told, "auto", prefers_data=prefers_data, data_due=prefers_data)
        if beat is not None and beat.mode == "data":
            check_canonical(beat.data, of_json=True)
    assert of.between_events or not case.rewrites


def _check_output(case: Case, life: Life) -> None:
    if case.rewrites:
        _check_events(case, life.output, of_json=_is_json(case, life))
    elif life.ending == "whole":
        assert life.output == case.body
        assert life.of.repairs == {}


def _is_json(case: Case, life: Life) -> bool:
    # Before its dialect is told a stream may say anything.
    return case.output != "native" or (case.row.json and life.of.dialect is case.row)


def _check_events(case: Case, output: bytes, *, of_json: bool) -> None:
    """*output* is canonical, and numbered from 1 without a gap where it is to be."""
    if case.numbered:
        numbers = [int(number) for number in _ID.findall(output)]
        assert numbers == list(range(1, len(numbers) + 1))
        plain = _ID.sub(b"", output)
        assert len(numbers) == plain.count(b"\n\n")
        output = plain
    check_canonical(output, of_json=of_json)


def _check_ending(case: Case, life: Life) -> None:
    dialect, state = life.of.dialect, life.of.state
    if life.ending == "whole" and state.error is None:
        assert state.complete or dialect.completes_at_end
        assert may_be_complete(case, dialect.name), "nothing in the body says that the answer is over"
        assert state.terminated or not _is_cut(case), "the body ends within a record"
    if case.output == "openai" and life.ending == "whole" and not case.numbered:
        assert life.output.endswith(b"data: [DONE]\n\n")
        assert life.output.count(b"data: [DONE]\n\n") == 1


def _is_cut(case: Case) -> bool:
    """Whether the body ends, for whoever looks at it, within a record."""
    body = case.body
    if case.framing is Framing.AWS:
        at = 0
        while len(body) - at >= 4 and (length := int.from_bytes(body[at : at + 4])) >= 16:
            at += length
        return at != len(body)
    if case.framing is Framing.NDJSON:
        last = re.split(rb"[\r\n]", body)[-1].strip(b" \t\r\n\x1e").removeprefix(b"\xef\xbb\xbf")
        return last.startswith((b"{", b"[")) and not _are_json_texts(last)
    return False


def _are_json_texts(data: bytes) -> bool:
    """Whether *data* is one document, or several with no more than white space between them."""
    rest, decoder = data.decode(errors="replace").strip(), json.JSONDecoder()
    while rest:
        try:
            _, end = decoder.raw_decode(rest)
        except (ValueError, RecursionError):
            return False
        rest = rest[end:].lstrip()
    return True


def _check_interruption(case: Case) -> None:
    """An error of ours may come after any piece: what was sent and what is told of it are events."""
    of = case.pipeline()
    output = b""
    try:
        for piece in case.pieces()[: Random(case.split).randrange(4)]:
            output += of.feed(piece)
    except (EventTooLarge, UpstreamProtocolError):
        return
    output += of.fail(IdleTimeout())
    if case.rewrites:
        _check_events(case, output, of_json=case.output != "native" or case.row.json)


def _check_second_proxy(case: Case, life: Life) -> None:
    """What comes out needs no repair, says the same, and is told in the same words."""
    if case.output != "native" or case.numbered or life.ending != "whole" or life.of.state.error is not None:
        return
    if life.of.dialect.json and _SEVERAL_LINES.search(life.output):
        return  # what was beyond repair: its lines may well look like something else the next time
    of = Pipeline(
        case.row,
        state=StreamState(choices=life.of.state.choices),
        max_event_bytes=1 << 24,
        recognises=case.recognises,
    )
    output = of.feed(life.output) + of.flush() + of.conclude()
    assert output == life.output
    assert of.repairs == {}
