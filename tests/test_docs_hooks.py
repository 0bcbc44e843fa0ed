"""The site's own parts: links that leave docs/, and the forms of the generated pages."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files

from docsite import hooks
from docsite.markdown import bytes_code, code, prose, replaced, table
from docsite.source import member_comments


def redirected(markdown: str, src_uri: str) -> str:
    """What the hook makes of *markdown* on the page *src_uri*."""
    page: Any = SimpleNamespace(file=SimpleNamespace(src_uri=src_uri))
    return hooks.on_page_markdown(markdown, page=page, config=MkDocsConfig(), files=Files([]))


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("nginx.md", "../nginx/proxy.conf", "source/nginx/proxy.conf.md"),
        ("nginx.md", "../nginx/", "source/nginx.md"),
        ("runbooks/SSEProxyDown.md", "../../helm/sse-proxy/README.md", "../source/helm/sse-proxy/README.md.md"),
        ("nginx.md", "hops.md", "hops.md"),
        ("source/README.md.md", "docs/nginx.md", "../nginx.md"),
        ("source/README.md.md", "LICENSE", "LICENSE.md"),
        ("source/nginx.md", "nginx/proxy.conf", "nginx/proxy.conf.md"),
        ("nginx.md", "../no-such-file", "../no-such-file"),
        ("nginx.md", "../../../etc/passwd", "../../../etc/passwd"),
        ("nginx.md", "https://nginx.org/", "https://nginx.org/"),
        ("nginx.md", "#install", "#install"),
    ],
)
def test_links_lead_to_the_page_of_what_they_mean(page: str, link: str, expected: str) -> None:
    """Files of the project have one; what is not there, or not of it, is left for the strict build to find."""
    assert redirected(f"see [it]({link}) there", page) == f"see [it]({expected}) there"


def test_an_anchor_stays() -> None:
    """It follows the target."""
    assert redirected("[x](../CONTRIBUTING.md#style)", "design.md") == "[x](source/CONTRIBUTING.md.md#style)"


def test_code_is_left_alone() -> None:
    """What looks like a link in a block of code is none."""
    block = "```md\n[x](../LICENSE)\n```"
    assert redirected(f"{block}\n[x](../LICENSE)", "design.md") == f"{block}\n[x](source/LICENSE.md)"


def test_the_forms_of_markdown() -> None:
    """Tables keep to their cells, code to its marks, and words of elsewhere are left out."""
    assert table(("a", "b"), [("x|y", "1\n2")]) == "| a | b |\n|---|---|\n| x\\|y | 1 2 |"
    assert (code(""), code("x"), code("a`b")) == ("", "`x`", "``a`b``")
    assert bytes_code(b": ping\n\n") == "`: ping\\n\\n`"
    assert bytes_code(b"\x00\xffa") == "`\\x00\\xffa`"
    assert prose("One ``line`` (reference: formats.md § A1).\nTwo.") == "One `line`. Two."


def test_a_part_of_a_page_is_replaced() -> None:
    """Between its marks, and nothing where there are none."""
    page = "a\n<!-- begin: x -->\nold\n<!-- end: x -->\nb"
    assert replaced(page, "x", "new") == "a\n<!-- begin: x -->\nnew\n<!-- end: x -->\nb"
    with pytest.raises(ValueError, match="begin: y"):
        replaced(page, "y", "new")


class _Commented:
    #: Of one line.
    first = 1
    #: Of
    #: two.
    second: int = 2
    third = 3


def test_comments_of_members_are_read() -> None:
    """The block in front of a member is its; a member without one has none."""
    assert member_comments(_Commented) == {"first": "Of one line.", "second": "Of two."}
