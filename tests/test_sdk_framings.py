"""The official SDKs through the proxy get the whole text out of every malformed framing, heartbeats or not.

Each way of calling each SDK × each framing of the mock × two tempos: ``fast``, everything at once, and ``slow``, with
pauses before the headers and between the events that the proxy fills with heartbeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from sse_proxy.demo import expected_text
from sse_proxy.demo.defects import DEFECTS

from .sdk_cases import DRIVERS, FINISH, TOKENS, Answer, Case, Driver
from .sdk_clients import desk
from .sdk_stage import Proxy, Stage, standing

#: Slow streams, and those sent byte by byte, cost many times as much; six tokens hold all kinds of characters.
FEW_TOKENS = 6

#: Silence after which these proxies send a heartbeat, less than any user may ask for: the machine has no time to waste.
HEARTBEAT_SECONDS = 0.006
#: Tokens per second: silences of 10 ms. Before the headers there is one of 20 ms.
SLOW = {"rate": "100", "prefill": "0.02"}

COMBINATIONS = (
    "bom,crlf,no_space",
    "bom,no_space",
    "comment_in_data,empty_data,id_lines,retry_field",
    "comment_in_data,double_data",
    "double_data,multi_line_data",
    "double_data,single_newline",
    "concatenated_json,coalesced",
    "concatenated_json,multi_line_data,crlf",
    "single_newline,no_space",
    "single_newline,crlf_split",
    "single_newline,id_lines,coalesced",
    "invalid_utf8,split_bytes",
    "no_final_blank_line,cr",
    "extra_blank_lines,retry_field,cr",
)

#: Name → knobs of the mock.
FRAMINGS: dict[str, dict[str, str]] = {
    "none": {},
    **{defect: {"defect": defect} for defect in sorted(DEFECTS)},
    **{defects.replace(",", "+"): {"defect": defects} for defects in COMBINATIONS},
    "text_plain": {"content_type": "text/plain"},
    "application_json": {"content_type": "application/json"},
    "octet_stream": {"content_type": "application/octet-stream"},
    "upper_case_type": {"content_type": "Text/Event-Stream"},
    "no_content_type": {"content_type": "none"},
    "no_content_type+bom+split_bytes": {"content_type": "none", "defect": "bom,split_bytes"},
    "no_content_type+gzip": {"content_type": "none", "encoding": "gzip"},
    "gzip": {"encoding": "gzip"},
    "deflate": {"encoding": "deflate"},
    "br": {"encoding": "br"},
    "zstd": {"encoding": "zstd"},
    "gzip+single_newline": {"encoding": "gzip", "defect": "single_newline"},
    "own_comments": {"ping": "comment"},
    "own_comments+single_newline": {"ping": "comment", "defect": "single_newline"},
    "own_named_pings": {"ping": "event"},
    "own_no_op_events": {"ping": "data"},
    "huge": {"huge": "150000"},
    "line_separators": {"separators": "true"},
    "one_document": {"body": "json"},
    "no_terminator": {"no_done": "true"},
    "no_terminator+no_final_blank_line": {"no_done": "true", "defect": "no_final_blank_line"},
}

#: Combinations come in the fast tempo only, for the sake of time: alone each of the defects comes in both.
TEMPOS: dict[str, list[str]] = {
    "fast": list(FRAMINGS),
    "slow": [name for name in FRAMINGS if name.replace("+", ",") not in COMBINATIONS],
}

#: The asynchronous Python SDKs read with the same parser as the others: they come in the slow tempo only.
PAIRS = [
    *(("fast", driver) for driver in DRIVERS if driver.runtime != "async"),
    *(("slow", driver) for driver in DRIVERS),
]

Ask = Callable[[str, Driver, str], Answer]


def tokens_of(tempo: str, framing: str) -> int:
    """How long an answer is."""
    return FEW_TOKENS if tempo == "slow" or "split_bytes" in framing else TOKENS


def asked(url: str, tempo: str, framing: str) -> Case:
    """The case of one framing."""
    pace = SLOW if tempo == "slow" else {}
    return Case.of(url, {"tokens": str(tokens_of(tempo, framing)), **pace, **FRAMINGS[framing]})


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """The mock."""
    with standing() as stage:
        yield stage


@pytest.fixture(scope="module")
def proxies(stage: Stage) -> dict[str, Proxy]:
    """By tempo: one with the most frequent heartbeats that a user may choose, and one that never keeps silent."""
    often = {"heartbeat_seconds": HEARTBEAT_SECONDS, "commit_after_seconds": HEARTBEAT_SECONDS}
    return {"fast": stage.proxy(heartbeat_seconds=1), "slow": stage.proxy(unchecked=often)}


@pytest.fixture(scope="module")
def ask(stage: Stage, proxies: dict[str, Proxy]) -> Iterator[Ask]:
    """The answer to one case; all that one runtime of an SDK is to do is done together, the first time."""
    answers: dict[tuple[str, Driver, str], Answer] = {}
    with desk(stage) as clients:

        def answer(tempo: str, driver: Driver, framing: str) -> Answer:
            if (tempo, driver, framing) not in answers:
                siblings = [one for one in DRIVERS if (one.sdk, one.runtime) == (driver.sdk, driver.runtime)]
                keys = [(tempo, one, name) for one in siblings for name in TEMPOS[tempo]]
                work = [(one, asked(proxies[tempo].url, tempo, name)) for _tempo, one, name in keys]
                answers.update(zip(keys, clients.ask(work), strict=True))
            return answers[tempo, driver, framing]

        yield answer


@pytest.mark.parametrize(
    "tempo, driver, framing",
    [
        pytest.param(tempo, driver, name, id=f"{tempo}-{driver}-{name}")
        for tempo, driver in PAIRS
        for name in TEMPOS[tempo]
    ],
)
def test_an_sdk_gets_the_whole_text_out_of_every_framing(ask: Ask, tempo: str, driver: Driver, framing: str) -> None:
    """Full text, finish signal, usage, and no exception."""
    answer = ask(tempo, driver, framing)
    knobs, tokens = FRAMINGS[framing], tokens_of(tempo, framing)
    text = expected_text(
        driver.dialect,
        tokens,
        knobs.get("defect", "none"),
        huge=int(knobs.get("huge", "0")),
        separators="separators" in knobs,
    )
    assert (answer.error, answer.text) == (None, text)
    assert (answer.finish, answer.output_tokens) == (FINISH[driver.api], tokens)
    assert answer.final == (text if driver.is_helper else None)


def test_the_silences_were_filled_with_heartbeats(ask: Ask, proxies: dict[str, Proxy]) -> None:
    """In both forms, and for half of all pauses at the very least; every stream counts as completed."""
    for driver in DRIVERS:
        ask("slow", driver, "none")
    proxy = proxies["slow"]
    streams = proxy.totals("streams_total", "outcome")
    assert streams == {"completed": len(DRIVERS) * len(TEMPOS["slow"])}
    heartbeats = proxy.totals("heartbeats_total", "mode")
    assert set(heartbeats) == {"comment", "data"}
    assert sum(heartbeats.values()) > streams["completed"] * FEW_TOKENS / 2
