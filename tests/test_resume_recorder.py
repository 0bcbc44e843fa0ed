"""`resume.recorder`: one response on its way into the journal."""

from __future__ import annotations

import pytest
from starlette.types import Message

from sse_proxy.core.admission import Admission, Place
from sse_proxy.core.dialects import GENERIC, StreamState, Voice
from sse_proxy.core.numbering import Numbering
from sse_proxy.core.pipeline import Pipeline
from sse_proxy.entrance import Entrance
from sse_proxy.errors import Outcome, SSEProxyError
from sse_proxy.metrics.base import NullMetrics
from sse_proxy.replay.base import End, Head
from sse_proxy.resume.heads import Pace
from sse_proxy.resume.recorder import Recorder, Stopped
from sse_proxy.resume.seats import Seats

PACE = Pace(heartbeat_mode="auto", heartbeat_seconds=15.0, client_stall_timeout_seconds=60.0)
STREAM = "0123456789abcdef" * 2
SSE = (b"content-type", b"text/event-stream; charset=utf-8")


class Recording:
    """A `Recording` that notes what it is told."""

    def __init__(self) -> None:
        self.resumable = True
        self.heard = 0.0
        self.head: Head | None = None
        self.events: list[tuple[int, bytes]] = []
        self.ends: list[tuple[End, bool]] = []

    def begin(self, head: Head) -> None:
        assert not self.events
        self.head = head

    def append(self, n: int, event: bytes) -> None:
        self.events.append((n, event))

    def end(self, end: End, *, keep: bool = True) -> None:
        self.ends.append((end, keep))


class Stream:
    """A response whose events are numbered by *numbering*."""

    def __init__(self, numbering: Numbering | None) -> None:
        self.numbering = numbering
        self.voice: Voice = GENERIC
        self.told = StreamState()
        self.pipeline: Pipeline | None = None


class Bench:
    """A recorder, and all that it deals with."""

    def __init__(self, *, is_named: bool = False, detach_seconds: float = 10.0) -> None:
        self.numbering = Numbering(STREAM, apart=False)
        self.now = 100.0
        self.sent: list[Message] = []
        self.stopped: list[SSEProxyError] = []
        self.recording = Recording()
        self.seats = Seats(Entrance(Admission(), NullMetrics()))
        self.recorder = Recorder(
            self.numbering,
            send=self._send,
            seats=self.seats,
            location="/streams/x",
            is_named=is_named,
            detach_seconds=detach_seconds,
            pace=PACE,
            clock=lambda: self.now,
        )
        self.recorder.record_in(self.recording)
        self.stream = Stream(self.numbering)

    def bind(self) -> None:
        self.recorder.bind(self.stream, self.stopped.append, detaches=lambda: False, place=Place("a"))

    async def start(self, status: int = 200, *headers: tuple[bytes, bytes]) -> dict[bytes, bytes]:
        """The headers that the client gets."""
        await self.recorder({"type": "http.response.start", "status": status, "headers": list(headers)})
        return dict(self.sent[-1]["headers"])

    async def _send(self, message: Message) -> None:
        self.sent.append(message)


@pytest.fixture
def bench() -> Bench:
    """One whose response is bound."""
    bench = Bench()
    bench.bind()
    return bench


async def test_a_place_of_the_upstreams_gives_way_to_ours(bench: Bench) -> None:
    """A browser takes no response with two of ``Location``, and the upstream's is not where the stream is kept."""
    await bench.start(200, SSE, (b"Location", b"/v1/runs/1"), (b"X-Stream-Id", b"theirs"))
    headers = bench.sent[0]["headers"]
    assert [pair for pair in headers if pair[0].lower() in {b"location", b"x-stream-id"}] == [
        (b"x-stream-id", STREAM.encode()),
        (b"location", b"/streams/x"),
    ]


