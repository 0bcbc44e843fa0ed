"""The soak's own checks: each is shown what it is there to find, planted, and finds it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bench.soak import kill, storm
from bench.soak.answer import Answer
from bench.soak.books import Books
from bench.soak.census import Census, grown, kib_an_hour, most_kib_an_hour, slope
from bench.soak.client import Result, reading_of
from bench.soak.errands import MIXES, SOAK, Errand, Kind, errand, request
from bench.soak.expected import EXPECTED, Fault, Verdict
from bench.soak.found import Found, Plan, Side
from bench.soak.page import keep, of_kill, of_soak, of_storm, write
from bench.soak.place import Place
from bench.soak.processes import Metrics
from bench.soak.reading import BodyReading, EventReading, LineReading
from bench.soak.script import Write, ask_of, script
from sse_proxy.demo.apis import APIS
from sse_proxy.outcome import Outcome

_MANY = range(3000)


def _first(fault: Fault, kind: Kind = Kind.STREAM, api: str = "openai_chat") -> Errand:
    every = (errand(SOAK, 1, number) for number in range(100_000))
    return next(each for each in every if (each.fault, each.kind, each.api.name) == (fault, kind, api))


def _is_passed_on(wanted: Errand) -> bool:
    """Whether the proxy changes nothing: it makes event streams canonical, and tells a bridge's in other words."""
    return wanted.kind not in {Kind.BRIDGE, Kind.REFRAMED} and wanted.api.framing != "sse-crlf"


def _played(wanted: Errand) -> tuple[Answer, Any]:
    """What a client has when the upstream's bytes reach it as they are."""
    answer, reading = Answer(), reading_of(wanted)
    for step in script(wanted):
        if isinstance(step, Write):
            payload = answer.feed(step.data)
            if answer.status == 200:
                reading.feed(payload)
    return answer, reading


def test_client_and_upstream_make_the_same_errand() -> None:
    """An errand follows from the seed and the number, and no two answers share a token."""
    assert [errand(SOAK, 7, number) for number in range(50)] == [errand(SOAK, 7, number) for number in range(50)]
    assert errand(SOAK, 7, 1) != errand(SOAK, 8, 1)
    one, other = _first(Fault.NONE), _first(Fault.NONE, api="openai_completions")
    assert not set(ask_of(one).tokens) & set(ask_of(other).tokens)


def test_every_api_kind_and_fault_comes_up() -> None:
    """Nothing of the mix is left out by how errands are drawn."""
    drawn = [errand(SOAK, 1, number) for number in _MANY]
    assert {each.fault for each in drawn} == set(EXPECTED) == set(Fault)
    assert {each.kind for each in drawn} == set(Kind)
    assert {id(each.api) for each in drawn} == {id(api) for api in APIS}


@pytest.mark.parametrize("mix", MIXES)
def test_whatever_the_upstream_says_to_its_end_is_read_as_whole(mix: str) -> None:
    """The readers agree with the scripts in every framing, without a proxy between them."""
    for number in range(400):
        wanted = errand(MIXES[mix], 3, number)
        if EXPECTED[wanted.fault].verdicts == {Verdict.WHOLE} and _is_passed_on(wanted):
            answer, reading = _played(wanted)
            assert (answer.is_complete, reading.is_whole(), reading.wrong) == (True, True, ""), wanted


@pytest.mark.parametrize("fault", [Fault.TRUNCATE, Fault.DIE, Fault.RESET, Fault.STALL, Fault.DIE_MID_EVENT])
def test_what_is_cut_is_no_whole_answer(fault: Fault) -> None:
    """A true beginning is neither whole nor wrong, nor an error that was told."""
    for number in _MANY:
        wanted = errand(SOAK, 1, number)
        if wanted.fault is fault and wanted.kind is Kind.STREAM:
            _, reading = _played(wanted)
            assert (reading.is_whole(), reading.error, reading.wrong) == (False, False, ""), wanted


def test_an_error_of_any_api_is_told() -> None:
    """The upstream's own errors are recognised in every framing that has them."""
    for number in _MANY:
        wanted = errand(SOAK, 1, number)
        if wanted.fault is Fault.ERROR and wanted.kind is Kind.STREAM and _is_passed_on(wanted):
            _, reading = _played(wanted)
            assert (reading.error, reading.wrong) == (True, ""), wanted


