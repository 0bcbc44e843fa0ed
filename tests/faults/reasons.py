"""Which of the faults that the table is to have each part has, and why not where it has none."""

from __future__ import annotations

from .cells import Cell, NoCell

__all__ = ["FAMILIES", "REASONS", "is_of"]

#: The faults that are looked for in every part → how rows of theirs begin.
FAMILIES: dict[str, tuple[str, ...]] = {
    "refuses": (
        "refuses",
        "knows no such name",
        "fails for now",
        "gives only dead",
        "has a",
        "has more clients",
        "runs out",
        "cannot write",
    ),
    "resets": ("resets", "kills"),
    "half-closes": ("half-closes", "closes", "ends"),
    "black-holes": ("black-holes", "drops", "stops"),
    "trickles": ("trickles", "is slow", "is throttled", "delays", "splits"),
    "sends garbage": ("sends garbage", "sends an alert"),
    "sends too much": ("sends too much", "gives a dead"),
    "stalls": ("stalls", "stops"),
    "closes an idle connection": ("closes an idle", "resets an idle", "closes its idle", "resets its idle"),
    "lies about length": ("promises more", "sends more", "ends before its end"),
    "truncates a chunk": ("truncates a chunk",),
    "sends trailers": ("sends trailers",),
    "sends 1xx": ("sends 1", "expects 100"),
    "answers 413 early": ("answers 413 early",),
    "closes in good order while requests wait": ("says “Connection: close”", "changes its answer", "ends the proxy"),
}

_HTTP = ("lies about length", "truncates a chunk", "sends trailers", "sends 1xx", "answers 413 early")
_BELOW = "it knows nothing of HTTP"

#: Part and family → why there is no such row.
REASONS: dict[tuple[str, str], str] = {
    **{("network", family): f"a network moves bytes; {_BELOW}" for family in _HTTP},
    ("network", "refuses"): "who refuses is the host at its end: see upstream",
    ("network", "half-closes"): "an end is something that one of both ends says: see upstream and client",
    ("network", "sends garbage"): "TCP's checksums find what a network garbles; what is made on purpose, TLS finds",
    ("network", "sends too much"): "a network sends nothing by itself",
    ("network", "stalls"): "see “drops every packet”",
    ("network", "closes an idle connection"): "a reset of an idle connection is the upstream's row",
    ("network", "closes in good order while requests wait"): "it has no good order",
    **{("store", family): "Redis's protocol has no such thing" for family in _HTTP},
    ("store", "stalls"): "see “black-holes”: a store that takes commands and says nothing",
    ("store", "closes an idle connection"): "see “half-closes, before the stream”: the connections are idle then",
    ("store", "closes in good order while requests wait"): "see “half-closes, in the stream”",
    **{("DNS", family): f"a resolver gives addresses or an error; {_BELOW}" for family in _HTTP},
    **{
        ("DNS", family): "its connections are the operating system's: to the proxy it is an error, or late"
        for family in ("resets", "half-closes", "closes an idle connection")
    },
    ("DNS", "stalls"): "see “black-holes”",
    **{("TLS", family): f"it carries bytes; {_BELOW}" for family in _HTTP},
    ("TLS", "black-holes"): "see “stalls, in the handshake”",
    ("TLS", "trickles"): "its records may come in any pieces: see the network",
    ("TLS", "sends too much"): "a record has a largest size, which OpenSSL holds it to",
    ("TLS", "closes an idle connection"): "as without TLS: see upstream",
    ("TLS", "closes in good order while requests wait"): "as without TLS: see upstream",
    **{("process", family): f"a process that fails says nothing; {_BELOW}" for family in _HTTP},
    **{
        ("process", family): "what a failing process still sends is the upstream's, or the client's, row"
        for family in ("trickles", "sends garbage", "sends too much", "closes an idle connection")
    },
}


def is_of(cell: Cell | NoCell, family: str) -> bool:
    """Whether a row is one of *family*."""
    return cell.fault.does.startswith(FAMILIES[family])
