"""The benchmark's load, its fake upstream and its look into /proc, without any peer."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.client import StreamClient, whole_events
from bench.control import Control, upstream
from bench.cores import roles
from bench.events import LAST_CHUNK, MARK, Form, block, chunk, form_for
from bench.load import Failed, check, ended, open_all, open_at_once, probe, request_for
from bench.manner import Manner, writes
from bench.meter import Meter
from bench.peers import CHAT, DIRECT, PEERS
from bench.plan import FULL, QUICK
from bench.processes import clocks, parse_stat, resident_bytes, spent_seconds, tree
from bench.request import max_tokens, path_of, request_length
from bench.response import BadResponse, ResponseReader
from bench.startup import imports
from bench.wheel import Wheel

from .event_streams import reference_events

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MESSAGES = "/v1/messages"


def read(*pieces: bytes) -> tuple[bytes, bool]:
    """Return the payload of *pieces* and whether the response is complete."""
    reader = ResponseReader()
    return b"".join(reader.feed(piece) for piece in pieces), reader.is_complete


def stream(form: Form, count: int) -> bytes:
    """Return the body of a whole stream of *form*, as HTTP chunks."""
    return form.opening + block(form, count, together=False) + form.closing + LAST_CHUNK


@pytest.mark.parametrize("trailer", [b"", b"Server-Timing: total;dur=2\r\n"])
def test_a_response_is_read_alike_in_any_split(trailer: bytes) -> None:
    """Whole, byte by byte and in two pieces: the payload is that of the chunks, and the end is seen."""
    body = chunk(b"data: a\n\n") + b"5;x=y\r\nb\r\n0\r\r\n" + b"0\r\n" + trailer + b"\r\n"
    whole = HEAD + body
    expected = (b"data: a\n\nb\r\n0\r", True)
    assert expected == read(whole)
    assert expected == read(*(whole[i : i + 1] for i in range(len(whole))))
    assert [expected] * len(whole) == [read(whole[:cut], whole[cut:]) for cut in range(len(whole))]


def test_a_chunk_a_read_is_read_as_any_other() -> None:
    """The way that most reads take gives what the others do."""
    assert (b"data: a\n\ndata: b\n\n", True) == read(HEAD, chunk(b"data: a\n\n"), chunk(b"data: b\n\n"), LAST_CHUNK)


def test_a_response_with_a_length_ends_there() -> None:
    """A body that tells its length is complete with its last byte."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
    assert (b"ab", False) == read(head, b"ab")
    assert (b"abcd", True) == read(head + b"ab", b"cd")


