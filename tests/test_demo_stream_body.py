"""`demo.stream_body` and `demo.apis`: each knob of a stream as the steps that it makes; no time passes."""

from __future__ import annotations

import json
import math

import pytest

from sse_proxy.demo import answer
from sse_proxy.demo.apis import Ask, api_for
from sse_proxy.demo.knobs import Knobs, read_knobs
from sse_proxy.demo.script import stream_steps
from sse_proxy.demo.steps import Abort, Start, Step, Wait, Write
from sse_proxy.demo.text import spoken

CHAT = "/v1/chat/completions"


def play(query: str, path: str = CHAT, *, include_usage: bool = False) -> list[Step]:
    """The steps of a stream of three tokens at full speed, but for what *query* says; waits of zero left out."""
    knobs = read_knobs(f"tokens=3&rate=0&{query}".encode(), [])
    ask = Ask(
        id="t",
        created=0,
        tokens=answer(knobs.tokens),
        no_done=knobs.no_done,
        no_finish=knobs.no_finish,
        error_status=knobs.error_status,
        flat_error=knobs.error_form == "flat",
        ids=knobs.ids,
        include_usage=include_usage,
    )
    return [step for step in stream_steps(api_for(path), ask, knobs) if step != Wait(0)]


def body(steps: list[Step]) -> bytes:
    """All that is written."""
    return b"".join(step.data for step in steps if isinstance(step, Write))


def waits(steps: list[Step]) -> list[float]:
    """All silences."""
    return [step.seconds for step in steps if isinstance(step, Wait)]


def events(steps: list[Step]) -> int:
    """How many events were counted."""
    return sum(step.events for step in steps if isinstance(step, Write))


def last_data(steps: list[Step]) -> dict[str, object]:
    """The last JSON payload."""
    lines = [line for line in body(steps).split(b"\n") if line.startswith(b"data: {")]
    document: dict[str, object] = json.loads(lines[-1].removeprefix(b"data: "))
    return document


WHOLE = play("")


