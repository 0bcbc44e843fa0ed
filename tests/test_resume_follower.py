"""`resume.follower`: one client that is told a stream from the journal, on real sockets."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from starlette.types import Receive, Scope, Send

from sse_proxy.replay.base import Batch, End
from sse_proxy.replay.local import LocalStream

from .kept_streams import IDENTITY, Kept, ScriptedJournal, ScriptedReader, Stream, ends, head, keeping, memory
from .streaming import Upstream, body, chunk, proxied, start, until
from .wire import calling, chat

ID = "0" * 32
PATH = f"/-/sse-proxy/streams/{ID}"
BROWSER = {"User-Agent": "Mozilla/5.0"}


def listeners(stream: object) -> int:
    """How many readers a stream of the memory journal has."""
    assert isinstance(stream, LocalStream)
    return stream.listeners


async def scripted(*batches: Batch, voice: str | None = "openai_chat") -> tuple[int, bytes, bool]:
    """Status, body and completeness of the answer to a reader that reads *batches*."""
    reader = ScriptedReader(batches, head=None if voice is None else head(voice))
    async with keeping(ScriptedJournal(reader)) as kept:
        answer = await kept.ask("GET", PATH)
        await kept.unread()
        assert reader.closed
        return answer.status, answer.body, answer.complete


async def test_what_is_kept_comes_first_and_then_what_follows() -> None:
    """No event is lost and none comes twice, wherever the reader joins."""
    async with keeping() as kept:
        stream = await kept.stream("a", "b", "c")
        async with kept.get(stream, 1) as call:
            assert await call.until(stream.told("c", after=2)) == stream.told("b", "c", after=1)
            stream.say("d")
            assert await call.until(stream.told("d", after=3)) == stream.told("d", after=3)
            stream.say("e", "f")
            stream.recording.end(End.COMPLETE)
            assert (await call.rest(), call.complete) == (stream.told("e", "f", after=4), True)
        assert kept.resumed() == {"replayed": 1}


async def test_a_reader_is_told_what_the_first_client_was() -> None:
    """Its headers, but for what belongs to one exchange; which stream this is, and from where on."""
    async with keeping() as kept:
        stream = await kept.stream("a", "b")
        stream.recording.end(End.COMPLETE)
        async with kept.get(stream, 1) as call:
            await call.rest()
        assert call.status == 200
        assert call.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert call.headers["cache-control"] == "no-cache, no-transform, no-store"
        assert (call.headers["x-accel-buffering"], call.headers["x-model"]) == ("no", "m")
        assert (call.headers["x-stream-id"], call.headers["x-replayed-from"]) == (stream.id, "1")
        assert "set-cookie" not in call.headers
        assert len(call.headers.get_list("x-request-id")) == 1


async def test_all_readers_see_the_same() -> None:
    """Several at a time, early and late ones, and whoever comes after the end."""
    async with keeping() as kept:
        stream = await kept.stream("a")
        async with kept.get(stream) as one, kept.get(stream) as two:
            for call in (one, two):
                await call.until(stream.told("a"))
            stream.say("b")
            async with kept.get(stream) as late:
                await late.until(stream.told("b", after=1))
                stream.say("c")
                stream.recording.end(End.COMPLETE)
                assert await late.rest() == stream.told("c", after=2)
            for call in (one, two):
                assert await call.rest() == stream.told("b", "c", after=1)
        async with kept.get(stream) as after_all:
            assert await after_all.rest() == stream.told("a", "b", "c")


async def test_a_long_replay_is_told_in_full() -> None:
    """However many events are kept."""
    texts = [f"token {n}" for n in range(2000)]
    async with keeping() as kept:
        stream = await kept.stream(*texts)
        stream.recording.end(End.COMPLETE)
        async with kept.get(stream) as call:
            assert await call.rest() == stream.told(*texts)


@pytest.mark.parametrize(
    ("headers", "apart"), [({}, False), (BROWSER, True), ({**BROWSER, "Accept": "text/event-stream"}, False)]
)
async def test_ids_go_where_this_reader_can_take_them(headers: dict[str, str], apart: bool) -> None:
    """Whatever the first client was."""
    async with keeping() as kept:
        stream = await kept.stream("a", "b")
        stream.recording.end(End.COMPLETE)
        async with kept.get(stream, headers=headers) as call:
            assert await call.rest() == stream.told("a", "b", apart=apart)


async def test_client_variants_can_be_off() -> None:
    """Then every reader is told the same."""
    async with keeping(client_variants=False) as kept:
        stream = await kept.stream("a")
        stream.recording.end(End.COMPLETE)
        async with kept.get(stream, headers=BROWSER) as call:
            assert await call.rest() == stream.told("a")


async def test_heartbeats_fill_the_silence() -> None:
    """One line with one newline, since ids are on the wire; never within an event."""
    async with keeping(heartbeat_seconds=0.05) as kept:
        stream = await kept.stream("a")
        async with kept.get(stream) as call:
            assert await call.until(b": ping\n") == stream.told("a") + b": ping\n"
            assert await call.until(b": ping\n") == b": ping\n"
            stream.say("b")
            stream.recording.end(End.COMPLETE)
            assert (await call.rest()).replace(b": ping\n", b"") == stream.told("b", after=1)


async def test_browsers_get_heartbeats_that_their_readers_survive() -> None:
    """The no-op event of the stream's API, told like its siblings."""
    async with keeping(heartbeat_seconds=0.05) as kept:
        stream = await kept.stream("a")
        async with kept.get(stream, headers=BROWSER) as call:
            await call.until(b"data: a\n\n")
            beat = await call.until(b"\n\n")
            assert beat.startswith(b"data: {")
            assert f'"id":"{IDENTITY["id"]}"'.encode() in beat


