"""`doctor.judge_ends`: who ended a stream, after what, and whether it was through."""

from __future__ import annotations

from typing import Any

import pytest

from sse_proxy.doctor.case import Case
from sse_proxy.doctor.judge_ends import judge_announced, judge_end, judge_idle, judge_total
from sse_proxy.doctor.observed import End

from .doctor_cases import CHAT, SSE, case, ids, probe, told

NGINX = (*SSE, ("server", "nginx/1.22.1"))
ENVOY = (*SSE, ("server", "envoy"))
ANNOUNCED = (("x-envoy-expected-rq-timeout-ms", "15000"),)

CHUNK = b'data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
LAST = (
    b'data: {"id":"1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
)
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(
    "body, facts, expected",
    [
        (CHUNK + LAST + DONE, {}, []),
        (CHUNK + LAST, {}, ["warning: terminator-missing"]),
        (CHUNK, {}, ["error: truncated"]),
        (CHUNK, {"end": End.CLOSED}, ["error: truncated"]),
        (CHUNK, {"end": End.LEFT}, []),
        (CHUNK, {"end": End.CUT}, ["error: cut"]),
        (b'data: {"error":{"message":"full"}}\n\n' + DONE, {}, ["error: in-stream-error"]),
        (CHUNK + b'{"a":\n' + CHUNK, {}, ["error: undecodable"]),
        (b"", {}, []),
    ],
)
def test_a_chat_ends_as_its_api_says(body: bytes, facts: dict[str, Any], expected: list[str]) -> None:
    """Whatever the connection says."""
    pieces = [(1.0, body)] if body else []
    assert ids(judge_end(case(pieces, request=CHAT, **facts))) == expected


def test_any_other_stream_is_through_at_its_end() -> None:
    """It has no terminal signal."""
    assert list(judge_end(case([(1.0, b"data: a\n\n")]))) == []


@pytest.mark.parametrize(
    "ended_at, headers, name, seen, culprit, knob",
    [
        (
            1.0,
            NGINX,
            "cut",
            "cut 1.0 s after the request, after 1 events, in the middle of the body",
            "",
            "log of the server",
        ),
        (3.5, SSE, "cut", "and after 2.5 s of silence", "", "log of the server"),
        (61.2, NGINX, "idle-cut", "after 60.2 s of silence", "nginx", "proxy_read_timeout"),
        (8.0, NGINX, "idle-cut", "after 7.0 s of silence", "nginx", "proxy_read_timeout"),
        (61.2, SSE, "idle-cut", "after 60.2 s of silence", "AWS ALB or ", "AWS ALB: idle_timeout"),
        (18.5, SSE, "idle-cut", "after 17.5 s of silence", "", "heartbeats more often"),
    ],
)
def test_a_cut_is_told_with_its_silence_and_its_suspects(
    ended_at: float, headers: tuple[tuple[str, str], ...], name: str, seen: str, culprit: str, knob: str
) -> None:
    """A hop that is there is blamed before one that could be."""
    found = told(judge_end(case([(1.0, CHUNK)], request=CHAT, headers=headers, end=End.CUT, ended_at=ended_at)))
    assert found.id == name
    assert seen in found.seen
    assert found.culprit.startswith(culprit)
    assert bool(found.culprit) == bool(culprit)
    assert knob in found.fix


def test_a_busy_stream_that_is_cut_at_a_known_second_has_a_suspect() -> None:
    """A limit on the whole response, which heartbeats do not move."""
    pieces = [(float(second), CHUNK) for second in range(1, 31)]
    found = told(judge_end(case(pieces, request=CHAT, end=End.CUT, ended_at=30.1)))
    assert (found.id, found.culprit) == ("cut", "Amazon API Gateway or Google Cloud load balancer")
    assert "timeoutSec of the backend service" in found.fix