@pytest.mark.parametrize(
    "payload",
    [
        b"data: one\n\ndata: three\n\n",
        b"data: one\n\ndata: one\n\n",
        b"data: two\n\n",
        b'data: {"say": "error"}\n\n',
        b"event: other\ndata: one\n\n",
    ],
)
def test_an_event_that_is_not_the_next_one_is_wrong(payload: bytes) -> None:
    """Left out, doubled, foreign, of another type: each is found out at once."""
    reading = EventReading([("", "one"), ("", "two"), ("", "three")])
    reading.feed(payload)
    assert reading.wrong
    assert not reading.is_whole()


def test_heartbeats_are_no_events() -> None:
    """Comments and no-ops are counted apart; half an event is none."""
    reading = EventReading([("", '{"a": 1}')])
    reading.feed(b': ping\ndata: {"a":1}\n\n: ping\n\nevent: ping\ndata: {}\n\ndata: {"candidates":[]}\n\ndata: {"a')
    assert (reading.count, reading.heartbeats, reading.wrong, reading.is_whole()) == (1, 4, "", True)


def test_other_framings_are_compared_too() -> None:
    """Lines by their documents, bodies by their bytes, white space apart where it is a heartbeat."""
    lines = LineReading([("", '{"a":1}'), ("", '{"b":2}')])
    lines.feed(b'{"a": 1}\n\n{"b"')
    lines.feed(b":3}\n")
    assert (lines.count, bool(lines.wrong)) == (1, True)
    torn = LineReading([("", '0:"one"'), ("", '0:"two"')])
    torn.feed(b'0:"one"\n0:"t\n3:"it broke"\nd:{}\n')
    assert (torn.count, torn.error, torn.wrong, torn.is_whole()) == (1, True, "", False)
    glued = LineReading([("", '0:"one"'), ("", '0:"two"')])
    glued.feed(b'0:"o\n0:"two"\n')
    assert glued.wrong
    body = BodyReading(b'[{"a": 1},\n{"b": 2}]', is_spaced=True)
    body.feed(b'[ {"a":1}')
    body.feed(b', {"b":3')
    assert body.wrong.startswith("byte 14")


def _books(
    fault: Fault = Fault.NONE, verdict: Verdict = Verdict.WHOLE, *, events: int = 5, **line: object
) -> tuple[Books, Metrics]:
    """Books of one errand on which everybody agrees, but for what *line* says differently, and the metrics to them."""
    wanted, books = _first(fault), Books()
    books.add(Result(errand=wanted, name="a", began=1, ended=2, verdict=verdict, statuses=[200], requests=1, events=5))
    told = {"request_id": "a", "route": "proxy", "dialect": "openai_chat", "outcome": "completed", "events": events}
    books.read([told | line])
    metrics: Metrics = {
        ("sse_proxy_streams_active", ()): 0.0,
        ("sse_proxy_streams_total", (("dialect", "openai_chat"), ("outcome", "completed"))): 1.0,
        ("sse_proxy_events_total", (("dialect", "openai_chat"),)): 5.0,
        ("sse_proxy_requests_total", (("code", "200"), ("route", "proxy"))): 1.0,
    }
    return books, metrics


def test_books_that_agree_have_no_fault() -> None:
    """The control of the tests below."""
    books, metrics = _books()
    books.close()
    books.check(metrics)
    assert books.faults == []


@pytest.mark.parametrize(
    "name",
    [
        "sse_proxy_streams_active",
        "sse_proxy_streams_total",
        "sse_proxy_events_total",
        "sse_proxy_requests_total",
    ],
)
@pytest.mark.parametrize("planted", [1.0, -1.0])
def test_a_planted_wrong_counter_is_found(name: str, planted: float) -> None:
    """One too many or one too few of any counter is told."""
    books, metrics = _books()
    key = next(key for key in metrics if key[0] == name)
    metrics[key] += planted
    books.close()
    books.check(metrics)
    assert books.fault_count
    assert all(name.removeprefix("sse_proxy_") in fault for fault in books.faults)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"events": 6}, "6 events counted, 5 seen"),
        ({"events": 4}, "4 events counted, 5 seen"),
        ({"outcome": "upstream_truncated"}, "counted as upstream_truncated"),
        ({"request_id": "b"}, "of no request"),
    ],
)
def test_a_line_that_does_not_fit_its_request_is_found(line: dict[str, object], told: str) -> None:
    """Each stream is looked up by its own id, so that two mistakes do not cancel out."""
    books, _ = _books(**cast(Any, line))
    books.close()
    assert any(told in fault for fault in books.faults)