async def test_heartbeats_can_be_off() -> None:
    """A silence is then one."""
    async with keeping(heartbeat_mode="off", commit_after_seconds=0.05) as kept:
        stream = await kept.stream(voice=None)
        async with kept.get(stream) as call:
            assert await call.head() == 200
            stream.recording.begin(head())
            stream.say("a")
            stream.recording.end(End.COMPLETE)
            assert await call.rest() == stream.told("a")


async def test_a_stream_that_has_not_begun_is_promised_after_a_while() -> None:
    """As for the first client: 200 and heartbeats, then the events."""
    async with keeping(commit_after_seconds=0.05) as kept:
        stream = await kept.stream(voice=None)
        async with kept.get(stream) as call:
            assert await call.until(b": ping\n") == b": ping\n"
            assert (call.status, call.headers["x-stream-id"]) == (200, stream.id)
            stream.recording.begin(head())
            stream.say("a")
            stream.recording.end(End.COMPLETE)
            assert await call.rest() == stream.told("a")


async def test_a_stream_that_never_begins_is_unknown() -> None:
    """Its first client got an ordinary answer, which is not kept."""
    async with keeping() as kept:
        stream = await kept.stream(voice=None)
        async with kept.get(stream) as call:
            await until(lambda: listeners(stream.recording) == 1)
            stream.recording.end(End.ERROR, keep=False)
            assert await call.head() == 404


async def test_a_promised_stream_that_never_begins_ends_with_an_error() -> None:
    """Nobody takes it for an empty answer."""
    async with keeping(commit_after_seconds=0.05) as kept:
        stream = await kept.stream(voice=None)
        async with kept.get(stream) as call:
            await call.until(b": ping\n")
            stream.recording.end(End.ERROR, keep=False)
            assert b"not found" in await call.rest()


async def test_a_departure_is_noticed_at_once() -> None:
    """A reader that has left counts as listening no more, though nothing is said."""
    async with keeping() as kept:
        stream = await kept.stream("a")
        async with kept.get(stream) as call:
            await call.until(stream.told("a"))
            assert listeners(stream.recording) == 1
            call.leave()
            await until(lambda: listeners(stream.recording) == 0)


async def test_a_departure_before_the_stream_has_begun_is_noticed() -> None:
    """And counted as one."""
    async with keeping() as kept:
        stream = await kept.stream(voice=None)
        async with kept.get(stream) as call:
            await until(lambda: listeners(stream.recording) == 1)
            call.leave()
            await until(lambda: listeners(stream.recording) == 0)
        await until(lambda: kept.value('requests_total{code="499",route="resume"}') == 1)


async def test_a_client_that_does_not_read_is_dropped() -> None:
    """After its time, and neither the stream nor another reader notices."""
    texts = ["x" * 100_000] * 40
    async with keeping(memory(stream_bytes=1 << 23), client_stall_timeout_seconds=0.2) as kept:
        stream = await kept.stream(*texts)
        async with (
            calling(kept.port, "GET", stream.path, receive_buffer_bytes=4096) as stalled,
            kept.get(stream) as good,
        ):
            await stalled.head()
            await until(lambda: listeners(stream.recording) == 2)
            await good.until(stream.told(texts[-1], after=39))
            await until(lambda: listeners(stream.recording) == 1)
            stream.say("end")
            stream.recording.end(End.COMPLETE)
            assert await good.rest() == stream.told("end", after=40)


