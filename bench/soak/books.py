"""The books of one proxy: what its clients saw, what its log says of each request, and what its metrics add up to.

Every request has an id, so each is looked up in the log: what is found out there is found out for the one stream that
it concerns, and not for a sum in which two mistakes may cancel out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sse_proxy.outcome import Outcome

from .client import Result
from .errands import Errand, Kind
from .expected import EXPECTED, Fault, Verdict
from .processes import Labels, Metrics

__all__ = ["Books", "Disturbed", "is_counted"]

#: What the run was doing to everybody between two moments, by name; the outcomes that this may have led to.
Disturbed = Callable[[float, float], frozenset[Outcome | None]]

#: Responses without the media type of a stream, to requests that did not say that they want one: ordinary ones.
_ORDINARY = frozenset({"/ndjson", "/json-array", "/text", "/generate"})
#: Only the response tells that these are streams: one that is refused, or never comes, was none.
_TOLD_BY_RESPONSE = frozenset({"tokens", "ai_sdk_ui", "ai_sdk_data", "ag_ui", "mcp", "a2a", "generic"})
#: The route of readers that come back: their lines are in the log, and the stream is counted but once.
_READERS = "resume"
_MAY_COME_OF_ANY = frozenset({Verdict.TOLD, Verdict.CUT, Verdict.LEFT})
_OWN_ERRORS = frozenset({Fault.ERROR, Fault.ERROR_FIRST})
#: The error, and the ``[DONE]`` behind it.
_ERROR_EVENTS = 2
_NEVER = frozenset({Verdict.SILENT, Verdict.WRONG, Verdict.STUCK})
_FIRST = ".1"
_MOST_TOLD = 40


def is_counted(errand: Errand) -> bool:
    """Whether the response to *errand* is a stream to the proxy, and has an outcome."""
    if not errand.kind.is_stream:
        return False
    is_ordinary = errand.kind is Kind.STREAM and errand.api.framing != "sse" and errand.api.path in _ORDINARY
    return not is_ordinary


@dataclass(slots=True)
class Books:
    """See the module header.

    Attributes:
        faults: What does not add up, in words; the first of many.
        fault_count: How many there are.
        seen: Kind, fault and verdict of every errand → how many.
        outcomes: Dialect and outcome, by the log → how many.
        refused: Requests that had 503, as the event loop lagged: told, counted, and not always logged.
        lost_events: By how the response ended: events that the proxy has sent and the client has not got.
    """

    disturbed: Disturbed = lambda _began, _ended: frozenset()
    faults: list[str] = field(default_factory=list)
    fault_count: int = 0
    seen: Counter[tuple[Kind, Fault, Verdict]] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    client_events: int = 0
    lost_events: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    heartbeats: int = 0
    refused: int = 0
    _waiting: dict[str, Result] = field(default_factory=dict)
    _lines: defaultdict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    def fault(self, told: str) -> None:
        """Something does not add up; whoever watches is told at once, since no log is kept."""
        self.fault_count += 1
        print(f"wrong: {told}", flush=True)
        if len(self.faults) < _MOST_TOLD:
            self.faults.append(told)

    def add(self, result: Result) -> None:
        """An errand is over."""
        errand = result.errand
        self.seen[errand.kind, errand.fault, result.verdict] += 1
        self.requests += result.requests
        self.statuses.update(result.statuses)
        self.heartbeats += result.heartbeats
        disturbed = self.disturbed(result.began, result.ended)
        excused = _MAY_COME_OF_ANY if disturbed or result.is_late else frozenset()
        allowed = EXPECTED[errand.fault].verdicts | excused
        if _is_refused(result):
            self.refused += 1
            allowed |= {Verdict.TOLD}
        if result.verdict in _NEVER or result.verdict not in allowed:
            self.fault(f"{_name(result)}: {result.verdict.value} {result.detail}".strip())
        self._waiting[result.name] = result

    def read(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """More of the log."""
        for line in lines:
            if line["route"] != _READERS:
                self.outcomes[line["dialect"], line["outcome"]] += 1
                self.events[line["dialect"]] += line["events"]
            name = str(line["request_id"])
            self._lines[name.partition(".")[0]].append(dict(line))

    def compare(self) -> None:
        """Hold every errand that is over against its lines in the log; call it when both have had time to come."""
        for name in tuple(self._waiting):
            self._compare(self._waiting.pop(name), self._lines.pop(name, []))

    def close(self) -> None:
        """All errands are over: no line may be left that nobody has asked for."""
        self.compare()
        for name, lines in self._lines.items():
            self.fault(f"{name}: {len(lines)} lines in the log, of no request")
        self._lines.clear()

    def _compare(self, result: Result, lines: list[dict[str, Any]]) -> None:
        errand = result.errand
        if errand.kind is Kind.RESUME:
            first = [line for line in lines if str(line["request_id"]).endswith(_FIRST)]
            followers = [line for line in lines if line not in first]
            if len(followers) > result.requests - 1:
                self.fault(f"{_name(result)}: {len(followers)} lines of {result.requests - 1} visits")
            lines = first
        allowed = self._allowed(result)
        if not is_counted(errand):
            return  # such a response may still be told of, where it failed
        if len(lines) != 1 and not (not lines and None in allowed):
            self.fault(f"{_name(result)}: {len(lines)} lines in the log, {result.verdict.value}")
            return
        for line in lines:
            if line["outcome"] not in allowed:
                self.fault(f"{_name(result)}: counted as {line['outcome']}, {result.verdict.value}")
            self._compare_events(result, line["events"])

    def _allowed(self, result: Result) -> frozenset[Outcome | None]:
        errand = result.errand
        allowed = EXPECTED[errand.fault].outcomes | self.disturbed(result.began, result.ended)
        if errand.api.name in _TOLD_BY_RESPONSE and 200 not in result.statuses:
            allowed |= {None}
        if _is_refused(result):
            allowed |= {None, Outcome.REJECTED}
            if errand.kind is Kind.RESUME and 200 in result.statuses:
                allowed |= {Outcome.CLIENT_DISCONNECTED}  # it has left, and does not ask again
        if result.is_late:
            allowed |= {Outcome.CLIENT_DISCONNECTED}  # nobody listened for longer than is waited
        if errand.kind is Kind.BRIDGE and errand.fault.is_of_client:
            allowed |= {Outcome.COMPLETED}  # it is kept, and runs to its end whoever leaves
        if errand.api.name in _TOLD_BY_RESPONSE and errand.fault in _OWN_ERRORS:
            allowed |= {Outcome.COMPLETED}  # nothing is known of what its events say, or it is an answer like others
        return allowed

    def _compare_events(self, result: Result, events: int) -> None:
        if result.events is None:
            return
        self.client_events += result.events
        missing = events - result.events
        # Whoever has read the response to its end has all that was sent; the others had some on the way. An error of
        # the upstream's own, and the end behind it, are events of its stream, and none of the answer.
        is_read = result.verdict in {Verdict.WHOLE, Verdict.TOLD} and result.errand.kind is not Kind.RESUME
        own = _ERROR_EVENTS if result.errand.fault in _OWN_ERRORS else 0
        if missing < 0 or (missing > own and is_read):
            self.fault(f"{_name(result)}: {events} events counted, {result.events} seen, {result.verdict.value}")
        elif missing > own:
            self.lost_events[result.verdict.value] += missing

    def check(self, metrics: Metrics) -> None:
        """Hold the log and the clients against the *metrics* of a process that served nobody else; nothing is open."""
        active = metrics["sse_proxy_streams_active", ()]
        if active:
            self.fault(f"streams_active is {active:g} when nothing is open")
        streams = _labelled(metrics, "sse_proxy_streams_total", "dialect", "outcome")
        self._equal("streams_total", streams, self.outcomes)
        events = _labelled(metrics, "sse_proxy_events_total", "dialect")
        self._equal("events_total", events, Counter({(name,): count for name, count in self.events.items()}))
        codes = _labelled(metrics, "sse_proxy_requests_total", "code")
        if codes.total() != self.requests:
            self.fault(f"requests_total is {codes.total()}, clients made {self.requests}")
        for code, count in self.statuses.items():
            if codes[(str(code),)] < count:
                self.fault(f"requests_total{{code={code}}} is {codes[(str(code),)]}, clients had {count}")

    def _equal(self, name: str, metrics: Counter[tuple[str, ...]], log: Counter[Any]) -> None:
        for key in metrics.keys() | log.keys():
            is_summed = key[-1:] == (Outcome.REJECTED.value,) and log[key] <= metrics[key] <= log[key] + self.refused
            if metrics[key] != log[key] and not is_summed:
                self.fault(f"{name}{key} is {metrics[key]}, by the log {log[key]}")


def _labelled(metrics: Metrics, name: str, *labels: str) -> Counter[tuple[str, ...]]:
    """The counts of *name*, by the values of *labels*; all other labels together."""
    found: Counter[tuple[str, ...]] = Counter()
    for (sample, pairs), value in metrics.items():
        if sample == name:
            found[_values(pairs, labels)] += int(value)
    return +found


def _values(pairs: Labels, labels: tuple[str, ...]) -> tuple[str, ...]:
    known = dict(pairs)
    return tuple(known[label] for label in labels)


def _is_refused(result: Result) -> bool:
    """Whether the proxy said that it cannot take more; an upstream says 503 only where it is to."""
    return result.statuses[-1:] == [503] and result.verdict is Verdict.TOLD and result.errand.fault is not Fault.STATUS


def _name(result: Result) -> str:
    errand = result.errand
    what = f"{errand.kind.value}, {errand.api.name} {errand.api.framing}, {errand.fault.value}"
    statuses = ", ".join(map(str, result.statuses)) or "no status"
    return f"{result.name} ({what}; {statuses} in {result.ended - result.began:.1f} s)"
