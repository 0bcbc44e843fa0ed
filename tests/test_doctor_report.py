"""`doctor.report`: the same report for people and for programs."""

from __future__ import annotations

import json

import pytest

from sse_proxy.doctor.case import Case
from sse_proxy.doctor.examined import Report
from sse_proxy.doctor.findings import Finding, Severity
from sse_proxy.doctor.observed import End, Request
from sse_proxy.doctor.report import as_document, as_lines

from .doctor_cases import SSE, case, probe

NGINX = (*SSE, ("server", "nginx/1.22.1"))
HELD = probe([(n / 10, 1.9) for n in range(20)], headers=NGINX)
BUFFERED = Finding(
    id="buffered",
    severity=Severity.ERROR,
    seen="20 events were written over 1.9 s and arrived all at once, the first 1.9 s late, as is told at length",
    culprit="nginx",
    fix="proxy_buffering off; in the location of the stream, and whatever else has to be said about it in many words",
    evidence={"events": 20},
)


def text(report: Report) -> str:
    """The report without its styles."""
    return "\n".join("".join(span for span, _style in line) for line in as_lines(report))


def test_a_report_for_people_has_a_timeline_and_the_findings() -> None:
    """What was written beside what arrived, and what to change, on lines of a terminal's width."""
    report = Report(url="http://a", cases={"stream": HELD}, findings=[BUFFERED])
    assert text(report).splitlines() == [
        "sse-proxy doctor http://a",
        "probe of sse-proxy 0, through nginx: HTTP/1.1 200",
        "",
        "  stream  written  |.  .  .  .  .  .  .   .  .  .  .  .  .   .  .  .  .  .  .  .|",
        "          arrived  |                                                           O| 1.9 s",
        "",
        "error   buffered  nginx",
        "        20 events were written over 1.9 s and arrived all at once, the first 1.9 s late, as is",
        "        told at length",
        "        change: proxy_buffering off; in the location of the stream, and whatever else has to be",
        "                said about it in many words",
        "",
        "1 error",
    ]


@pytest.mark.parametrize(
    "severities, expected",
    [
        ([], "nothing is wrong"),
        ([Severity.NOTE], "nothing is wrong (1 note)"),
        ([Severity.WARNING, Severity.NOTE, Severity.NOTE], "1 warning, 2 notes"),
        ([Severity.ERROR, Severity.ERROR], "2 errors"),
    ],
)
def test_the_last_line_sums_up(severities: list[Severity], expected: str) -> None:
    """For who reads nothing else."""
    findings = [Finding(id=str(n), severity=severity, seen="x") for n, severity in enumerate(severities)]
    lines = text(Report(url="http://a", cases={"stream": HELD}, findings=findings)).splitlines()
    assert lines[-1] == expected


@pytest.mark.parametrize(
    "one, told",
    [
        (case([(1.0, b"data: a\n\n"), (2.0, b": ping\n\n")], end=End.CUT, ended_at=4.0), "| 4.0 s cut"),
        (case([(1.0, b"data: a\n\n")], end=End.LEFT, ended_at=4.0), "| 4.0 s not read to its end"),
        (case(status=0, end=End.NONE, failure="x", ended_at=4.0), "| 4.0 s no response"),
        (case([(1.0, b"data: a\n\n" * 3)], ended_at=4.0), "| 4.0 s"),
    ],
)
def test_the_timeline_says_how_a_stream_ended(one: Case, told: str) -> None:
    """Behind the last mark."""
    line = text(Report(url="http://a", cases={"stream": one}, findings=[])).splitlines()[3]
    assert line.endswith(told)
    assert len(line.partition("|")[2].partition("|")[0]) == 60


def test_marks_tell_how_many_events_came_together() -> None:
    """One, a few, many, and a heartbeat."""
    pieces = [(0.0, b"data: a\n\n"), (1.0, b"data: a\n\n" * 3), (2.0, b"data: a\n\n" * 9), (3.0, b": ping\n\n")]
    line = text(Report(url="http://a", cases={"stream": case(pieces)}, findings=[])).splitlines()[3]
    assert "".join(line.partition("|")[2].partition("|")[0].split()) == ".oO'"


def test_a_report_for_programs_holds_all_of_it() -> None:
    """And is JSON as it stands."""
    plain = case([(1.0, b"data: a\n\n"), (2.0, b": ping\n\n")])
    report = Report(url="http://a?key=secret", cases={"stream": HELD, "silent": plain}, findings=[BUFFERED])
    document = json.loads(json.dumps(as_document(report)))
    assert (document["url"], document["clean"], document["mode"], document["hops"]) == (
        "http://a?…",
        False,
        "probe",
        ["nginx"],
    )
    assert document["findings"] == [
        {
            "id": "buffered",
            "severity": "error",
            "seen": BUFFERED.seen,
            "culprit": "nginx",
            "fix": BUFFERED.fix,
            "evidence": {"events": 20},
        }
    ]
    stream, silent = document["streams"]["stream"], document["streams"]["silent"]
    assert (stream["status"], stream["end"], len(stream["events"])) == (200, "complete", 20)
    first = stream["events"][0]
    assert (first["written_seconds"], first["arrived_seconds"], first["read"]) == (0.0, 1.9, 0)
    assert silent["events"][0]["written_seconds"] is None
    assert silent["heartbeats"] == [2.0]


def test_a_clean_report_says_so() -> None:
    """With no response there is no status either."""
    none = case(status=0, end=End.NONE, failure="the connection was refused")
    document = as_document(Report(url="http://a", cases={"stream": none}, findings=[]))
    assert (document["clean"], document["mode"]) == (True, "request")
    assert document["streams"]["stream"]["status"] is None


def test_a_report_holds_no_secret() -> None:
    """It ends up in the log of a CI run: keys stand in queries and in cookies."""
    request = Request(url="http://a/x?key=secret")
    one = case([(1.0, b"data: a\n\n")], request=request, headers=(*SSE, ("set-cookie", "id=secret")))
    report = Report(url="http://a/x?key=secret", cases={"stream": one}, findings=[])
    assert "secret" not in text(report)
    assert "secret" not in json.dumps(as_document(report))
