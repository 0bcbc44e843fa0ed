"""`core.repair_kinds`: the words for each repair."""

from __future__ import annotations

from sse_proxy.core.repair_kinds import REPAIR_KINDS


def test_every_kind_has_a_name_for_a_label_and_a_meaning() -> None:
    """One line each, for a table."""
    for name, meaning in REPAIR_KINDS.items():
        assert name.isidentifier()
        assert name.islower()
        assert meaning
        assert "\n" not in meaning
