"""The page's prose: what each figure is, and how it was taken."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["INTRODUCTION", "METHOD", "SECTIONS", "Section"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of the page; it is left out where none of its tables has anything to tell."""

    title: str
    words: str
    #: Names of `tables.ALL`.
    tables: tuple[str, ...]
    #: One of `plots`, without its extension.
    plot: str | None = None


INTRODUCTION = """\
What a streaming proxy costs per event, what it adds to the first token, and what an open stream weighs: sse-proxy with
all that it does by default (heartbeats, verified endings, checks of the framing, metrics, log) beside others that only
pass bytes on. `make bench` makes this page on any Linux machine with two cores; `make bench-quick` takes a few minutes.

Where the time and the memory go, and what stands in the way of the goals that are missed: [profile.md](profile.md).
"""

SECTIONS = (
    Section(title="Goals", words="Ratios are taken within each round, and the median counts.", tables=("goals",)),
    Section(
        title="CPU per event",
        words="100 streams of OpenAI chat with 20 events a second each, one event a segment, evenly spread: nearly "
        "every event is a wake-up of its own, as in life. User and system time of the whole server. LiteLLM gets 4 "
        "events a second instead of 20, since 2,000 in all are more than a core of it takes.",
        tables=("cpu",),
        plot="cpu",
    ),
    Section(title="Anthropic's form", words="The same with `event:` and `data:` lines.", tables=("anthropic",)),
    Section(
        title="Re-framing",
        words="What our own work costs where events are not passed on as they are.",
        tables=("reframing",),
    ),
    Section(
        title="Time to first byte",
        words="From the request, on a connection of its own, to the first byte of the body. At load: further streams, "
        "50 a second, beside the 100 that run. Burst: all at once on an idle server. *Added* is what is more than "
        "without a proxy in the same round.",
        tables=("first byte", "burst"),
        plot="first_byte",
    ),
    Section(
        title="Delay and jitter",
        words="Delay: from the write of an event at the upstream until it is read at the client. Jitter: by how much "
        "the delays of two events in a row on one stream differ, p99.",
        tables=("jitter",),
    ),
    Section(
        title="Growth",
        words="From 10 to 8,000 streams; from 1,000 on with fewer events a second on each (4, 1 and 1), so that two "
        "cores can make and take them all. Memory: resident at that many streams, less the idle process, by stream.",
        tables=("growth", "memory"),
        plot="growth",
    ),
    Section(
        title="Saturation",
        words="100 streams, written as fast as they are taken. A core that is not busy means that the load was the "
        "limit, and that the figure is a lower bound.",
        tables=("one event a write", "32 events a write", "32 events a chunk"),
        plot="saturation",
    ),
    Section(
        title="Start and footprint",
        words="From the start to the first answer, and the memory of the process with nothing to do.",
        tables=("startup", "imports"),
    ),
)

METHOD = """\
- The server under test has a core for itself. The load generator and the fake upstream, both raw asyncio protocols on
  uvloop, are on the other one or two. What they cost is below; it is in no server's figure.
- CPU is the scheduler's own count for all threads of the server (`/proc/PID/task/*/schedstat`, nanoseconds) over the
  window. A busy neighbour takes time from a server but adds none to it, apart from colder caches.
- The text of the tokens varies, and each holds its number and the time of its write. Each client checks that no token
  is missing, doubled or out of order, and after each case the counts of both ends have to agree; else it has failed.
  At saturation tokens are only counted.
- Each case has a freshly started server, warmed up with 20 short streams. All cases are run once a round, in an order
  that is shuffled anew each round; figures are medians over the rounds, with the least and the most in brackets.
- Every server has one worker or thread, keeps connections to the upstream, and is set up as its manual says for event
  streams (`bench/peers/`). The relays run on uvicorn with uvloop and httptools.
- Resident memory counts shared pages too, and is that of all processes of a server.
- The raw results are one JSON file (`build/bench/results.json`), from which `python -m bench page` makes this page.
"""