async def test_what_comes_before_the_head_is_recorded_behind_it(bench: Bench) -> None:
    """Readers have to know how to speak before they have something to tell."""
    bench.numbering.apply(b"data: a\n\ndata: b\n\n")
    assert bench.recording.events == []
    told = await bench.start(200, SSE, (b"x-a", b"b"))
    bench.numbering.apply(b"data: c\n\n")
    assert told == dict([SSE, (b"x-a", b"b"), (b"x-stream-id", STREAM.encode()), (b"location", b"/streams/x")])
    assert bench.recording.head is not None
    assert bench.recording.head["headers"][1] == ["x-a", "b"]
    assert bench.recording.events == [(1, b"data: a\n\n"), (2, b"data: b\n\n"), (3, b"data: c\n\n")]
    bench.recorder.finish(Outcome.COMPLETED)
    assert bench.recording.ends == [(End.COMPLETE, True)]


@pytest.mark.parametrize("status, kind", [(500, SSE), (200, (b"content-type", b"application/json"))])
async def test_what_is_no_event_stream_is_dropped(bench: Bench, status: int, kind: tuple[bytes, bytes]) -> None:
    """Nothing is added, nothing is kept of it, nor held for it, and nobody is waited for."""
    bench.numbering.apply(b"data: a\n\n")
    assert await bench.start(status, kind) == dict([kind])
    assert bench.numbering.record is None
    assert bench.recording.ends == [(End.ERROR, False)]
    assert not bench.recorder.detach()


async def test_what_we_do_not_number_is_dropped(bench: Bench) -> None:
    """Before the response has begun, or, where its first event tells so, later."""
    bench.stream.numbering = None
    assert await bench.start(200, SSE) == dict([SSE])
    later = Bench()
    later.bind()
    await later.start(200, SSE)
    later.stream.numbering = None
    later.recorder.finish(Outcome.COMPLETED)
    assert (bench.recording.ends, later.recording.ends) == ([(End.ERROR, False)], [(End.COMPLETE, False)])


@pytest.mark.parametrize("begun", [False, True])
async def test_what_has_ids_of_its_own_is_dropped_at_once(bench: Bench, begun: bool) -> None:
    """Also where it was promised: readers that are there are told, and nobody is generated for who cannot come back."""
    if begun:
        await bench.start(200, SSE)
    bench.numbering.give_way()
    assert bench.recording.ends == [(End.ERROR, False)]
    assert not bench.recorder.detach()


async def test_nobody_is_waited_for_where_nothing_is_numbered(bench: Bench) -> None:
    """Nothing could be replayed to him."""
    await bench.start(200, SSE)
    bench.stream.numbering = None
    assert not bench.recorder.detach()


async def test_a_store_that_is_down_is_told_of(bench: Bench) -> None:
    """The stream flows on, and nothing is held for it."""
    bench.recording.resumable = False
    assert await bench.start(200, SSE) == dict([SSE, (b"x-sse-resume", b"unavailable")])
    bench.numbering.apply(b"data: a\n\n")
    assert (bench.recording.head, bench.recording.events) == (None, [])
    assert not bench.recorder.detach()


@pytest.mark.parametrize(
    "outcome, end, told",
    [
        (Outcome.COMPLETED, End.COMPLETE, b""),
        (Outcome.UPSTREAM_TRUNCATED, End.TRUNCATED, b""),
        (Outcome.CLIENT_DISCONNECTED, End.STOPPED, b"nobody was listening"),
        (Outcome.CLIENT_STALLED, End.STOPPED, b"nobody was listening"),
        (Outcome.STOPPED, End.ERROR, b"the process that produced this stream is gone"),
        (None, End.ERROR, b"the process that produced this stream is gone"),
        (Outcome.UPSTREAM_ERROR, End.ERROR, b""),
        (Outcome.IDLE_TIMEOUT, End.ERROR, b""),
        (Outcome.DRAINED, End.ERROR, b""),
    ],
)
async def test_how_it_ended_is_kept(bench: Bench, outcome: Outcome | None, end: End, told: bytes) -> None:
    """As readers have to know it: with the reason where nobody was there whom the response could have told it."""
    await bench.start(200, SSE)
    bench.numbering.apply(b"data: a\n\n")
    bench.recorder.finish(outcome)
    assert bench.recording.ends == [(end, True)]
    added = bench.recording.events[1:]
    assert [(n, told in event) for n, event in added] == ([(2, True)] if told else [])


