"""What mkdocs is told besides mkdocs.yml: pages for the files outside docs/ that pages link to.

The same Markdown is read in a repository, where ``../nginx/proxy.conf`` is a file beside docs/, and as a site, which
has to stand for itself. So each such file becomes a page below ``source/``: text as a block of code, Markdown as
Markdown, a directory as a list. Links are followed from these pages too. A link that leads nowhere stays as it is, and
fails the strict build.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

__all__ = ["on_files", "on_page_markdown"]

_PROJECT = Path(__file__).resolve().parent.parent
_DOCS = _PROJECT / "docs"
_SOURCE = "source/"
#: Those of the navigation, and the README, whose links are checked so.
_ALWAYS = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md")

#: The target of an inline link to a file, without its anchor; blocks of code are left alone.
_LINK = re.compile(
    r"(?P<code>^```.*?^```[^\n]*$)|(?P<before>\]\()(?!\w+:|#|/)(?P<target>[^)#\s]+)", re.DOTALL | re.MULTILINE
)
_LANGUAGES = {
    "cfg": "haproxy", "conf": "nginx", "js": "js", "json": "json", "py": "python", "sh": "sh", "toml": "toml",
    "tsx": "tsx", "yaml": "yaml", "yml": "yaml",
}  # fmt: skip
#: A longer text is not coloured.
_MAX_COLOURED_LINES = 600


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add a page for every file outside docs/ that is linked to, directly or from another such page."""
    waiting = [_PROJECT / name for name in _ALWAYS if (_PROJECT / name).exists()]
    for file in files.documentation_pages():
        waiting += _linked(file.content_string, (_DOCS / file.src_uri).parent)
    seen: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        text = _page(path)
        files.append(File.generated(config, _address(path), content=text, inclusion=InclusionLevel.NOT_IN_NAV))
        waiting += _linked(text, path.parent)
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 -- mkdocs's names
    """Let the links of a page lead to the pages of what they mean."""
    address = page.file.src_uri
    home = _home(address).parent

    def redirected(match: re.Match[str]) -> str:
        if match["code"]:
            return match[0]
        path = _target(match["target"], home)
        if path is None:
            return match[0]
        return match["before"] + posixpath.relpath(_address(path), posixpath.dirname(address))

    return _LINK.sub(redirected, markdown)


def _home(address: str) -> Path:
    """Where what the page at *address* shows lies in the project."""
    if address.startswith(_SOURCE):
        return _PROJECT / address.removeprefix(_SOURCE).removesuffix(".md")
    return _DOCS / address


def _target(target: str, home: Path) -> Path | None:
    """The file that a link from *home* means; None where there is none."""
    path = (home / target).resolve()
    return path if path.exists() and path.is_relative_to(_PROJECT) else None


def _address(path: Path) -> str:
    """Where the page of *path* is, below the site's root."""
    if path.is_relative_to(_DOCS):
        return path.relative_to(_DOCS).as_posix()
    return f"{_SOURCE}{path.relative_to(_PROJECT).as_posix()}.md"


def _linked(text: str, home: Path) -> list[Path]:
    """The files outside docs/ that *text* links to."""
    paths = (_target(found["target"], home) for found in _LINK.finditer(text) if found["target"])
    return [path for path in paths if path is not None and not path.is_relative_to(_DOCS)]


def _page(path: Path) -> str:
    name = path.relative_to(_PROJECT).as_posix()
    if path.is_dir():
        shown = sorted(item.name for item in path.iterdir() if not item.name.startswith((".", "__")))
        return "\n".join([f"# {name}/", "", *(f"- [{item}]({path.name}/{item})" for item in shown), ""])
    text = path.read_text()
    if path.suffix == ".md":
        return text
    language = (
        _LANGUAGES.get(path.suffix.removeprefix("."), "text") if text.count("\n") < _MAX_COLOURED_LINES else "text"
    )
    return f"# {name}\n\n````{language}\n{text.rstrip()}\n````\n"
