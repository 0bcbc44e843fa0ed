"""A plugin of pytest for the judging of mutants: quick tests first, and fewer examples of each property.

Most mutants fall to any single case, and one that stands costs a run of everything.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from mutmut.state import state

_EXAMPLES = 100


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by how long each test took when mutmut timed them, and limit the properties."""
    seconds = state().duration_by_test
    items.sort(key=lambda item: seconds.get(item.nodeid, 0.0))
    for item in items:
        test: Any = getattr(item, "obj", None)
        own = getattr(test, "_hypothesis_internal_use_settings", None)
        if own is not None and own.max_examples > _EXAMPLES:
            test._hypothesis_internal_use_settings = settings(own, max_examples=_EXAMPLES)  # noqa: SLF001  no other way