@pytest.mark.parametrize(
    "response",
    [b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n", HEAD + b"data: a\r\n", b"x" * 20_000],
    ids=["another status", "no end", "no size", "no head"],
)
def test_what_is_no_answer_is_an_error(response: bytes) -> None:
    """A load generator that took them for streams would measure nothing."""
    with pytest.raises(BadResponse):
        read(response)


@pytest.mark.parametrize("crlf", [False, True])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_the_fake_upstream_writes_event_streams(path: str, crlf: bool) -> None:
    """Each event is JSON (or the terminator), each token has its number, and its text is not always the same."""
    payload, is_complete = read(HEAD + stream(form_for(path, crlf=crlf), 40))
    events = [event.data for event in reference_events(payload)]
    tokens = [data for data in events if MARK.search(data.encode())]
    assert is_complete
    assert list(range(40)) == [int(MARK.findall(token.encode())[0][0]) for token in tokens]
    assert len({MARK.sub(b"", token.encode()) for token in tokens}) > 30
    assert all(json.loads(data) for data in events if data != "[DONE]")
    assert (payload.count(b"\r\n") == payload.count(b"\n")) is crlf


@pytest.mark.parametrize("together", [False, True])
def test_a_firehose_writes_the_same_tokens(together: bool) -> None:
    """In one chunk or in many, the payload of a write is that of its tokens."""
    form = form_for(CHAT)
    single = b"".join(read(HEAD + block(form, 1, together=False, first=number))[0] for number in range(32, 64))
    written = writes(form, Manner(burst=32, together=together))[1]
    assert (single, False) == read(HEAD + written)
    assert (1 if together else 32) == written.count(b"data: {") - written.count(b"\n\ndata: {")


@pytest.mark.parametrize(
    "request_bytes",
    [request_for(CHAT, max_tokens=7), b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"],
    ids=["length", "chunked"],
)
def test_a_request_is_complete_with_its_last_byte(request_bytes: bytes) -> None:
    """Head and body are told from what follows, and nothing is answered early."""
    assert {None} == {request_length(request_bytes[:cut]) for cut in range(len(request_bytes))}
    assert len(request_bytes) == request_length(request_bytes + b"GET")


def test_a_request_says_what_it_wants() -> None:
    """Path and number of tokens, by the older name and by the newer one."""
    asked = request_for(CHAT, max_tokens=7)
    assert (CHAT, 7) == (path_of(asked), max_tokens(asked))
    assert max_tokens(asked.replace(b"max_tokens", b"max_completion_tokens")) == 7
    assert max_tokens(request_for("/ids")) > 1_000_000_000


def test_on_the_wheel_each_has_one_turn_a_period_and_they_are_spread() -> None:
    """100 members at 20 a second: in each of two rounds of 50 ticks all of them, and never more than a few at once."""
    wheel = Wheel[int](20.0)
    for member in range(101):
        wheel.add(member)
    wheel.discard(100)
    wheel.discard(100)
    rounds = [[wheel.turn() for _ in range(50)] for _ in range(2)]
    assert [list(range(100))] * 2 == [sorted(member for turn in turns for member in turn) for turns in rounds]
    assert max(len(turn) for turn in rounds[0]) <= 4
    assert len(wheel) == 100


@pytest.mark.parametrize(
    ("data", "whole"),
    [(b"data: a\n\ndata: b", 9), (b"data: a\r\n\r\ndata: b\r\n", 11), (b"data: a\n", 0), (b"a\n\n", 3), (b"", 0)],
)
def test_the_beginning_of_an_event_is_kept_for_later(data: bytes, whole: int) -> None:
    """A mark must not be read before all of it is there."""
    assert whole == whole_events(data)


class Closed:
    """A transport that nothing comes from."""

    def write(self, data: bytes) -> None:
        pass

    def close(self) -> None:
        pass


async def test_a_missing_token_is_a_fault() -> None:
    """A server that drops an event does not get away with a better figure."""
    meter, form = Meter(), form_for(CHAT)
    client = StreamClient(b"", meter)
    client.connection_made(Closed())  # type: ignore[arg-type]  # all that is used of one
    client.data_received(HEAD + block(form, 2, together=False) + block(form, 1, together=False, first=3))
    assert client.ended.done()
    assert ["token 3 came where 2 was due"] == meter.faults
    with pytest.raises(Failed, match="1 streams failed"):
        check(meter)


@pytest.fixture(scope="module")
def control() -> Iterator[Control]:
    """The fake upstream."""
    with upstream(min(os.sched_getaffinity(0))) as running:
        yield running


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
async def test_every_token_that_is_written_arrives(control: Control, path: str) -> None:
    """Endless streams and short ones beside them: the counts of both ends agree, and all times are there."""
    control.set(Manner(rate=200.0))
    meter = Meter()
    meter.record()
    clients = await open_all(StreamClient, request_for(path), meter, control.port, 5)
    probed = await probe(request_for(path, max_tokens=3), control.port, 4, 0.001)
    written = control.stop()
    await ended(clients)
    check(meter)
    assert written == meter.events + probed.events
    assert probed.events == 12
    assert len(meter.delays) == len(meter.jitters) == meter.events
    assert 0 < min(meter.delays)
    assert len(meter.first_bytes) == 5


async def test_many_streams_are_opened_at_once(control: Control) -> None:
    """Each of them has its time to first byte."""
    control.set(Manner())
    found = await open_at_once(request_for(CHAT, max_tokens=1), control.port, 20)
    assert 20 == len([nanoseconds for nanoseconds in found if nanoseconds > 0])


def test_a_program_may_have_any_name() -> None:
    """proc_pid_stat(5): the name stands in parentheses and may hold some."""
    fields = ["S", "7", *["0"] * 9, "150", "50", *["0"] * 8, "3", "0"]
    stat = parse_stat(f"12 (nginx: (worker) 1) {' '.join(fields)}\n")
    assert (7, 2.0) == (stat.parent, stat.cpu_seconds * os.sysconf("SC_CLK_TCK") / 100)
    assert 3 * os.sysconf("SC_PAGE_SIZE") == stat.resident_bytes


def a_process(proc: Path, pid: int, parent: int, threads: dict[int, int]) -> None:
    """Make *proc* tell of a process with so many nanoseconds in each thread, 100 ticks and 2 pages."""
    directory = proc / str(pid)
    directory.mkdir(parents=True)
    (directory / "stat").write_text(f"{pid} (server) S {parent} {'0 ' * 9}60 40 {'0 ' * 8}2 0\n")
    for thread, nanoseconds in threads.items():
        (directory / "task" / str(thread)).mkdir(parents=True)
        (directory / "task" / str(thread) / "schedstat").write_text(f"{nanoseconds} 5 6\n")


def test_a_tree_of_processes_costs_what_all_its_threads_cost(tmp_path: Path) -> None:
    """Children's children count, strangers do not; where the scheduler tells nothing, the ticks do."""
    a_process(tmp_path, 10, 1, {10: 1_500_000_000, 11: 500_000_000})
    a_process(tmp_path, 20, 10, {20: 250_000_000})
    a_process(tmp_path, 30, 20, {})
    a_process(tmp_path, 40, 1, {40: 9_000_000_000})
    (tmp_path / "self").mkdir()
    pids = tree(10, tmp_path)
    ticks = 100 / os.sysconf("SC_CLK_TCK")
    assert (10, 20, 30) == pids
    assert {10: 1.5, 11: 0.5, 20: 0.25, 30: ticks} == clocks(pids, tmp_path)
    assert 6 * os.sysconf("SC_PAGE_SIZE") == resident_bytes(pids, tmp_path)
    assert resident_bytes((99,), tmp_path) == 0


def test_time_is_spent_between_two_looks() -> None:
    """A thread that is new counts whole, one that has ended is out of sight."""
    assert spent_seconds({1: 1.0, 2: 5.0}, {1: 1.75, 3: 0.5}) == 1.25


@pytest.mark.parametrize(("cores", "expected"), [({0, 1}, (0, 1, 1)), ({3, 5, 6, 7}, (3, 5, 6))])
def test_the_server_under_test_has_a_core_for_itself(cores: set[int], expected: tuple[int, int, int]) -> None:
    """The load shares the others."""
    assert expected == roles(cores)


def test_one_core_is_not_enough() -> None:
    """The load would take its time from the server under test."""
    with pytest.raises(ValueError, match="two cores"):
        roles({0})


def test_imports_are_added_up() -> None:
    """The report's own microseconds of each module, without those within it; other lines are none of it."""
    report = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       150 |        150 |   json.decoder\n"
        "{'event': 'ready'}\n"
        "import time:        50 |        200 | json\n"
    )
    assert (0.0002, 2) == imports(report)


def test_the_full_plan_measures_every_peer_in_each_round() -> None:
    """Five rounds at least, and nobody is left out silently."""
    assert FULL.rounds >= 5
    assert {DIRECT, *PEERS} == {case.peer for case in FULL.cases}
    assert {case.peer for case in QUICK.cases} < {case.peer for case in FULL.cases}
    assert len(set(FULL.cases)) == len(FULL.cases)


def test_every_case_can_be_asked_for() -> None:
    """A peer is only asked for forms that it has a path for."""
    assert [] == [case for case in FULL.cases if case.peer != DIRECT and case.form not in PEERS[case.peer].paths]


def test_a_plan_can_be_narrowed() -> None:
    """By peer and by scenario, for a look at one thing."""
    plan = FULL.only(peers=["nginx"], scenarios=["load", "burst"]).but(rounds=2)
    assert ["load", "burst"] == [case.scenario for case in plan.cases]
    assert (2, {"nginx"}) == (plan.rounds, {case.peer for case in plan.cases})