async def test_a_drain_breaks_the_connection_between_two_events() -> None:
    """The stream goes on elsewhere, so no error is told; nor may the end be taken for that of the answer."""
    async with keeping() as kept:
        stream = await kept.stream("a")
        async with kept.get(stream) as call:
            await call.until(stream.told("a"))
            kept.lifecycle.cut_all()
            assert (await call.rest(), call.complete) == (b"", False)


async def test_a_drained_reader_loses_nothing() -> None:
    """Whatever it has when the connection breaks, it comes back with the last whole event, and goes on from there."""
    texts = ["x" * 50_000] * 60
    async with keeping(memory(stream_bytes=1 << 23)) as kept:
        stream = await kept.stream(*texts)
        async with calling(kept.port, "GET", stream.path, receive_buffer_bytes=4096) as call:
            first = await call.until(stream.told(texts[0]))
            [reader] = kept.lifecycle.streams
            reader.cut()
            first += await call.rest()
        assert not call.complete
        whole = first.count(b"\n\n")
        assert 0 < whole < len(texts)
        stream.recording.end(End.COMPLETE)
        async with kept.get(stream, whole) as call:
            assert first[: first.rindex(b"\n\n") + 2] + await call.rest() == stream.told(*texts)


async def test_a_drain_refuses_who_waits_for_a_stream_to_begin() -> None:
    """Nothing was said yet, so that a status can tell."""
    async with keeping() as kept:
        stream = await kept.stream(voice=None)
        async with kept.get(stream) as call:
            await until(lambda: listeners(stream.recording) == 1)
            kept.lifecycle.cut_all()
            assert await call.head() == 503


async def test_an_error_is_part_of_the_log() -> None:
    """Its reader ends as the first client did."""
    for end in (End.ERROR, End.TRUNCATED):
        async with keeping() as kept:
            stream = await kept.stream("a", '{"error":{}}', "[DONE]")
            stream.recording.end(end)
            async with kept.get(stream) as call:
                assert await call.rest() == stream.told("a", '{"error":{}}', "[DONE]")
            assert call.complete


async def test_a_stopped_stream_ends_as_its_first_client_was_told() -> None:
    """Behind the error that tells it, cleanly."""
    async with keeping() as kept:
        stream = await kept.stream("a", '{"error":{}}', "[DONE]")
        stream.recording.end(End.STOPPED)
        async with kept.get(stream) as call:
            assert (await call.rest(), call.complete) == (stream.told("a", '{"error":{}}', "[DONE]"), True)


async def test_a_stream_that_was_cancelled_without_a_word_is_not_taken_for_whole() -> None:
    """Its end is a connection that breaks."""
    async with keeping() as kept:
        stream = await kept.stream("a")
        stream.recording.end(End.CANCELLED)
        async with kept.get(stream) as call:
            assert (await call.rest(), call.complete) == (stream.told("a"), False)


async def test_an_error_that_clients_do_not_raise_on_ends_in_a_break() -> None:
    """As it did for the first client."""
    legacy = {"X-Goog-Api-Client": "genai-js/0.1"}
    async with keeping() as kept:
        stream = await kept.stream("a", '{"error":{}}', voice="gemini")
        stream.recording.end(End.ERROR)
        async with kept.get(stream, headers=legacy) as call:
            assert (await call.rest(), call.complete) == (stream.told("a", '{"error":{}}'), False)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        (End.EVICTED, b"what follows this event is not kept any more"),
        (End.EXPIRED, b"not found"),
        (End.UNAVAILABLE, b"the store of streams cannot be reached"),
    ],
)
async def test_a_stream_that_cannot_be_told_to_its_end_gets_an_error_without_an_id(end: End, message: bytes) -> None:
    """The event of that number may still be had, so the client's place must not move."""
    events = Batch(events=[(1, b"data: a\n\n")])
    status, body, complete = await scripted(events, ends(end))
    assert (status, complete) == (200, True)
    assert body.startswith(f"id: {ID}.1\ndata: a\n\ndata: ".encode())
    assert message in body
    assert body.endswith(b"data: [DONE]\n\n")


async def test_a_lost_owner_is_told_as_the_next_event() -> None:
    """So that who comes back after it has all there is."""
    _, body, complete = await scripted(Batch(events=[(1, b"data: a\n\n")], end=End.OWNER_LOST))
    assert body.startswith(f"id: {ID}.1\ndata: a\n\nid: {ID}.2\ndata: ".encode())
    assert body.endswith(f"id: {ID}.2\ndata: [DONE]\n\n".encode())
    assert b"the process that produced this stream is gone" in body
    assert complete


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (End.EVICTED, 410),
        (End.EXPIRED, 404),
        (End.OWNER_LOST, 502),
        (End.UNAVAILABLE, 503),
        (End.COMPLETE, 404),
    ],
)
async def test_a_stream_that_ends_before_it_has_begun_is_told_by_a_status(end: End, status: int) -> None:
    """Nothing was sent yet."""
    found, body, _ = await scripted(ends(end), voice=None)
    assert found == status
    assert body.startswith(b'{"error":')