@pytest.mark.parametrize("verdict", [Verdict.SILENT, Verdict.WRONG, Verdict.STUCK, Verdict.TOLD])
def test_an_ending_that_may_not_be_is_found(verdict: Verdict) -> None:
    """Whatever the proxy has counted."""
    books, _ = _books(verdict=verdict)
    assert books.fault_count == 1


@pytest.mark.parametrize(
    ("statuses", "may_be"),
    [([200, 200, 503], True), ([200, 200], False), ([503], False)],
    ids=["refused when it came back", "let in", "refused at once"],
)
def test_a_reader_that_a_drain_refuses_has_left(statuses: list[int], may_be: bool) -> None:
    """Its stream runs on until nobody has listened for long enough: `client_disconnected`, but not for any other."""
    wanted = _first(Fault.NONE, Kind.RESUME)
    verdict = Verdict.TOLD if statuses[-1] == 503 else Verdict.WHOLE
    books, visits = Books(disturbed=lambda _began, _ended: frozenset({None, Outcome.DRAINED})), len(statuses)
    books.add(Result(errand=wanted, name="a", began=1, verdict=verdict, statuses=statuses, requests=visits, events=5))
    line = {"request_id": "a.1", "route": "openai_chat", "dialect": "openai_chat", "events": 5}
    books.read([line | {"outcome": "client_disconnected"}])
    books.close()
    assert (not books.faults) is may_be


def test_a_disturbance_excuses_an_error_and_no_silence() -> None:
    """What happens to everybody may lead to errors; a silent end is one under any circumstances."""
    books = Books(disturbed=lambda _began, _ended: frozenset({cast(Any, "rejected")}))
    for verdict in (Verdict.TOLD, Verdict.SILENT):
        books.add(Result(errand=_first(Fault.NONE), name=verdict, began=1, verdict=verdict))
    assert [fault.endswith(Verdict.SILENT) for fault in books.faults] == [True]


def _census(**changed: object) -> Census:
    plain: dict[str, Any] = {
        "descriptors": {"socket": 5, "file": 4},
        "sockets": {"LISTEN": 3},
        "threads": 1,
        "tasks": {"serve": 1},
        "timers": {},
        "objects": {"sse_proxy.flag.Flag": 2},
    }
    return Census(**plain | changed)


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"descriptors": {"socket": 6, "file": 4}}, "descriptors: socket: 5 before, 6 after"),
        ({"sockets": {"LISTEN": 3, "CLOSE_WAIT": 1}}, "sockets: CLOSE_WAIT: 0 before, 1 after"),
        ({"tasks": {"serve": 2}}, "tasks: serve: 1 before, 2 after"),
        ({"timers": {"tick": 1}}, "timers: tick: 0 before, 1 after"),
        ({"objects": {"sse_proxy.flag.Flag": 9}}, "objects: sse_proxy.flag.Flag: 2 before, 9 after"),
        ({"threads": 4}, "threads: 1 before, 4 after"),
    ],
)
def test_what_is_left_behind_is_found(more: dict[str, object], found: str) -> None:
    """One more of anything is told, by name; less is none, nor what is allowed for."""
    assert grown(_census(), _census(**more)) == [found]
    assert grown(_census(**more), _census()) == []
    assert grown(_census(), _census(**more), threads=3, objects=7, sockets=1) == [
        told for told in [found] if told.startswith(("tasks", "timers"))
    ]


def test_a_slope_is_not_moved_by_outliers() -> None:
    """Theil-Sen: a fifth of wild samples change nothing; the first half, where caches fill, does not count."""
    steady = [(float(second), 50_000.0 + second % 3) for second in range(3600)]
    wild = [(x, y + 90_000 if x % 5 == 0 else y) for x, y in steady]
    warming = [(x, y - 10_000 if x < 1700 else y) for x, y in steady]
    assert [round(abs(kib_an_hour(each))) for each in (steady, wild, warming)] == [0, 0, 0]
    with pytest.raises(ValueError, match="fewer than two"):
        slope([(0.0, 1.0)])