@pytest.mark.parametrize("why", ["stopped", "detached", "over"])
async def test_what_was_told_already_is_not_told_again(bench: Bench, why: str) -> None:
    """By the response, to the log alone if need be; nor is an error told behind an answer that is whole."""
    await bench.start(200, SSE)
    if why == "stopped":
        bench.recorder.on_stop()
    elif why == "detached":
        assert bench.recorder.detach()
    else:
        bench.stream.pipeline = Pipeline(GENERIC, state=StreamState(terminated=True), max_event_bytes=1)
    bench.recorder.finish(Outcome.STOPPED if why == "stopped" else Outcome.CLIENT_DISCONNECTED)
    end = End.CANCELLED if why == "over" else End.STOPPED
    assert (bench.recording.ends, bench.recording.events) == ([(end, True)], [])


async def test_a_stop_that_comes_too_late_to_be_told_is_told_to_the_log(bench: Bench) -> None:
    """The client has gone, and its response unwinds: it tells nothing any more."""
    await bench.start(200, SSE)
    bench.recorder.on_stop()
    bench.recorder.finish(Outcome.CLIENT_DISCONNECTED)
    assert bench.recording.ends == [(End.STOPPED, True)]
    assert [(n, b"nobody was listening" in event) for n, event in bench.recording.events] == [(1, True)]


async def test_a_response_that_never_began_is_dropped(bench: Bench) -> None:
    """Its client left, or it was refused."""
    bench.recorder.finish(Outcome.CLIENT_DISCONNECTED)
    assert bench.recording.ends == [(End.CANCELLED, False)]


async def test_patience_lasts_from_when_somebody_was_last_heard(bench: Bench) -> None:
    """Or from when the client left, if nobody came since; what is lost is not waited for."""
    await bench.start(200, SSE)
    bench.now = 150.0
    assert bench.recorder.detach()
    assert bench.recorder.patience() == 10.0
    bench.now = 155.0
    assert bench.recorder.patience() == 5.0
    bench.recording.heard = 153.0
    assert bench.recorder.patience() == 8.0
    bench.recording.resumable = False
    assert bench.recorder.patience() == 0.0


@pytest.mark.parametrize(("heard", "goes_on"), [(0.0, False), (97.0, False), (99.0, True), (100.0, True)])
async def test_without_patience_it_goes_on_while_somebody_listens(heard: float, goes_on: bool) -> None:
    """Who does so elsewhere was last heard of some seconds ago."""
    bench = Bench(detach_seconds=0.0)
    bench.bind()
    await bench.start(200, SSE)
    bench.recording.heard = heard
    assert bench.recorder.detach() is goes_on


async def test_nobody_is_waited_for_who_cannot_know_of_it(bench: Bench) -> None:
    """Before the response began only a name leads to it."""
    assert not bench.recorder.detach()
    named = Bench(is_named=True)
    named.bind()
    assert named.recorder.detach()


async def test_the_client_that_is_gone_is_sent_nothing(bench: Bench) -> None:
    """Some servers raise at that."""
    named = Bench(is_named=True)
    named.bind()
    named.recorder.detach()
    await named.recorder({"type": "http.response.start", "status": 200, "headers": [SSE]})
    assert (named.sent, named.recording.head is not None) == ([], True)


@pytest.mark.parametrize("early", [True, False])
def test_it_is_stopped_whenever_somebody_says_so(early: bool) -> None:
    """Also before the response is there; never after its end."""
    bench = Bench()
    if early:
        bench.recorder.on_stop()
        bench.bind()
    else:
        bench.bind()
        bench.recorder.on_stop()
    assert [type(cause) for cause in bench.stopped] == [Stopped]
    bench.recorder.finish(Outcome.STOPPED)
    bench.recorder.on_stop()
    assert len(bench.stopped) == 1


async def test_body_bytes_go_by_the_servers_wire(bench: Bench) -> None:
    """If it has one: the recorder has seen them, by the numbering."""

    class Wired:
        wire = object()

        async def __call__(self, message: Message) -> None: ...

    assert bench.recorder.wire is None
    recorder = Recorder(
        bench.numbering,
        send=Wired(),
        seats=bench.seats,
        location="",
        is_named=False,
        detach_seconds=1.0,
        pace=PACE,
        clock=lambda: 0.0,
    )
    assert recorder.wire is Wired.wire
