"""`core.heartbeat`: which bytes keep which client of which dialect alive."""

from __future__ import annotations

import pytest

from sse_proxy.core.dialects import StreamState, dialect_by_name, document_voice
from sse_proxy.core.heartbeat import COMMENT, COMMENT_BLOCK, Heartbeat, HeartbeatMode, heartbeat

from .dialect_streams import ALL, COMPLETE, drained

LINE = Heartbeat(mode="comment", data=COMMENT)
BLOCK = Heartbeat(mode="comment-block", data=COMMENT_BLOCK)


def noop(dialect: str, state: StreamState) -> Heartbeat:
    """The dialect's no-op event as a heartbeat."""
    return Heartbeat(mode="data", data=ALL[dialect].noop(state) or b"none")


def states(dialect: str) -> dict[str, StreamState]:
    """The states that make a difference: nothing sent yet, under way, under way with ids."""
    body = COMPLETE[dialect].replace(b"event: ", b"id: 1\nevent: ").replace(b"\n\ndata: ", b"\n\nid: 1\ndata: ")
    return {
        "before": StreamState(),
        "after": drained(dialect, COMPLETE[dialect])[1].state,
        "with_ids": drained(dialect, body)[1].state,
    }


# dialect → tier 1 and tier 2 (``data_due``), each for (before the first event, after it, with ids), as in INTERFACE.
AUTO = {
    "openai_chat": (("line", "line", "line"), ("noop", "noop", "noop")),
    "openai_completions": (("line", "line", "line"), ("noop", "noop", "noop")),
    "openai_responses": (("line", "line", "line"), ("line", "noop", "noop")),
    "anthropic": (("noop", "noop", "noop"), ("noop", "noop", "noop")),
    "generic": (("block", "block", "line"), ("block", "block", "line")),
    "terminal": (("block", "block", "line"), ("block", "block", "line")),
    "gemini": (("noop", "noop", "noop"), ("noop", "noop", "noop")),
    **dict.fromkeys(
        (
            "cohere",
            "tgi",
            "langserve",
            "langgraph",
            "a2a",
            "mcp",
            "ag_ui",
            "ai_sdk_ui",
            "cloudflare",
            "sglang_generate",
        ),
        (("line", "line", "line"), ("line", "line", "line")),
    ),
    **dict.fromkeys(
        ("triton", "lmdeploy", "llamacpp", "lm_studio", "dify", "replicate", "tokens"),
        (("block", "block", "line"), ("block", "block", "line")),
    ),
}


def expected(form: str, dialect: str, state: StreamState) -> Heartbeat:
    """The heartbeat that *form* stands for."""
    if form == "block" and state.has_ids:
        form = "line"
    return {"line": LINE, "block": BLOCK}.get(form) or noop(dialect, state)


@pytest.mark.parametrize("dialect", ALL)
def test_auto_for_programs(dialect: str) -> None:
    """The first tier is the dialect's comment (Anthropic: its ping), the second one data where the dialect has any."""
    for tier, data_due in enumerate((False, True)):
        for form, state in zip(AUTO[dialect][tier], states(dialect).values(), strict=True):
            found = heartbeat(ALL[dialect], state, "auto", prefers_data=False, data_due=data_due)
            assert found == expected(form, dialect, state)


@pytest.mark.parametrize("dialect", ALL)
def test_auto_for_browsers_is_the_second_tier_from_the_start(dialect: str) -> None:
    """Readers that split on blank lines lose the event that is glued to a comment line."""
    for form, state in zip(AUTO[dialect][1], states(dialect).values(), strict=True):
        for data_due in (False, True):
            found = heartbeat(ALL[dialect], state, "auto", prefers_data=True, data_due=data_due)
            assert found == expected(form, dialect, state)


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("browser", [False, True])
@pytest.mark.parametrize("data_due", [False, True])
def test_chosen_modes(dialect: str, browser: bool, data_due: bool) -> None:
    """A mode of the settings holds for every client; a block still never follows an id."""
    for name, state in states(dialect).items():
        found: dict[HeartbeatMode, Heartbeat | None] = {
            mode: heartbeat(ALL[dialect], state, mode, prefers_data=browser, data_due=data_due)
            for mode in ("comment", "comment-block", "data", "off")
        }
        form = AUTO[dialect][1][list(states(dialect)).index(name)]
        assert found["comment"] == found["off"] == LINE
        assert found["comment-block"] == (LINE if state.has_ids else BLOCK)
        assert found["data"] == expected(form, dialect, state)


@pytest.mark.parametrize("mode", ["auto", "comment", "comment-block", "data"])
def test_other_framings_have_white_space_or_nothing(mode: HeartbeatMode) -> None:
    """NDJSON and documents a space, which no parser minds; arrays and binary messages none at all."""
    for name, expected_space in (("ollama", b" "), ("gemini_array", b""), ("bedrock_converse", b"")):
        voice = dialect_by_name(name).native
        assert voice is not None
        found = heartbeat(voice, StreamState(), mode, prefers_data=True, data_due=True)
        assert found == (Heartbeat(mode="space", data=expected_space) if expected_space else None)
    kept = document_voice(ALL["openai_chat"])
    assert heartbeat(kept, StreamState(), mode, prefers_data=False, data_due=False) == Heartbeat(
        mode="space", data=b" "
    )