def test_a_leak_shows_as_slope() -> None:
    """5 KiB a second, less than a KiB a stream, are far above the bound of an hour's soak."""
    leaking = [(float(second), 50_000.0 + 5 * second) for second in range(0, 3600, 5)]
    assert kib_an_hour(leaking) == pytest.approx(18_000)
    assert most_kib_an_hour(leaking) == pytest.approx(6162, rel=0.01)
    assert most_kib_an_hour([(float(second), 0.0) for second in range(0, 36_000, 5)]) == 4096


def test_requests_carry_what_both_sides_need() -> None:
    """The id by which the log knows them, and the number by which the upstream does."""
    data = request(_first(Fault.NONE), "soak-1", headers=("X-SSE-Resume: on",))
    assert b"\r\nX-Request-Id: soak-1\r\n" in data
    assert b"\r\nX-SSE-Resume: on\r\n" in data
    assert json.loads(data.partition(b"\r\n\r\n")[2])["stream"] is True


def test_a_bucket_is_that_of_the_time_looked_at() -> None:
    """What was observed before does not count."""
    name = "lag_bucket"
    before: Metrics = {(name, (("le", edge),)): 100.0 for edge in ("0.001", "0.1", "+Inf")}
    after: Metrics = {
        (name, (("le", "0.001"),)): 150.0,
        (name, (("le", "0.1"),)): 200.0,
        (name, (("le", "+Inf"),)): 200.0,
    }
    assert (storm.bucket(before, after, name, 50), storm.bucket(before, after, name, 99)) == (0.001, 0.1)
    assert storm.bucket(before, before, name, 50) == 0.0


def _found(books: Books) -> Found:
    proxy = cast(Any, SimpleNamespace(name="memory"))
    memory = [(float(second), 50_000.0) for second in range(100)]
    side = Side(proxy=proxy, books=books, place=Place(port=1, limit_seconds=1), memory=memory)
    return Found(plan=Plan(), seconds=99, sides=[side], disturbances={"Redis paused": 2})


def test_pages_tell_what_was_found(tmp_path: Path) -> None:
    """Goals that are met, goals that are missed with the first faults, and figures as JSON beside them."""
    good, bad = _books()[0], _books(outcome="rejected")[0]
    good.close()
    bad.close()
    text, figures = of_soak(_found(good))
    assert "missed" not in text
    assert "counted as rejected" in of_soak(_found(bad))[0]
    weather = storm.Weather(plan=storm.Plan(), books=good, place=Place(port=1, limit_seconds=1), seconds=60)
    weather.alive, weather.memory_kib, weather.hit = [8000], [90_000.0], Counter({Fault.RESET: 4800, Fault.NONE: 1})
    assert "4,800: 1.00 % of the streams a second" in of_storm(weather)[0]
    page = tmp_path / "page.md"
    page.write_text(
        "a\n<!-- soak: by x -->\nstale figures\n<!-- end -->\nb\n<!-- storm: by y -->\nkept\n<!-- end -->\n"
    )
    keep(tmp_path, "soak", text + "a\\1b", figures)
    assert write(tmp_path, page) == ["soak"]
    assert "stale" not in page.read_text()
    assert "a\\1b" in page.read_text()
    assert "kept" in page.read_text()
    assert json.loads((tmp_path / "soak.json").read_text())["soak"]["sides"][0]["errands"] == 1
    (tmp_path / "kill.md").write_text("x")
    with pytest.raises(ValueError, match="kill"):
        write(tmp_path, page)


@pytest.mark.parametrize(
    "changed",
    [
        {"told": Counter({"gave up": 3})},
        {"told": Counter({"complete": 2})},
        {"doubled": 1},
        {"skipped": 1},
        {"second_generations": 1},
        {"kept": 9, "replayed": 8},
    ],
)
def test_a_kill_that_breaks_a_promise_is_told(changed: dict[str, object]) -> None:
    """Silence, doubles, gaps, second generations, events that are not replayed: each misses the goal."""
    plan, plain = kill.Plan(readers=3), {"told": Counter({"404": 3})}
    fields: dict[str, Any] = {"title": "x", "readers": 3, "written": 30, "read": 28}
    assert kill.is_met(kill.Toll(**fields, **cast(Any, plain)), plan) == []
    broken = kill.Toll(**fields | plain | changed)
    assert kill.is_met(broken, plan)
    assert "**missed**" in of_kill(plan, [broken])[0]
