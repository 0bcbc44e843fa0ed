"""What takes more than one request to find: redirects, HTTP/2, CORS, coming back, and requests sent twice. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..settings import shown_url
from .case import Case
from .findings import Finding, Severity
from .hops import blamed
from .observed import Answer

__all__ = [
    "SAFELISTED", "judge_cors", "judge_duplicates", "judge_failed", "judge_http2", "judge_probe_resume",
    "judge_redirects", "judge_resume",
]  # fmt: skip

#: Headers that a page may send without a preflight (Fetch § 2.2.2), and those that no page can set.
SAFELISTED = frozenset({"accept", "accept-language", "content-language", "host", "user-agent"})


def judge_redirects(answers: Sequence[Answer]) -> Iterator[Finding]:
    """Findings about the *answers* that were redirects."""
    if not answers:
        return
    ways = [f"{answer.status} to {shown_url(answer.header('location') or '')}" for answer in answers]
    lost = any(a.request.method == "POST" and a.status in {301, 302, 303} for a in answers)
    yield Finding(
        id="redirected",
        severity=Severity.ERROR if lost else Severity.WARNING,
        seen=f"redirected: {', then '.join(ways)}"
        + ("; clients repeat a POST as a GET without its body" if lost else ""),
        fix="use the last URL, with its scheme and its slash at the end, in the client",
        evidence={"statuses": [answer.status for answer in answers]},
    )


def judge_http2(*, offered: bool | None) -> Iterator[Finding]:
    """Findings about whether the edge offers HTTP/2; None where that cannot be told."""
    if offered is False:
        yield Finding(
            id="http2-missing",
            severity=Severity.NOTE,
            seen="the server offers HTTP/1.1 only: a browser has six connections to it, and each open stream takes one",
            fix="HTTP/2 on the outermost hop",
        )


def judge_cors(origin: str, preflight: Answer | None, answer: Answer | None) -> Iterator[Finding]:
    """Findings about a page of *origin* that makes the request; None for an answer that was not asked for."""
    problems: list[str] = []
    if preflight is not None:
        if preflight.failure or not 200 <= preflight.status < 300:
            problems.append(f"the preflight got {preflight.failure or f'status {preflight.status}'}")
        else:
            problems += [f"to the preflight: {text}" for text in _allowed(origin, preflight)]
            problems += _allows(preflight)
    if answer is not None and not answer.failure:
        problems += _allowed(origin, answer)
    if problems:
        yield Finding(
            id="cors",
            severity=Severity.ERROR,
            seen=f"a page of {origin} cannot read the stream: {'; '.join(problems)}",
            fix=f"cors_origins = {origin} in sse-proxy, or CORS in exactly one hop",
            evidence={"problems": problems},
        )


def _allowed(origin: str, answer: Answer) -> list[str]:
    values = answer.values("access-control-allow-origin")
    if not values:
        return ["no Access-Control-Allow-Origin"]
    if len(values) > 1 or "," in values[0]:
        return [f"Access-Control-Allow-Origin more than once ({', '.join(values)}), which browsers refuse"]
    return [] if values[0] in {"*", origin} else [f"Access-Control-Allow-Origin is {values[0]}"]


def _allows(preflight: Answer) -> list[str]:
    """What the answer to a preflight does not allow of what it was asked for."""
    wanted = (preflight.request.header("access-control-request-headers") or "").split(",")
    allowed = ",".join(preflight.values("access-control-allow-headers")).lower().split(",")
    names = {name.strip() for name in allowed}
    # A wildcard does not cover Authorization (Fetch § 3.2.3).
    missing = [n for n in wanted if n and n not in names and not ("*" in names and n != "authorization")]
    found = [f"headers that the preflight does not allow: {', '.join(missing)}"] if missing else []
    method = preflight.request.header("access-control-request-method") or "GET"
    methods = {m.strip().upper() for m in ",".join(preflight.values("access-control-allow-methods")).split(",")}
    if method not in {"GET", "HEAD", "POST"} and not methods & {method, "*"}:
        found.append(f"method {method} is not allowed")
    return found


def judge_probe_resume(first: Case, again: Case, last: Answer) -> Iterator[Finding]:
    """Findings about a probe read again with ``Last-Event-ID``: from the middle, and from its end."""
    if first.probed is None or again.probed is None:
        return
    if again.probed.header("last-event-id") is None:
        yield _blame_resume(again, "Last-Event-ID did not reach the proxy: every reconnect begins anew")
    elif last.status != 204:
        seen = f"a reader that has everything got status {last.status} instead of 204: an EventSource goes on for ever"
        yield _blame_resume(again, seen)


def _blame_resume(case: Case, seen: str) -> Finding:
    culprit, knob = blamed("last-event-id-lost", case.hops)
    return Finding(
        id="last-event-id-lost",
        severity=Severity.ERROR,
        seen=seen,
        culprit=culprit,
        fix=knob or "let Last-Event-ID and the status 204 pass",
    )


def judge_resume(first: Case, again: Case) -> Iterator[Finding]:
    """Findings about any stream with ids, asked for again with the last one of them."""
    answer, events = again.answer, again.stream.events
    if answer.status == 204:
        return
    if not 200 <= answer.status < 300:
        told = answer.failure or f"status {answer.status}"
        yield _resume(
            Severity.WARNING, f"with Last-Event-ID the server gives {told}, not the rest of the stream", "resume"
        )
        return
    known = {arrived.event.id for arrived in first.stream.events if arrived.event.id}
    repeated = [arrived for arrived in events if arrived.event.id in known]
    if repeated and repeated[0].event == first.stream.events[0].event:
        seen = "with Last-Event-ID the stream begins anew: a browser that reconnects starts a second generation"
        yield _resume(Severity.WARNING, seen, "resume")


def _resume(severity: Severity, seen: str, name: str) -> Finding:
    fix = "204 where nothing is left, else what follows that id; sse-proxy does both with resume = memory or redis://…"
    return Finding(id=name, severity=severity, seen=seen, fix=fix)


def judge_duplicates(requests: int | None, case: Case) -> Iterator[Finding]:
    """Findings about one POST that the proxy left without an answer, and how often it came in; None if unknown."""
    if requests is not None and requests > 1:
        culprit, knob = blamed("duplicate-post", case.hops)
        yield Finding(
            id="duplicate-post",
            severity=Severity.ERROR,
            seen=f"one POST whose connection broke reached the proxy {requests} times: each is a generation of its own",
            culprit=culprit,
            fix=knob or "no retries of POST in the hop that does it",
            evidence={"requests": requests},
        )


def judge_failed(case: Case) -> Iterator[Finding]:
    """Findings about one of the probes after the first; without its events what it would have shown is not known."""
    if case.probed is not None or case.answer.status == 204:
        return
    told = case.answer.failure or f"status {case.answer.status}"
    yield Finding(
        id="probe-failed",
        severity=Severity.ERROR,
        seen=f"a probe got {told} after {case.answer.ended_at:.1f} s, instead of its events",
        culprit=case.hops[0].name if case.hops else "",
        fix="try again; a hop that answers for the proxy has a limit on the time to the first byte",
        evidence={"status": case.answer.status, "seconds": round(case.answer.ended_at, 3)},
    )
