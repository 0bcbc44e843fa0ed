"""`resume.endpoints`: replay, stop and lookup by name below ``/-/sse-proxy/streams``, behind the gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from sse_proxy.core.owner import ANONYMOUS, owner_of
from sse_proxy.replay.base import Batch, End

from .kept_streams import Kept, ScriptedJournal, ScriptedReader, Stream, head, keeping, memory
from .streaming import until
from .wire import Answer, Call, calling

STREAMS = "/-/sse-proxy/streams"
ID = "0123456789abcdef" * 2
ME, OTHER = {"Authorization": "Bearer me"}, {"Authorization": "Bearer other"}
MINE = owner_of([(b"authorization", b"Bearer me")], ["authorization"])


async def finished(kept: Kept, *texts: str, **opening: str) -> Stream:
    """A stream that has ended."""
    stream = await kept.stream(*texts, **opening)
    stream.recording.end(End.COMPLETE)
    return stream


def refused(answer: Answer, status: int) -> None:
    """It is a refusal of ours, in JSON."""
    assert answer.status == status
    assert answer.error["code"] == "rejected"


async def test_without_a_last_event_id_all_is_told() -> None:
    """From the beginning."""
    async with keeping() as kept:
        stream = await finished(kept, "a", "b")
        answer = await kept.ask("GET", stream.path)
        assert (answer.body, answer.headers["x-replayed-from"]) == (stream.told("a", "b"), "0")


@pytest.mark.parametrize("key", ["last_event_id", "lastEventId"])
async def test_the_query_can_tell_the_last_event_id(key: str) -> None:
    """For clients that cannot set headers."""
    async with keeping() as kept:
        stream = await finished(kept, "a", "b")
        answer = await kept.ask("GET", f"{stream.path}?{key}={stream.id}.1")
        assert answer.body == stream.told("b", after=1)


async def test_the_header_is_newer_than_the_query() -> None:
    """An EventSource reconnects to the URL that it was made with."""
    async with keeping() as kept:
        stream = await finished(kept, "a", "b", "c")
        headers = {"Last-Event-ID": f"{stream.id}.2"}
        answer = await kept.ask("GET", f"{stream.path}?last_event_id={stream.id}.1", headers=headers)
        assert answer.body == stream.told("c", after=2)


async def test_nothing_left_is_204() -> None:
    """At which an EventSource stops; not while more may come."""
    async with keeping() as kept:
        stream = await kept.stream("a")
        async with kept.get(stream, 1) as call:
            assert await call.head() == 200
            stream.recording.end(End.COMPLETE)
            assert await call.rest() == b""
        answer = await kept.ask("GET", f"{stream.path}?last_event_id={stream.id}.1")
        assert (answer.status, answer.body) == (204, b"")
        assert (answer.headers["x-stream-id"], answer.headers["cache-control"]) == (stream.id, "no-store")
        assert kept.resumed() == {"replayed": 1, "nothing_left": 1}


async def test_evicted_is_410() -> None:
    """What the reader lacks is gone; who has enough goes on."""
    async with keeping(memory(stream_bytes=200)) as kept:
        stream = await finished(kept, "a" * 40, "b" * 40, "c" * 40)
        refused(await kept.ask("GET", stream.path), 410)
        answer = await kept.ask("GET", f"{stream.path}?last_event_id={stream.id}.2")
        assert answer.body == stream.told("c" * 40, after=2)
        assert kept.resumed() == {"evicted": 1, "replayed": 1}


async def test_unknown_is_404() -> None:
    """Whatever is asked of it."""
    async with keeping() as kept:
        for method in ("GET", "DELETE"):
            refused(await kept.ask(method, f"{STREAMS}/{ID}"), 404)
        refused(await kept.ask("GET", f"{STREAMS}?key=chat"), 404)
        assert kept.resumed() == {"unknown": 2}
        assert kept.value('requests_total{code="404",route="resume"}') == 3


async def test_expired_is_404() -> None:
    """A stream is kept for its time."""
    async with keeping(memory(ttl_seconds=0.01)) as kept:
        stream = await finished(kept, "a")
        await until(lambda: kept.journal.stats.streams == 0)
        refused(await kept.ask("GET", stream.path), 404)


async def test_another_callers_stream_is_as_unknown_as_none() -> None:
    """To read, to stop, and by its chat's name."""
    async with keeping() as kept:
        stream = await kept.stream("a", owner=MINE, chat="chat")
        strangers = [await kept.ask(method, stream.path, headers=OTHER) for method in ("GET", "DELETE")]
        strangers += [await kept.ask("GET", stream.path), await kept.ask("GET", f"{STREAMS}?key=chat", headers=OTHER)]
        nobody = await kept.ask("GET", f"{STREAMS}/{ID}", headers=OTHER)
        for answer in strangers:
            assert (answer.status, answer.body) == (404, nobody.body)
        assert stream.stops == []
        stream.recording.end(End.COMPLETE)
        assert (await kept.ask("GET", stream.path, headers=ME)).body == stream.told("a")


