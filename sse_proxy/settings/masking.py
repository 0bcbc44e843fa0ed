"""How a value is shown that may hold a secret: in `config`, in the log's first line, and in every complaint."""

from __future__ import annotations

import re

__all__ = ["mask", "shown_url"]

# Greedy: a password that was not percent-encoded may hold a slash, and is a secret all the same. Without slashes too:
# a mistyped URL is shown in the complaint about it.
_IN_URL = re.compile(r"(:?//|:/?)(\S*)@([^\s\"]*)")
# redis-py takes ``?password=`` and its kin as well; names of files are no secrets.
_IN_QUERY = re.compile(
    r"([?&][^=&\s]*(?:pass|secret|token|key|auth|user)(?!file)[^=&\s]*=)[^&\s\"]+", flags=re.IGNORECASE
)


def mask(text: str) -> str:
    """Return *text* with ``***`` for the user and password of any URL in it, and for what its query calls a secret."""
    return _IN_QUERY.sub(r"\1***", _IN_URL.sub(_without_user, text))


def shown_url(url: str) -> str:
    """Return *url* as it may stand in a log: a query may hold a key, by any name."""
    return url.partition("?")[0] + ("?…" if "?" in url else "")


def _without_user(found: re.Match[str]) -> str:
    # Behind a question mark, what follows the last ``@`` may be a part of the secret still.
    return f"{found[1]}***" if "?" in found[2] else f"{found[1]}***@{found[3]}"
