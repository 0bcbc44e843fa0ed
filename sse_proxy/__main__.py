"""``python -m sse_proxy`` is ``sse-proxy``."""

from __future__ import annotations

from .cli import main

main(prog_name="sse-proxy")