async def test_the_headers_that_make_a_caller_can_be_chosen() -> None:
    """None: the id alone does."""
    owner = owner_of([(b"x-forwarded-user", b"me")], ["x-forwarded-user"])
    async with keeping(resume_owner_headers=["X-Forwarded-User"]) as kept:
        stream = await finished(kept, "a", owner=owner)
        assert (await kept.ask("GET", stream.path, headers={"X-Forwarded-User": "me", **OTHER})).status == 200
        assert (await kept.ask("GET", stream.path, headers=ME)).status == 404
    async with keeping(resume_owner_headers=[]) as kept:
        stream = await finished(kept, "a")
        assert (await kept.ask("GET", stream.path, headers=ME)).status == 200


@pytest.mark.parametrize(
    "target",
    [
        f"{STREAMS}/",
        f"{STREAMS}/{ID}/",
        f"{STREAMS}/{ID}/x",
        f"{STREAMS}/{ID.upper()}",
        f"{STREAMS}/{ID[1:]}",
        f"{STREAMS}/{ID}%0d%0aFLUSHALL",
        f"{STREAMS}/{'0' * 10_000}",
        f"{STREAMS}x/{ID}",
        f"/-/sse-proxy//streams/{ID}",
        f"{STREAMS}/{ID}?last_event_id=1",
        f"{STREAMS}/{ID}?last_event_id={'0' * 32}.1",
        f"{STREAMS}/{ID}?last_event_id={ID}.{'9' * 19}",
        f"{STREAMS}/{ID}?last_event_id={ID}.1%0a",
        f"{STREAMS}?key={'x' * 1000}",
    ],
)
async def test_what_is_malformed_oversized_or_not_ours_never_reaches_the_store(target: str) -> None:
    """404, as for everything unknown."""
    journal = ScriptedJournal(ScriptedReader([], head=head()))
    async with keeping(journal) as kept:
        for method in ("GET", "DELETE") if "?" not in target else ("GET",):
            refused(await kept.ask(method, target), 404)
        assert (journal.asked, kept.requests) == ([], [])


async def test_a_foreign_last_event_id_is_not_replaced_by_a_guess() -> None:
    """Who tells another stream's place would get what it has, or miss what it lacks."""
    async with keeping() as kept:
        stream = await finished(kept, "a")
        for told in ("17", f"{ID}.1", f"{stream.id}.1x"):
            refused(await kept.ask("GET", stream.path, headers={"Last-Event-ID": told}), 404)


async def test_delete_stops_the_generation_once() -> None:
    """It is idempotent, also after the end."""
    async with keeping() as kept:
        stream = await kept.stream("a", owner=MINE)
        for _ in range(2):
            answer = await kept.ask("DELETE", stream.path, headers=ME)
            assert (answer.status, answer.body) == (204, b"")
        assert stream.stops == [stream.id]
        stream.recording.end(End.CANCELLED)
        assert (await kept.ask("DELETE", stream.path, headers=ME)).status == 204


async def test_a_chats_name_leads_to_its_newest_stream() -> None:
    """Of the same caller."""
    async with keeping() as kept:
        await finished(kept, "old", owner=MINE, chat="a chat/ü")
        await finished(kept, "other's", chat="a chat/ü")
        stream = await finished(kept, "a", "b", owner=MINE, chat="a chat/ü")
        target = f"{STREAMS}?key=a%20chat%2F%C3%BC"
        answer = await kept.ask("GET", target, headers=ME)
        assert (answer.body, answer.headers["x-stream-id"]) == (stream.told("a", "b"), stream.id)
        answer = await kept.ask("GET", target, headers={**ME, "Last-Event-ID": f"{stream.id}.1"})
        assert answer.body == stream.told("b", after=1)


