"""The output shapes: any API's answer in the events of one that the client knows (``output`` of a route)."""

from __future__ import annotations

from typing import Literal

from ..dialects.state import JSONObject
from .base import Output, Shape
from .openai import OpenAIShape
from .tokens import TokensShape

__all__ = ["Output", "Shape", "shape_for"]


def shape_for(output: Literal["openai", "tokens"], *, identity: JSONObject) -> Shape:
    """A fresh shape for one stream; *identity* is what its events call it, where they do: id, created, model."""
    return OpenAIShape(identity) if output == "openai" else TokensShape()
