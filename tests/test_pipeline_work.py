"""`core.pipeline` does work in proportion to the bytes, whatever the upstream sends and however it is cut."""

from __future__ import annotations

import pytest

from .dialect_streams import DONE, FINISH, TOKEN, drained, pipeline, survived
from .work import calls_made, cpu_seconds


def in_reads(body: bytes, size: int = 4096) -> list[bytes]:
    """*body* as a socket gives it."""
    return [body[at : at + size] for at in range(0, len(body), size)]


def huge(size: int) -> bytes:
    """A stream with one event of *size* bytes in it."""
    return TOKEN + b'data: {"choices":[{"delta":{"content":"' + b"x" * size + b'"}}]}\n\n' + FINISH + DONE


def test_one_large_event_costs_linear_work() -> None:
    """An event of 512 KiB in 4 KiB reads is twice the calls of one of 256 KiB."""

    def work(size: int) -> int:
        chunks = in_reads(huge(size))
        return calls_made(lambda: drained("openai_chat", *chunks))

    assert work(512 << 10) <= 2.1 * work(256 << 10)


def test_one_large_event_is_copied_a_bounded_number_of_times() -> None:
    """An event of 16 MiB in 1 KiB reads takes a tenth of a second; joining at every read would copy 128 GiB."""
    of_body = pipeline("openai_chat", limit=32 << 20)
    chunks = in_reads(huge(16 << 20), 1024)
    assert cpu_seconds(lambda: [of_body.feed(chunk) for chunk in chunks]) < 3
    assert of_body.state.terminated


@pytest.mark.parametrize(
    "unit",
    [
        pytest.param(b"data: {}\n\n", id="many events a read"),
        pytest.param(b"data:data:", id="doubled prefixes"),
        pytest.param(b"}{", id="seams without documents"),
        pytest.param(b'{"a":1}', id="concatenated documents"),
        pytest.param(b"\ndata: 1,", id="many lines"),
        pytest.param(b"\nevent: a", id="many fields"),
        pytest.param(b"\n\n", id="blank lines"),
        pytest.param(b"\n:comment", id="comments"),
        pytest.param(b"\r", id="carriage returns"),
    ],
)
@pytest.mark.parametrize("read", [1, 4096])
def test_pathological_streams_cost_linear_work(unit: bytes, read: int) -> None:
    """Whatever the upstream repeats, and in whatever reads: twice the bytes are at most about twice the calls."""

    def work(count: int) -> int:
        chunks = in_reads(TOKEN + b"data: {" + unit * count + b"\n\n" + DONE, read)
        return calls_made(lambda: survived("openai_chat", *chunks))

    assert work(4000) <= 2.2 * work(2000) + 200
