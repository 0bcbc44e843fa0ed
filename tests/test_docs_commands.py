"""The commands of README and docs do what the pages say: each is run here, or stands in a table with the reason."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sse_proxy.demo import create_mock

from .browser import Visit, browsing
from .conftest import LIMIT_SECONDS, require_component
from .docs_blocks import ELSEWHERE, PROJECT, Block, blocks, pages
from .docs_session import Session, pattern_of, steps
from .sdk_stage import standing

_SHELL = ("console", "sh")
_TUTORIAL = "docs/tutorial.md"


def run_here(page: str, *languages: str) -> list[Block]:
    """The blocks of *page* in one of *languages* that are not in the table."""
    return [block for block in blocks(page) if block.language in languages and block.elsewhere is None]


def follow(session: Session, page: str) -> None:
    """Do all that *page* says."""
    for block in run_here(page, *_SHELL):
        for step in steps(block):
            session.run(step)


@pytest.fixture(scope="module")
def upstream() -> Iterator[int]:
    """The port of an LLM server that the readers have already: the mock."""
    for program in ("curl", "make"):
        require_component(program)
    with standing() as stage:
        yield int(stage.serve(create_mock()).rpartition(":")[2])


@pytest.mark.parametrize("page", [page for page in pages() if run_here(page, *_SHELL) and page != _TUTORIAL])
def test_the_commands_work(page: str, upstream: int) -> None:
    """In the order of the page, with the output that it shows."""
    with Session(upstream) as session:
        follow(session, page)


async def test_the_tutorial_works(upstream: int) -> None:
    """All of it, and at its end the page shows the answer: in Chromium, on another origin than the proxy's."""
    pressed = """(async () => {
        document.querySelector("button").click();
        const text = document.querySelector("p");
        while (!text.textContent.includes("19 ")) await new Promise((again) => setTimeout(again, 20));
        return text.textContent;
    })()"""
    with Session(upstream) as session:
        await asyncio.to_thread(follow, session, _TUTORIAL)
        async with browsing() as browser, asyncio.timeout(LIMIT_SECONDS):
            url = f"http://127.0.0.1:{session.port(8090)}/?proxy=http://127.0.0.1:{session.port(7070)}"
            [text] = await browser.visit(Visit(url, "eval", pressed))
    assert text.startswith("stream0 café1 日本語2")


@pytest.mark.parametrize("page", [page for page in pages() if run_here(page, "python")])
def test_the_python_works(page: str, tmp_path: Path) -> None:
    """All blocks of the page, one after the other in one program."""
    program = tmp_path / "page.py"
    program.write_text("\n".join(block.code for block in run_here(page, "python")))
    done = subprocess.run(
        [sys.executable, "-W", "error", program], capture_output=True, text=True, timeout=60, check=False, cwd=PROJECT
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", pages())
def test_what_is_not_run_is_in_the_table(page: str) -> None:
    """With a reason; a block that is said to be a file is that file, to the letter."""
    for block in blocks(page):
        if block.language in {*_SHELL, "python"}:
            continue
        assert block.elsewhere is not None, f"{page}:{block.line} is neither run nor in the table"
        file = PROJECT / block.elsewhere.partition(":")[0]
        assert file.read_text() == block.code


def test_the_table_has_nothing_else() -> None:
    """Each entry is of a block that is there, and has a reason; the tests that it names are there too."""
    every = [block for page in pages() for block in blocks(page)]
    idle = [key for key in ELSEWHERE if not any(b.page == key[0] and b.code.startswith(key[1]) for b in every)]
    assert idle == []
    named = {word.strip(",;") for why in ELSEWHERE.values() for word in why.split() if word.startswith("test_")}
    assert [name for name in sorted(named) if not (PROJECT / "tests" / f"{name}.py").exists()] == []


def test_a_page_that_is_wrong_is_found(upstream: int) -> None:
    """The control: a command that fails, one that prints something else, and a server that does not start."""
    with Session(upstream) as session:
        for code in ("$ false\n", "$ echo two words\none …\n", "$ sse-proxy serve --upstream 127.0.0.1\n"):
            [step] = steps(Block("page", 1, "console", code))
            with pytest.raises(AssertionError):
                session.run(step)


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        ("a …\nz\n", "a b\nz\n", True),
        ("a\n…\nz\n", "a\nb\nc\nz\n", True),
        ("a\n…\nz\n", "a\nb\n", False),
        ("ttft N s\n", "ttft N s\n", True),
        ("ttft 0.1 s\n", "ttft N s\n", True),
        ("a\n", "a\nb\n", False),
    ],
)
def test_outputs_are_compared_line_by_line(shown: str, printed: str, *, fits: bool) -> None:
    """But for what the page leaves out, and numbers."""
    assert bool(pattern_of(shown).fullmatch(printed)) is fits
