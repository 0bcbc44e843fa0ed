"""`settings.masking`: what is shown of a value that may hold a secret."""

from __future__ import annotations

import pytest

from sse_proxy.settings import mask, shown_url


@pytest.mark.parametrize(
    "text, expected",
    [
        ("redis://user:secret@host/0", "redis://***@host/0"),
        ("http://u:pa/ss@host", "http://***@host"),
        ("rediss://:p@ss@host", "rediss://***@host"),
        ('"redis://u:secret@host"', '"redis://***@host"'),
        ("http://host/path", "http://host/path"),
        ("no URL at all", "no URL at all"),
        ("/run/secrets/a@b", "/run/secrets/a@b"),
    ],
)
def test_user_and_password_of_a_url_are_hidden(text: str, expected: str) -> None:
    """A password is hidden also where it was not percent-encoded and so ends the authority too early."""
    assert mask(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("redis://h/0?password=secret", "redis://h/0?…"),
        ('"redis://h?db=1&PASSWORD=secret", "x"', '"redis://h?…", "x"'),
        ("https://h/v1?sig=abc&code=xyz is wrong", "https://h/v1?… is wrong"),
        ("http://h/?secret", "http://h/?…"),
        ("http://h/?", "http://h/?"),
        ("what? this", "what? this"),
        ("redis://h?password=sec@ret", "redis://***"),
        ("redis://u:s?user=a@h", "redis://***"),
        ("redis://u:s@h?password=secret", "redis://***@h?…"),
    ],
)
def test_a_query_is_hidden(text: str, expected: str) -> None:
    """Whatever its names are, for any may be that of a key. A stray ``@`` hides what stands before it as well."""
    assert mask(text) == expected


@pytest.mark.parametrize("text, expected", [("redis:/u:secret@h", "redis:/***@h"), ("u:secret@h", "u:***@h")])
def test_a_mistyped_url_is_hidden_all_the_same(text: str, expected: str) -> None:
    """It is shown in the complaint about it."""
    assert mask(text) == expected


@pytest.mark.parametrize(
    "text, expected",
    [("http://h/p?key=secret&q=1", "http://h/p?…"), ("http://h/p", "http://h/p"), ("http://h?q=a@b", "http://h?…")],
)
def test_a_shown_url_has_no_query(text: str, expected: str) -> None:
    """Gemini's API takes its key there, and what `doctor` and `tail` write goes into bug reports."""
    assert shown_url(text) == expected