async def test_a_newer_stream_of_a_chat_is_told_from_its_beginning() -> None:
    """The place in an older one says nothing of it."""
    async with keeping() as kept:
        old = await finished(kept, "old", chat="chat")
        new = await finished(kept, "new", chat="chat")
        answer = await kept.ask("GET", f"{STREAMS}?key=chat", headers={"Last-Event-ID": f"{old.id}.1"})
        assert answer.body == new.told("new")


@pytest.mark.parametrize("target", [STREAMS, f"{STREAMS}?key=", f"{STREAMS}?other=x"])
async def test_there_is_no_list_of_streams(target: str) -> None:
    """Not even of one's own."""
    async with keeping() as kept:
        await finished(kept, "a")
        refused(await kept.ask("GET", target), 400)


@pytest.mark.parametrize(
    ("target", "method", "allow"),
    [
        (f"{STREAMS}/{ID}", "POST", "GET, HEAD, DELETE"),
        (f"{STREAMS}/{ID}", "PUT", "GET, HEAD, DELETE"),
        (f"{STREAMS}?key=chat", "DELETE", "GET, HEAD"),
        (f"{STREAMS}?key=chat", "POST", "GET, HEAD"),
        (f"{STREAMS}/{ID}", "OPTIONS", "GET, HEAD, DELETE"),
    ],
)
async def test_other_methods_are_405(target: str, method: str, allow: str) -> None:
    """With the ones that there are."""
    async with keeping() as kept:
        answer = await kept.ask(method, target)
        refused(answer, 405)
        assert answer.headers["allow"] == allow


