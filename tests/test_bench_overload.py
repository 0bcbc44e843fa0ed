"""`bench.overload`: what is made of what was seen, and a small show of its own."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path

import pytest

from bench.overload.asking import Told, ask, percentile
from bench.overload.llm import Manner, serving
from bench.overload.page import marked
from bench.overload.proxy import labelled

_PAGE = Path(__file__).resolve().parent.parent / "docs" / "overload.md"


def test_the_page_has_a_place_for_every_table() -> None:
    """A table goes between its marks, in place of the last one, and changes nothing else."""
    page = _PAGE.read_text()
    for name in ("capacity", "fairness", "memory", "late"):
        once = marked(page, name, "| a |")
        assert once.count("| a |") == 1
        assert marked(once, name, "| b |") == once.replace("| a |", "| b |")
    with pytest.raises(ValueError, match="no marks"):
        marked(page, "nothing", "| a |")


def test_samples_are_summed_by_label() -> None:
    """Over the other labels, and of that name alone."""
    samples = {'a{x="1",y="p"}': 2.0, 'a{x="2",y="p"}': 3.0, 'a{y="q"}': 1.0, 'ab{y="q"}': 9.0}
    assert labelled(samples, "a", "y") == {"p": 5, "q": 1}


def test_a_percentile_is_one_of_the_values() -> None:
    """Of those that are asked for; of none it is no number."""
    told = [Told(at=0, status=200, first_seconds=n, is_whole=n > 1, is_proper=False) for n in range(101)]
    assert percentile(told, 0.99, lambda one: one.status == 200) == 99
    assert percentile(told, 1.0, lambda one: one.is_whole) == 100
    assert math.isnan(percentile(told, 0.5, lambda one: one.status == 503))


async def test_requests_over_the_slots_wait_for_one() -> None:
    """As in front of an LLM server; each is whole in the end."""
    async with serving(Manner(slots=1, tokens=2, pause_seconds=0.01)) as port:
        told = await asyncio.gather(*(ask(port) for _ in range(3)))
    assert [one.status for one in told] == [200] * 3