async def test_a_stream_without_events_ends_as_it_did() -> None:
    """An empty answer is one."""
    assert await scripted(ends(End.COMPLETE)) == (200, b"", True)


async def test_a_reader_is_listed_among_the_open_streams() -> None:
    """For ``/-/streams``, and for the drain."""
    async with keeping() as kept:
        stream = await kept.stream("a")
        async with kept.get(stream, headers={"X-Request-Id": "me"}) as call:
            await call.until(stream.told("a"))
            [open_stream] = kept.lifecycle.streams
            facts = open_stream.describe()
            assert (facts["id"], facts["route"], facts["dialect"], facts["status"], facts["events"]) == (
                *("me", "resume", "openai_chat", 200, 1),
            )
            assert facts["bytes_out"] == len(stream.told("a"))


async def test_a_reader_is_described_as_any_stream() -> None:
    """Whoever reads ``/-/streams`` finds the same keys."""

    async def holds(upstream: Upstream, scope: Scope, receive: Receive, send: Send) -> None:
        await start(send)
        await body(send, chunk("a"))
        await upstream.go.wait()

    async with (
        proxied(holds, resume="memory") as proxy,
        chat(proxy.port, headers={"X-SSE-Resume": "on"}) as call,
    ):
        await call.until(chunk("a"))
        async with calling(proxy.port, "GET", call.headers["location"]) as reader:
            await reader.until(chunk("a"))
            one, other = (set(stream.describe()) for stream in proxy.lifecycle.streams)
            assert one == other
            proxy.upstream.go.set()


async def test_a_finished_reader_gets_its_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """As every stream does."""
    caplog.set_level("INFO", logger="sse_proxy.streams")
    async with keeping() as kept:
        stream = await kept.stream("a")
        stream.recording.end(End.COMPLETE)
        async with kept.get(stream) as call:
            await call.rest()
        await kept.unread()
    [record] = caplog.records
    facts = vars(record)
    assert (facts["outcome"], facts["route"], facts["events"], facts["status"]) == ("completed", "resume", 1, 200)


async def test_a_failing_reader_is_no_silent_end() -> None:
    """Whatever goes wrong here, the client sees a break, and the server hears of it."""

    class Failing(ScriptedReader):
        async def read(self, after: int) -> Batch:
            if self._batches:
                return self._batches.pop(0)
            raise RuntimeError("a defect")

    reader = Failing([Batch(events=[(1, b"data: a\n\n")])], head=head())
    async with keeping(ScriptedJournal(reader)) as kept:
        answer = await kept.ask("GET", PATH)
        assert (answer.body, answer.complete) == (f"id: {ID}.1\ndata: a\n\n".encode(), False)


async def test_a_server_that_takes_the_app_away_ends_the_reader() -> None:
    """Nothing of it is left."""
    tasks = len(asyncio.all_tasks())
    async with keeping() as kept:
        stream = await kept.stream("a")
        async with kept.get(stream) as call:
            await call.until(stream.told("a"))
            [task] = [task for task in asyncio.all_tasks() if "run_asgi" in repr(task)]
            task.cancel()
            await until(lambda: listeners(stream.recording) == 0)
    await until(lambda: len(asyncio.all_tasks()) <= tasks)


async def test_readers_leave_nothing_behind() -> None:
    """No task, no reader, however they end."""
    async with keeping() as kept:
        stream = await kept.stream("a")
        await _leave(kept, stream, 3)
        before = len(asyncio.all_tasks())
        await _leave(kept, stream, 30)
        await until(lambda: len(asyncio.all_tasks()) <= before)
        assert listeners(stream.recording) == 0


@pytest.mark.parametrize("leaves", [True, False])
async def test_a_reader_is_gone_without_the_garbage_collector(leaves: bool) -> None:
    """Which comes seldom in a process that serves."""
    gc.disable()
    try:
        async with keeping() as kept:
            stream = await kept.stream("a")
            async with kept.get(stream) as call:
                await call.until(stream.told("a"))
                reader = weakref.ref(kept.lifecycle.streams[0])
                if leaves:
                    call.leave()
                else:
                    stream.recording.end(End.COMPLETE)
                await until(lambda: reader() is None)
    finally:
        gc.enable()


async def _leave(kept: Kept, stream: Stream, times: int) -> None:
    for _ in range(times):
        async with kept.get(stream) as call:
            await call.until(b"data: a\n\n")
            call.leave()
    await kept.unread()
