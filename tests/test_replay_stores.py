"""`replay.stores`: which journal a setting names; and the parts of the Redis one that need no Redis."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sse_proxy.replay.base import Journal
from sse_proxy.replay.memory import MemoryJournal
from sse_proxy.replay.null import NullJournal
from sse_proxy.replay.redis.journal import RedisJournal
from sse_proxy.replay.redis.keys import named_key, stream_channel, stream_keys
from sse_proxy.replay.redis.trim import Trim
from sse_proxy.replay.stores import open_journal
from sse_proxy.settings import SettingsError

from .replay_journals import OWNER, STRANGER
from .test_project import in_fresh_python


def made(where: str) -> Journal:
    """The journal for the setting *where*."""
    return open_journal(where, ttl_seconds=300, stream_bytes=1000, total_bytes=10_000, clock=lambda: 0.0)


@pytest.mark.parametrize(
    ("where", "kind"),
    [
        ("off", NullJournal),
        ("memory", MemoryJournal),
        ("redis://cache:6379/2", RedisJournal),
        ("rediss://user:pass@cache", RedisJournal),
        ("redis+cluster://cache", RedisJournal),
        ("rediss+cluster://cache", RedisJournal),
    ],
)
async def test_a_setting_names_its_journal(where: str, kind: type) -> None:
    """Nothing connects before the first stream, so a store that is down does not keep the proxy from starting."""
    journal = made(where)
    assert isinstance(journal, kind)
    await journal.close()


@pytest.mark.parametrize("where", ["", "disk", "http://cache", "redis", "redis://:se-cret@cache:port"])
async def test_anything_else_is_a_mistake_that_is_told(where: str) -> None:
    """In one line, and without the password that may be in it."""
    with pytest.raises(SettingsError, match="resume: ") as told:
        made(where)
    assert "se-cret" not in str(told.value)


async def test_a_missing_client_is_told_with_the_way_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The base install has none."""
    for module in list(sys.modules):
        if module == "redis" or module.startswith(("redis.", "sse_proxy.replay.redis")):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(SettingsError, match=r"pip install 'sse-proxy\[redis\]'"):
        made("redis://cache")


def test_only_who_keeps_streams_in_redis_loads_its_client() -> None:
    """The import takes time and memory, and may not be possible."""
    code = "import sys, sse_proxy.replay.stores as s\nprint(type(s).__name__, 'redis' in sys.modules)"
    assert "module False" == in_fresh_python(code)


def test_keys_are_made_of_checked_ids_and_hashes() -> None:
    """Different callers' and different kinds of the same name never meet, nor do owner and name run together."""
    names = {
        named_key("once", OWNER, "k"), named_key("chat", OWNER, "k"), named_key("once", STRANGER, "k"),
        named_key("once", OWNER + "k", ""), named_key("once", OWNER, "k "),
    }  # fmt: skip
    assert (5, {64}) == (len(names), {len(name.rpartition(":")[2]) for name in names})
    for make in (stream_keys, stream_channel):
        with pytest.raises(ValueError, match="no stream id"):
            make("}:meta")


@given(sizes=st.lists(st.integers(1, 500), max_size=100), max_bytes=st.integers(1, 5000))
def test_trimming_keeps_the_bound_and_most_of_it(sizes: list[int], max_bytes: int) -> None:
    """What is kept is a tail of the events, within the bound; a part more of it, or its first event, would not fit."""
    trim = Trim(max_bytes)
    gone = sum(trim.add(size) for size in sizes)
    kept = sizes[trim.oldest - 1 :]
    assert gone == trim.oldest - 1
    assert sum(kept) == trim.bytes <= max_bytes
    if gone:
        part = max(max_bytes // 16, sizes[gone - 1])
        assert trim.bytes + part + max_bytes // 16 + max(sizes) > max_bytes