def heads(call: Call) -> dict[str, str]:
    """What the head of *call*'s answer says, but for what is each answer's own, and how a body would be framed."""
    own = {"date", "transfer-encoding", "x-request-id"}
    return {name: value for name, value in call.headers.items() if name not in own}


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize("voice", ["openai_chat", None])
async def test_head_is_told_what_get_would_be(ended: bool, voice: str | None) -> None:
    """At once, of a stream that goes on or has not even begun, too; and the connection can be used again."""
    async with keeping(commit_after_seconds=0.05) as kept:
        stream = await kept.stream(*(["a"] if voice else []), voice=voice, owner=ANONYMOUS, chat="chat")
        if ended and voice:
            stream.recording.end(End.COMPLETE)
        for target in (stream.path, f"{STREAMS}?key=chat"):
            async with calling(kept.port, "HEAD", target) as call, calling(kept.port, "GET", target) as get:
                assert await call.head() == await get.head() == 200
                assert heads(call) == heads(get)
                assert heads(call)["location"] == stream.path
                assert await call.rest() == b""
                call.again()
                await call.write(f"DELETE {stream.path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
                assert await call.head() == 204
        assert kept.resumed() == {"replayed": 2}


async def test_head_is_told_of_what_is_not_there_too() -> None:
    """By the status that GET has."""
    async with keeping(memory(stream_bytes=200)) as kept:
        stream = await finished(kept, "a" * 40, "b" * 40, "c" * 40)
        for target, status in (
            (f"{STREAMS}/{ID}", 404),
            (stream.path, 410),
            (f"{stream.path}?last_event_id={stream.id}.3", 204),
        ):
            async with calling(kept.port, "HEAD", target) as call:
                assert await call.head() == status


@pytest.mark.parametrize(
    ("method", "target"), [("GET", f"{STREAMS}/{ID}"), ("DELETE", f"{STREAMS}/{ID}"), ("GET", f"{STREAMS}?key=chat")]
)
async def test_a_store_that_is_down_is_503(method: str, target: str) -> None:
    """Another replica, or a little later, may do."""
    async with keeping(ScriptedJournal(None)) as kept:
        answer = await kept.ask(method, target)
        refused(answer, 503)
        assert answer.headers["retry-after"] == "1"
        assert kept.resumed() == {"unavailable": 1}


async def test_a_store_that_goes_down_meanwhile_is_503_too() -> None:
    """And the reader is closed."""
    reader = ScriptedReader([], head=head(), down=1)
    async with keeping(ScriptedJournal(reader)) as kept:
        refused(await kept.ask("GET", f"{STREAMS}/{ID}"), 503)
        assert reader.closed


async def test_a_store_that_is_gone_for_a_moment_is_asked_again() -> None:
    """An EventSource gives up for good at a 503, though its stream is there and flows."""
    reader = ScriptedReader([Batch(events=[(1, b"data: a\n\n")], end=End.COMPLETE)], head=head(), down=1)
    journal = ScriptedJournal(reader, down=2)
    async with keeping(journal, patience_seconds=60) as kept:
        answer = await kept.ask("GET", f"{STREAMS}/{ID}")
        assert (answer.status, answer.body) == (200, f"id: {ID}.1\ndata: a\n\n".encode())
        assert (journal.asked, kept.resumed()) == ([ID] * 3, {"replayed": 1})


async def test_a_stop_is_not_lost_with_the_store_either() -> None:
    """It is asked again, and what is unknown is unknown."""
    journal = ScriptedJournal(ScriptedReader([], head=head()), down=1)
    async with keeping(journal, patience_seconds=60) as kept:
        assert (await kept.ask("DELETE", f"{STREAMS}/{ID}")).status == 404
        assert (await kept.ask("GET", f"{STREAMS}?key=chat")).status == 404
        assert journal.asked == [ID, ID, "chat"]


@pytest.fixture
def tokens(tmp_path: Path) -> str:
    """An ``auth_tokens_file`` with two tokens."""
    path = tmp_path / "tokens"
    path.write_text("me\nother\n")
    return str(path)


async def test_the_streams_are_behind_the_access_token(tokens: str) -> None:
    """And belong to whoever came with it, though the upstream never sees it."""
    async with keeping(auth_tokens_file=tokens) as kept:
        stream = await finished(kept, "a", owner=MINE)
        assert (await kept.ask("GET", stream.path)).status == 401
        assert (await kept.ask("GET", stream.path, headers=OTHER)).status == 404
        assert (await kept.ask("GET", stream.path, headers=ME)).body == stream.told("a")


async def test_a_draining_replica_sends_readers_elsewhere() -> None:
    """Once it refuses, as every other request."""
    async with keeping() as kept:
        stream = await finished(kept, "a")
        kept.lifecycle.drain()
        assert (await kept.ask("GET", stream.path)).status == 200
        kept.lifecycle.refuse()
        answer = await kept.ask("GET", stream.path)
        assert (answer.status, answer.headers["connection"]) == (503, "close")


async def test_pages_of_welcome_origins_may_read_and_stop() -> None:
    """The gate's CORS holds for these answers, and preflights are answered without the store."""
    page = {"Origin": "https://app.example"}
    journal = ScriptedJournal(None)
    async with keeping(journal, cors_origins=["https://app.example"]) as kept:
        asks = {**page, "Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization"}
        answer = await kept.ask("OPTIONS", f"{STREAMS}/{ID}", headers=asks)
        assert (answer.status, answer.headers["access-control-allow-methods"]) == (204, "DELETE")
        assert journal.asked == []
        answer = await kept.ask("GET", f"{STREAMS}/{ID}", headers=page)
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (503, "https://app.example")


async def test_an_eventsource_that_comes_back_after_every_end_stops() -> None:
    """It has all, and is told so."""
    async with keeping() as kept:
        stream = await kept.stream("a")
        last, seen = "", b""
        for _ in range(3):
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
            async with calling(kept.port, "GET", stream.path, headers=headers) as call:
                if await call.head() == 204:
                    break
                seen += await call.until(b"\n\n")
                stream.recording.end(End.COMPLETE)
                await call.rest()
                last = seen.rpartition(b"id: ")[2].split(b"\n")[0].decode()
        else:
            pytest.fail("it never stopped")
        assert seen == stream.told("a")


async def test_two_readers_of_one_connection_take_turns() -> None:
    """The connection is used again after a replay, as after any answer."""
    async with keeping() as kept:
        stream = await finished(kept, "a")
        async with kept.get(stream) as call:
            assert await call.rest() == stream.told("a")
            call.again()
            await call.write(f"GET {stream.path} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            assert await call.rest() == stream.told("a")
