"""The life of one response on its way to the client: `Response`, and the parts it is made of."""

from __future__ import annotations

from .policy import Policy
from .response import Response

__all__ = ["Policy", "Response"]