def test_a_stream_is_a_head_and_one_write_an_event() -> None:
    """Role, three tokens, finish and terminator under the media type of an event stream."""
    head = Start(200, [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache")])
    assert head == WHOLE[0]
    assert [step.events for step in WHOLE[1:] if isinstance(step, Write)] == [1] * 6
    assert body(WHOLE).endswith(b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')


def test_rate_paces_tokens_only_and_prefill_comes_first() -> None:
    """The first token waits for nothing, and what is no token is not paced."""
    steps = play("rate=4&prefill=1.5&headers_then_wait=2")
    assert waits(steps) == [1.5, 2.0, 0.25, 0.25]
    assert Wait(1.5) == steps[0]
    assert Wait(2.0) == steps[2]


def test_joined_events_are_paced_by_their_tokens() -> None:
    """Three events in one write take the time of the tokens in it."""
    assert waits(play("rate=4&defect=coalesced&tokens=5")) == [0.75]


@pytest.mark.parametrize(
    "query,ending",
    [
        ("stall_after=2", [Wait(math.inf)]),
        ("die_after=2", [Abort()]),
        ("truncate_after=2", []),
    ],
)
def test_a_cut_ends_after_so_many_events(query: str, ending: list[Step]) -> None:
    """The same writes as the whole stream, up to the cut, and then what the knob says."""
    assert WHOLE[:3] + ending == play(query)


def test_a_cut_beyond_the_end_happens_at_the_end() -> None:
    """No event is left out."""
    assert [*WHOLE, Abort()] == play("die_after=99") == play("die_mid_event=99")


def test_dying_within_an_event_tears_it_in_the_middle() -> None:
    """Half of the third event's bytes go out."""
    third = WHOLE[3]
    assert isinstance(third, Write)
    assert [*WHOLE[:3], Write(third.data[: len(third.data) // 2]), Abort()] == play("die_mid_event=2")


def test_a_torn_event_goes_on_as_the_next_one() -> None:
    """Half of the third event, the fourth inside of it, and the rest of the stream."""
    third, fourth = (body([step]).removeprefix(b"data: ").strip().decode() for step in WHOLE[3:5])
    expected = f"data: {third[: len(third) // 2]}data: {fourth}\n\n".encode()
    assert body(WHOLE[:3]) + expected + body(WHOLE[5:]) == body(play("tear_after=2"))


def test_an_error_can_come_in_a_field_of_its_own() -> None:
    """``error:`` instead of ``data:``, the terminator as ever."""
    assert body(play("error_first=1&error_form=field")).startswith(b'error: {"error":{"message"')
    assert body(play("error_first=1&error_form=field")).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    "path,keep_alive",
    [
        ("/api/chat", b"\n"),
        ("/json-array", b" "),
        ("/worker_generate_stream", b" "),
        ("/text", b""),
        ("/ndjson", b"\n"),
    ],
)
@pytest.mark.parametrize("ping", ["comment", "event", "data"])
def test_other_framings_have_white_space_for_a_keep_alive(path: str, keep_alive: bytes, ping: str) -> None:
    """Or nothing, where there is nothing that does not count as content."""
    quiet, noisy = play("", path), play(f"ping={ping}&comment_every=2", path)
    at = body(play("truncate_after=2", path))
    assert at + keep_alive + body(quiet).removeprefix(at) == body(noisy)
    assert events(quiet) == events(noisy)


def test_the_final_blank_line_is_kept_where_the_stream_does_not_end() -> None:
    """A stalled stream has no last event."""
    assert body(play("stall_after=2")) == body(play("stall_after=2&defect=no_final_blank_line"))


@pytest.mark.parametrize(
    "path,query,expected",
    [
        (CHAT, "", b'data: {"error":{"message":"M","type":"server_error","param":null,"code":null}}\n\nDONE'),
        (CHAT, "no_done=1", b'data: {"error":{"message":"M","type":"server_error","param":null,"code":null}}\n\n'),
        (
            "/v1/completions",
            "error_status=429",
            b'data: {"error":{"message":"M","type":"rate_limit_error","param":null,"code":429}}\n\nDONE',
        ),
        (
            CHAT,
            "error_form=flat&error_status=400",
            b'data: {"object":"error","message":"M","type":"invalid_request_error","param":null,"code":400}\n\nDONE',
        ),
        (
            "/v1/responses",
            "",
            b'RESPONSES_ERROR"error":{"message":"M","type":"server_error","param":null,"code":"server_error"},NUMBER',
        ),
        (
            "/v1/responses",
            "error_form=flat",
            b'RESPONSES_ERROR"message":"M","param":null,"code":"server_error",NUMBER',
        ),
        (
            "/v1/messages",
            "",
            b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"M"}}\n\n',
        ),
        (
            "/v1/messages",
            "error_status=500",
            b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"M","code":500}}\n\n',
        ),
        ("/events", "", b'event: error\ndata: {"error":{"message":"M","code":500}}\n\n'),
    ],
)
@pytest.mark.parametrize("after", [0, 2])
def test_in_stream_error_has_the_shape_of_its_dialect(path: str, query: str, expected: bytes, after: int) -> None:
    """The error comes first or after so many events, and the dialect's end behind it."""
    expected = expected.replace(b'"M"', b'"the mock was told to fail"').replace(b"DONE", b"data: [DONE]\n\n")
    expected = expected.replace(b"RESPONSES_ERROR", b'event: error\ndata: {"type":"error",')
    expected = expected.replace(b"NUMBER", b'"sequence_number":%d}\n\n' % after)
    cut = "error_first=1" if after == 0 else f"error_after={after}"
    assert body(play("", path)[: after + 1]) + expected == body(play(f"{cut}&{query}", path))


@pytest.mark.parametrize(
    "path,missing_finish,missing_done",
    [
        (CHAT, b'"finish_reason":"stop"', b"[DONE]"),
        ("/v1/completions", b'"finish_reason":"stop"', b"[DONE]"),
        ("/v1/responses", b"response.completed", b""),
        ("/v1/messages", b"message_delta", b"message_stop"),
    ],
)
def test_finish_and_terminator_can_be_left_out(path: str, missing_finish: bytes, missing_done: bytes) -> None:
    """Each is left out alone; Responses has no terminator to leave out."""
    whole, unfinished, undone = (play(query, path) for query in ("", "no_finish=1", "no_done=1"))
    assert missing_finish in body(whole)
    assert missing_finish not in body(unfinished)
    assert events(whole) - events(unfinished) == 1
    assert (not missing_done) or missing_done in body(whole)
    assert (events(whole) - 1 if missing_done else events(whole)) == events(undone)


@pytest.mark.parametrize(
    "path,ping,expected",
    [
        (CHAT, "comment", b": ping\n\n"),
        (CHAT, "event", b'event: ping\ndata: {"type": "ping"}\n\n'),
        ("/v1/messages", "data", b'event: ping\ndata: {"type": "ping"}\n\n'),
        ("/v1/responses", "event", b'event: keepalive\ndata: {"type":"keepalive","sequence_number":5}\n\n'),
        ("/v1/responses", "data", b'event: keepalive\ndata: {"type":"keepalive","sequence_number":5}\n\n'),
        ("/events", "event", b"event: ping\ndata: {}\n\n"),
        ("/events", "data", b"data: \n\n"),
    ],
)
def test_keep_alives_come_after_every_so_many_tokens(path: str, ping: str, expected: bytes) -> None:
    """Between the second and the third token, in the dialect's own form, and not counted as events."""
    quiet, noisy = play("", path), play(f"ping={ping}&comment_every=2", path)
    assert body(noisy).count(expected) == 1
    assert body(quiet) == body(noisy).replace(expected, b"")
    assert events(quiet) == events(noisy)


@pytest.mark.parametrize("path,kind", [(CHAT, "chat.completion.chunk"), ("/v1/completions", "text_completion")])
def test_openai_data_ping_is_a_chunk_without_text(path: str, kind: str) -> None:
    """A no-op delta looks like its siblings."""
    noop = last_data(play("ping=data&stall_after=2&tokens=9&comment_every=1", path))
    assert kind == noop["object"]
    assert '"finish_reason": null' in json.dumps(noop["choices"])


def test_silence_is_broken_by_keep_alives_where_asked() -> None:
    """Waits are cut into pieces, the endless one too, and no event is counted."""
    steps = play("ping=comment&comment_every=0&ping_seconds=1&headers_then_wait=2.5&truncate_after=0")
    ping = Write(b": ping\n\n")
    assert [Wait(1), ping, Wait(1), ping, Wait(0.5)] == steps[1:]
    knobs = read_knobs(b"rate=0&ping=comment&ping_seconds=3&stall_after=0", [])
    endless = stream_steps(api_for(CHAT), Ask(id="t", created=0, tokens=[]), knobs)
    assert [Wait(3), ping, Wait(3)] == [step for step in (next(endless) for _ in range(6)) if step != Wait(0)][1:]


def test_wide_makes_every_token_longer() -> None:
    """By so many letters; the pieces are made one by one, so any part of them can be had."""
    pieces = spoken(3, wide=2, huge=1)
    assert list(pieces) == ["stream0 xx", "xxx", "日本語2 xx"]
    assert (len(pieces), list(pieces[1:])) == (3, ["xxx", "日本語2 xx"])


def test_huge_makes_one_token_that_long() -> None:
    """Only the second token is huge; the rest of the answer stays."""
    steps = stream_steps(api_for("/events"), Ask(id="t", created=0, tokens=spoken(3, huge=5000)), Knobs(rate=0))
    sizes = [len(step.data) for step in steps if isinstance(step, Write)]
    assert [len(f"data: {token}\n\n".encode()) for token in ("stream0 ", "x" * 5000, "日本語2 ")] == sizes


def test_generic_events_can_carry_ids() -> None:
    """Numbers from 1."""
    assert b"id: 1\ndata: stream0 \n\nid: 2\ndata: caf\xc3\xa91 \n\n" in body(play("ids=1", "/events"))


def test_usage_is_a_chunk_of_its_own_where_it_was_asked_for() -> None:
    """With ``include_usage`` every chunk has the key, and only the last one counts."""
    steps = play("", include_usage=True)
    assert body(steps).count(b'"usage":null') == 5
    usage = last_data(steps)["usage"]
    assert isinstance(usage, dict)
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (7, 3, 10)
