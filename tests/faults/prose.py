"""The words of ``docs/reliability.md`` around its tables."""

from __future__ import annotations

from collections.abc import Mapping

from .words import LEGEND, SILENT

__all__ = ["PARTS_PROSE", "prose"]

_HEAD = """# What is promised when something fails

Written by `make faults`; a change made by hand is lost.

- **Half a stream never looks whole.** A stream that fails ends with its API's own error. An ordinary answer that breaks
  off ends with a broken connection, which is all that HTTP has for that.
- **What came before the fault arrives.** Events that were whole when the upstream failed are delivered first.
- **A status as long as there can be one.** Until the first event an error is an HTTP status with the API's JSON, and
  says by `x-should-retry` whether the upstream ever had the request.
- **A POST is sent once.** Only a connection that could not be made may be tried at another address.
- **Whoever is not needed any more learns of it at once.** A client that leaves, or is cut off, ends the work of its
  upstream.
- **Everything ends.** Each phase has a timeout of its own, and none of them is fed by comments, pings or our own
  heartbeats.
- **Each failure is counted as what it was**, in `sse_proxy_streams_total{outcome}`.
- **The store of kept streams is never in the way.** If Redis fails, streams flow, and cannot be resumed.
- **Nothing is left behind**: after each group of cells the process holds no task, connection, descriptor or stream
  more than before.

What is not promised: an ordinary answer whose own framing says that it is whole is passed on, whatever is in it; only
streams are read. A client whose kernel still answers, but which reads nothing of a slow answer, is given up without a
word to it, as the kernel has no way to say one.

## How it was found out

Every cell is one exchange through a real `sse-proxy serve`, with an upstream and a client that do what the row says,
byte by byte, and are compared with what a few rules demand (`tests/faults/expect.py`). `make test` plays them too,
and fails for any that differs. As root some are played with the kernel's own means, in a network namespace:
`iptables`, `ss -K`, `tc`.

The exchanges are a **stream** (OpenAI chat), an ordinary **JSON** answer of the same API, and an **upload** of 12 MB.
Timeouts are some seconds. What clients get, in these words:

| word | means |
|---|---|
"""


def prose(tallies: Mapping[str, int], day: str) -> str:
    """Everything before the first table of faults."""
    legend = "".join(f"| {word} | {meaning} |\n" for word, meaning in LEGEND.items())
    others = [title for title in tallies if title not in {"cells", "rows", "compared", "sse-proxy"}]
    silent = SILENT.strip("*")
    told = "; ".join(f"{title}: {tallies[title]}" for title in ("sse-proxy", *others))
    return (
        f"{_HEAD}{legend}\n"
        f"Run on {day}: {tallies['cells']} cells of {tallies['rows']} faults. Of {tallies['compared']} faults "
        f"of an upstream or a "
        f"client in a stream, these many came out as “{silent}”: {told}. {' and '.join(others)} have the same "
        f"timeouts as sse-proxy "
        "here, no buffering, and no retries but their default ones. They do not read what they pass on, so "
        "they cannot know that a "
        "stream lacks its end; for the same reason they cannot hurt one that is odd but whole.\n"
    )


PARTS_PROSE = {
    "upstream": (
        "The LLM server, or whatever is on its side. “left” is that the proxy closed the connection while "
        "the upstream was still at "
        "work; “upstream kept” is that a proxy did not."
    ),
    "client": "Whoever asks. A client that half-closes its connection counts as gone, with nginx and Envoy too.",
    "network": (
        "What is between. The relay delays and splits; the kernel's packet filter drops, `ss -K` resets, and "
        "`tbf` throttles, each "
        "for a stream that has begun or a connection that is to be made."
    ),
    "store": (
        "The Redis of `resume`, behind a relay that breaks. Every stream is whole; one that could not be "
        "kept says so "
        "(`X-SSE-Resume: unavailable`), the failure is counted (`store_errors_total`), and streams are kept "
        "again as soon as the store "
        "is well."
    ),
    "DNS": (
        "The resolver of the upstream's name, scripted where the proxy asks for addresses. Answers are not "
        "kept longer than the "
        "connections that were made by them."
    ),
    "TLS": (
        "Towards the upstream. An end without `close_notify` may be anybody's on the way, so a body that has "
        "no other end is cut, "
        "not whole."
    ),
    "process": (
        "Real signals to real processes: the proxy, the upstream, the client; and a proxy without "
        "descriptors or disk. SIGTERM drains: "
        "what ends in time is whole, and what does not is told `drained`."
    ),
}