@pytest.mark.parametrize(
    "pieces, head_at, held, headers, culprit, fix",
    [
        ([(5.3, CHUNK * 8)], 5.3, 5.3, NGINX, "nginx (it seems)", "proxy_read_timeout 3600s; in the location"),
        ([], 5.3, 5.3, NGINX, "nginx (it seems)", "proxy_read_timeout 3600s; in the location"),
        ([(0.3, CHUNK), (5.3, CHUNK * 7)], 0.1, 5.0, NGINX, "nginx (it seems)", "it may have died"),
        ([(5.3, CHUNK * 8)], 0.1, 5.2, SSE, "", "a longer idle (read) timeout in the hop that cuts, or see the log"),
        ([(30.1, CHUNK * 8)], 0.1, 30.0, SSE, "Amazon API Gateway or Google Cloud load balancer", "it may have died"),
    ],
    ids=["all of it", "a head", "the rest", "no hop is known", "no hop is known, a known second"],
)
def test_a_cut_that_brings_bytes_hides_the_silence(
    pieces: list[tuple[float, bytes]],
    head_at: float,
    held: float,
    headers: tuple[tuple[str, str], ...],
    culprit: str,
    fix: str,
) -> None:
    """They had been held back, and a server that fell silent cannot be told from one that died."""
    ended_at = (pieces[-1][0] if pieces else head_at) + 0.01
    cut = case(pieces, request=CHAT, headers=headers, head_at=head_at, end=End.CUT, ended_at=ended_at)
    found = told(judge_end(cut))
    assert (found.id, found.culprit) == ("cut", culprit)
    assert "for how long the server was silent is not known" in found.seen
    assert fix in found.fix
    assert found.evidence["held_seconds"] == held


def test_who_only_seems_to_be_there_seems_to_be_it_once() -> None:
    """Its name says so already."""
    start = {"http_version": "1.0"}
    cut = probe([(0.0, 9.0), (0.1, 9.0)], start=start, ends=False, head_at=9.0, end=End.CUT, ended_at=9.0)
    assert told(judge_end(cut)).culprit == "nginx (it seems)"


def waited(seconds: float, *, cut: bool, beats: tuple[float, ...] = (), **facts: Any) -> Case:
    """A probe that was silent from 1 s on until *seconds*, and was cut then or ended."""
    steps = [(0.0, 1.0), (0.01, 1.01)] + ([] if cut else [(seconds, 1 + seconds)])
    end = {"end": End.CUT} if cut else {}
    return probe(steps, ends=not cut, beats=beats, ended_at=1 + seconds, **{"headers": NGINX, **end, **facts})


BEATS = (2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    "silent, beating, expected",
    [
        (waited(20, cut=False), waited(20, cut=False, beats=BEATS), []),
        (waited(5, cut=True), waited(20, cut=False, beats=BEATS), ["error: idle-cut"]),
        (waited(60, cut=True), waited(90, cut=False, beats=BEATS), ["note: idle-cut"]),
        (waited(60, cut=True, start={"heartbeat_seconds": 0}), waited(90, cut=False, beats=BEATS), ["error: idle-cut"]),
        (waited(15, cut=True), waited(15.3, cut=True, beats=BEATS), ["error: total-cut"]),
        (waited(5, cut=True), waited(11, cut=True, beats=BEATS), ["error: idle-cut"]),
        (waited(20, cut=False), waited(20, cut=False), ["error: heartbeats-lost"]),
        (waited(60, cut=True), waited(90, cut=False), ["note: idle-cut", "error: heartbeats-lost"]),
    ],
    ids=["neither", "before the heartbeat", "after it", "no heartbeats", "both", "both, apart", "lost", "cut and lost"],
)
def test_a_silence_is_judged_beside_one_with_comments(silent: Case, beating: Case, expected: list[str]) -> None:
    """What cuts both is no idle limit; what the heartbeats prevent is no fault."""
    assert ids(judge_idle(silent, beating)) == expected


