"""`core.shapes`: how a route's ``output`` finds its shape."""

from __future__ import annotations

from sse_proxy.core.shapes import shape_for
from sse_proxy.core.shapes.openai import OpenAIShape
from sse_proxy.core.shapes.tokens import TokensShape


def test_each_output_has_its_shape() -> None:
    """A fresh one for each stream; only OpenAI's events have an identity."""
    identity = {"id": "x", "created": 1, "model": "m"}
    first, second = shape_for("openai", identity=identity), shape_for("openai", identity=identity)
    assert isinstance(first, OpenAIShape)
    assert first is not second
    assert first.state.identity == identity
    tokens = shape_for("tokens", identity=identity)
    assert isinstance(tokens, TokensShape)
    assert tokens.state.identity == {}
