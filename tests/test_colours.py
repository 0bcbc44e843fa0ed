"""`colours`: colours on a terminal only, unless the user's environment says otherwise."""

from __future__ import annotations

import io

import pytest

from sse_proxy.colours import wants_colours


class _Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.mark.parametrize(
    "terminal, environ, expected",
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"TERM": "dumb"}, False),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (False, {"FORCE_COLOR": "1"}, True),
        (False, {"FORCE_COLOR": ""}, False),
        (False, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
    ],
)
def test_colours_are_for_terminals_unless_told_otherwise(
    terminal: bool, environ: dict[str, str], expected: bool
) -> None:
    """NO_COLOR goes before FORCE_COLOR; an empty variable says nothing."""
    assert wants_colours(_Stream(terminal=terminal), environ=environ) is expected


def test_the_process_s_own_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless another one is given."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert wants_colours(_Stream(terminal=False))
