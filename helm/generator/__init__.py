"""Writes what of the charts follows from something else, so that it cannot drift.

The settings model is the source of the block ``config`` of the library's values; the library's values are the source
of the block ``proxy`` of the application's; values and their comments are the source of each chart's JSON Schema and
of the table in its README. `python -m helm.generator` writes all of it, ``--check`` tells what is out of step.
"""

from __future__ import annotations

from .outputs import CHARTS, Generated, generate

__all__ = ["CHARTS", "Generated", "generate"]
