"""A request body that stops coming: the error of whoever waits for it, be it a look-ahead, an upload or the server."""

from __future__ import annotations

from .errors import BadRequest

__all__ = ["UploadTimeout"]


class UploadTimeout(BadRequest):
    """400: the next piece of the request body did not come, and nothing but the client was to be waited for."""

    default_message = "the request body took too long to arrive"