def test_the_second_of_a_silence_is_told() -> None:
    """And what the proxy's heartbeats have to do with it."""
    found = told(judge_idle(waited(5, cut=True), waited(20, cut=False, beats=BEATS)))
    assert found.seen == "a silent stream was cut after 5.0 s, before the proxy's heartbeat, every 15 s"
    assert found.evidence == {"seconds": 4.99, "after_seconds": 6.0}
    saved = told(judge_idle(waited(60, cut=True), waited(90, cut=False, beats=BEATS)))
    assert saved.seen == "a silent stream was cut after 60.0 s; the proxy's heartbeats come before that, every 15 s"
    assert saved.fix.startswith("nothing while heartbeats come before that; else proxy_read_timeout")


def test_the_second_is_told_where_all_was_held_back_until_the_cut() -> None:
    """It counts from when the last event was written, whatever came of it when."""
    silent = probe([(0.0, 5.1), (0.01, 5.1)], ends=False, headers=NGINX, end=End.CUT, ended_at=5.1)
    beating = probe([(0.0, 8.1), (0.01, 8.1), (8.0, 8.1)], headers=NGINX, beats=(8.1,))
    found = told(judge_idle(silent, beating))
    assert found.seen.startswith("a silent stream was cut after 5.0 s, before the proxy's heartbeat")
    assert found.evidence == {"seconds": 4.99, "after_seconds": 5.1}


def test_a_probe_without_a_silence_helps_to_tell_the_second() -> None:
    """Where both of the others were cut."""
    silent = probe([(0.0, 5.1), (0.01, 5.1)], ends=False, headers=NGINX, end=End.CUT, ended_at=5.1)
    beating = probe([(0.0, 9.1), (0.01, 9.1)], ends=False, headers=NGINX, end=End.CUT, ended_at=9.1)
    paced = probe([(0.0, 2.1), (2.0, 2.1)], headers=NGINX)
    assert told(judge_idle(silent, beating, paced)).evidence["seconds"] == 4.99


def test_what_ends_without_framing_is_a_cut_where_the_last_event_is_missing() -> None:
    """The connection's end says nothing then, but a probe knows its own."""
    silent = probe([(0.0, 0.1)], ends=False, chunked=False, end=End.CLOSED, ended_at=5.1)
    assert ids(judge_idle(silent, waited(20, cut=False, beats=BEATS))) == ["error: idle-cut"]


def test_a_probe_that_was_never_silent_shows_a_limit_on_the_whole() -> None:
    """With who has announced it, or may have it."""
    ticks = [(float(n), float(n)) for n in range(16)]
    facts: dict[str, Any] = {"ends": False, "end": End.CUT}
    announced = told(judge_total(probe(ticks, headers=ENVOY, seen=ANNOUNCED, ended_at=16.0, **facts)))
    assert (announced.id, announced.culprit, announced.evidence) == ("total-cut", "Envoy", {"seconds": 16.0})
    assert "timeout: 0s on the route" in announced.fix
    unknown = told(judge_total(probe(ticks, ended_at=17.9, **facts)))
    assert (unknown.culprit, unknown.fix) == ("", "no limit on the whole response in the hop that cuts")
    assert list(judge_total(probe(ticks))) == []


def test_what_envoy_announces_is_told_before_it_happens() -> None:
    """And once it has, as the cut."""
    found = told(judge_announced(probe([(0.0, 0.0)], headers=ENVOY, seen=ANNOUNCED)))
    assert (found.id, found.culprit, found.evidence) == ("total-limit", "Envoy", {"seconds": 15.0})
    cut = probe([(0.0, 0.0)], headers=ENVOY, seen=ANNOUNCED, ends=False, end=End.CUT, ended_at=15.2)
    assert ids(judge_end(cut)) == ["error: total-cut"]


@pytest.mark.parametrize("value", ["0", "", "soon"])
def test_no_limit_is_not_announced(value: str) -> None:
    """Envoy's own word for none, and nonsense."""
    seen = (("x-envoy-expected-rq-timeout-ms", value),)
    assert list(judge_announced(probe([(0.0, 0.0)], seen=seen))) == []
    assert list(judge_announced(case([(1.0, b"data: a\n\n")]))) == []
