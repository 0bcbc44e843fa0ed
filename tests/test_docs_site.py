"""The documentation site builds strictly and loads nothing from elsewhere; links out of it can lead somewhere."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from docsite.picture import PICTURE, RECORD, draw

from .browser import Visit, browsing
from .conftest import LIMIT_SECONDS
from .docs_blocks import PROJECT, pages
from .streaming import served

#: Elements and their attributes whose address a browser fetches by itself.
_LOADED = {
    "audio": "src", "embed": "src", "iframe": "src", "image": "href", "img": "src", "input": "src", "link": "href",
    "object": "data", "script": "src", "source": "src", "track": "src", "use": "href", "video": "src",
}  # fmt: skip
#: Kinds of ``link`` that load nothing.
_IDLE_LINKS = {"next", "prev", "canonical", "alternate"}
_MAX_README_LINES = 150


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    target = tmp_path_factory.mktemp("site")
    done = build(target, PROJECT / "mkdocs.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def build(target: Path, config: Path) -> subprocess.CompletedProcess[str]:
    """What mkdocs says when it builds the site of *config* strictly in *target*; with --quiet it heeds no warning."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", target, "--config-file", config],
        cwd=PROJECT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True, text=True, timeout=110, check=False,
    )  # fmt: skip


def test_dead_links_fail_the_build(tmp_path: Path) -> None:
    """The control: to a page, to a heading, to a file outside, and an entry of the navigation."""
    config = tmp_path / "mkdocs.yml"
    config.write_text(
        f"INHERIT: {PROJECT / 'mkdocs.yml'}\ndocs_dir: {tmp_path / 'docs'}\nhooks: []\nextra_css: []\n"
        "nav: [index.md, gone.md]\n"
    )
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A\n[x](nowhere.md) [y](#nothing) [z](../outside.txt)\n")
    done = build(tmp_path / "site", config)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert [word for word in ("nowhere.md", "#nothing", "../outside.txt", "gone.md") if word not in said] == []


class _Resources(HTMLParser):
    """What a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.classes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.classes |= set((given.get("class") or "").split())
        address = given.get(_LOADED.get(tag, ""))
        if address and not (tag == "link" and given.get("rel") in _IDLE_LINKS):
            self.found.append(address)


def resources(page: Path) -> _Resources:
    """Those of the built *page*."""
    parser = _Resources()
    parser.feed(page.read_text())
    return parser


def is_foreign(address: str) -> bool:
    """Whether another host would be asked for it."""
    return bool(urlsplit(address).netloc)


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """No font, script, style or picture of another host, on any page; nor what would make the theme fetch one."""
    built = {page: resources(page) for page in site.rglob("*.html")}
    assert len(built) > 50
    assert all(found.found for found in built.values())
    foreign = {(page.name, address) for page, found in built.items() for address in found.found if is_foreign(address)}
    assert foreign == set()
    # The theme gets its renderer of diagrams from a CDN.
    assert [page.name for page, found in built.items() if "mermaid" in found.classes] == []


async def test_the_site_works_in_a_browser_alone(site: Path) -> None:
    """Chromium asks no other host for anything, no request fails, and the search finds a setting."""
    look = """(async () => {
        const query = document.querySelector(".md-search__input");
        query.focus();
        query.value = "heartbeat_seconds";
        query.dispatchEvent(new KeyboardEvent("keyup", { bubbles: true }));
        const found = () => [...document.querySelectorAll(".md-search-result__link")].map((link) => link.href);
        while (!found().length) await new Promise((again) => setTimeout(again, 50));
        const asked = performance.getEntriesByType("resource");
        return { asked: asked.map(({ name, responseStatus }) => [name, responseStatus]), found: found() };
    })()"""
    files = Starlette(routes=[Mount("/", StaticFiles(directory=site))])
    async with served(files) as port, browsing() as browser, asyncio.timeout(2 * LIMIT_SECONDS):
        origin = f"http://127.0.0.1:{port}"
        [told] = await browser.visit(Visit(f"{origin}/index.html", "eval", look))
    assert len(told["asked"]) > 4
    assert [entry for entry in told["asked"] if not entry[0].startswith(f"{origin}/") or entry[1] != 200] == []
    assert any("/settings.html" in address for address in told["found"])


def test_every_file_that_is_linked_to_has_a_page(site: Path) -> None:
    """Directly, or from another such page: those of a directory that is linked to have theirs."""
    directives = re.findall(r"^\s*(\w+) [^{};\n]*;", (PROJECT / "nginx" / "proxy.conf").read_text(), re.MULTILINE)
    shown = (site / "source" / "nginx" / "proxy.conf.html").read_text()
    assert len(directives) > 5
    assert [name for name in directives if name not in shown] == []


def test_styles_load_nothing_from_elsewhere(site: Path) -> None:
    """Neither by url() nor by @import."""
    styles = [path.read_text() for path in site.rglob("*.css")]
    assert len(styles) > 2
    addresses = [
        found for text in styles for found in re.findall(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)", text)
    ]
    assert [pair for pair in addresses if any(map(is_foreign, pair))] == []


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<script src="https://cdn.example/x.js">', ["https://cdn.example/x.js"]),
        ('<link rel="stylesheet" href="//fonts.example/a.css">', ["//fonts.example/a.css"]),
        ('<a href="https://elsewhere.example/">', []),
        ('<link rel="next" href="https://elsewhere.example/">', []),
    ],
)
def test_what_is_loaded_is_told_from_what_is_linked(html: str, found: list[str]) -> None:
    """The control of the test above."""
    parser = _Resources()
    parser.feed(html)
    assert [address for address in parser.found if is_foreign(address)] == found


def test_every_page_is_in_the_navigation() -> None:
    """Or nobody finds it."""
    text = re.sub(r"!!python/\S+", "", (PROJECT / "mkdocs.yml").read_text())
    named = set(_files(yaml.safe_load(text)["nav"]))
    there = {page.removeprefix("docs/") for page in pages() if page.startswith("docs/")}
    assert there - named == set()


def _files(entries: object) -> Iterator[str]:
    if isinstance(entries, str):
        yield entries
    elif isinstance(entries, dict):
        for inner in entries.values():
            yield from _files(inner)
    elif isinstance(entries, list):
        for inner in entries:
            yield from _files(inner)


@pytest.mark.parametrize("page", pages())
def test_links_to_elsewhere_are_well_formed(page: str) -> None:
    """An address with a host of the world; of GitHub a repository, and the number of an issue where one is meant."""
    text = re.sub(r"^```.*?^```", "", (PROJECT / page).read_text(), flags=re.DOTALL | re.MULTILINE)
    for address in re.findall(r"\]\((\w+:[^)]*)\)", text):
        url = urlsplit(address)
        assert url.scheme == "https", address
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", url.netloc), address
        if url.netloc == "github.com":
            assert re.fullmatch(r"/[\w.-]+/[\w.-]+(/(issues|pull)/\d+|/(blob|tree)/.+)?/?", url.path), address


def test_the_picture_is_what_was_recorded() -> None:
    """`python -m docsite.picture` would draw the same, and the recording is of both ways."""
    record = json.loads(RECORD.read_text())
    assert [lane["name"] for lane in record["lanes"]] == [
        "silent-straight",
        "silent-through",
        "cut-straight",
        "cut-through",
    ]
    assert draw(record) == PICTURE.read_text()


def test_the_readme_is_short_and_has_the_matrix_as_it_is() -> None:
    """Its figures of clients are those of the page that `make compat` writes."""
    readme = (PROJECT / "README.md").read_text()
    assert len(readme.splitlines()) < _MAX_README_LINES
    matrix = (PROJECT / "docs/compatibility.md").read_text()
    row = re.search(r"^\| All \| \d+ \| (\d+) of (\d+) \| (\d+) of (\d+) \|$", matrix, re.MULTILINE)
    assert row is not None
    straight, of, through, of_all = (f"{int(number):,}" for number in row.groups())
    assert f"{straight} of {of} cases straight, in {through} of {of_all} through" in " ".join(readme.split())
