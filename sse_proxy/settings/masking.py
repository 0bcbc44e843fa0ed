"""How a value is shown that may hold a secret: in `config`, in the log's first line, and in every complaint."""

from __future__ import annotations

import re

__all__ = ["mask", "shown_url"]

# Greedy: a password that was not percent-encoded may hold a slash, and is a secret all the same. Without slashes too:
# a mistyped URL is shown in the complaint about it.
_IN_URL = re.compile(r"(:?//|:/?)(\S*)@([^\s\"]*)")
# A query may hold a key, by any name or none: redis-py takes ``?password=``, clouds ``?sig=`` and ``?code=``.
_IN_QUERY = re.compile(r"\?[^\s\"]+")
_HIDDEN_QUERY = "?…"


def mask(text: str) -> str:
    """Return *text* with ``***`` for the user and password of any URL in it, and without what its query says."""
    return _IN_QUERY.sub(_HIDDEN_QUERY, _IN_URL.sub(_without_user, text))


def shown_url(url: str) -> str:
    """Return *url*, which has no user, as it may stand in a log; an ``@`` in its query hides no more than that."""
    return url.partition("?")[0] + (_HIDDEN_QUERY if "?" in url else "")


def _without_user(found: re.Match[str]) -> str:
    # Behind a question mark, what follows the last ``@`` may be a part of the secret still.
    return f"{found[1]}***" if "?" in found[2] else f"{found[1]}***@{found[3]}"
