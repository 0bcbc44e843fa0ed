"""`doctor.judge_head`: findings by status and headers, each with one answer that has it."""

from __future__ import annotations

from typing import Any

import pytest

from sse_proxy.doctor.judge_head import judge_head, judge_way
from sse_proxy.doctor.observed import End, Request

from .doctor_cases import CHAT, SSE, case, ids, probe, told

EVENTS = [(0.1, b"data: a\n\n"), (0.2, b"data: b\n\n")]
TEXT = (("content-type", "text/event-stream"),)
NGINX = ("server", "nginx/1.22.1")


def without(name: str, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Our headers without one of them, and *more*."""
    return (*(pair for pair in SSE if pair[0] != name), *more)


@pytest.mark.parametrize(
    "facts, expected",
    [
        ({}, []),
        ({"headers": without("content-type", ("content-type", "text/plain"))}, ["error: content-type"]),
        ({"headers": without("content-type")}, ["error: content-type"]),
        ({"headers": (*SSE, ("content-length", "18")), "chunked": False}, ["error: content-length"]),
        ({"headers": (*SSE, ("content-encoding", "identity"))}, []),
        ({"chunked": False, "end": End.CLOSED}, ["warning: close-delimited"]),
        ({"chunked": False, "end": End.CLOSED, "http_version": "1.0"}, ["warning: http-1.0"]),
        ({"headers": (*SSE, ("x-cache", "Hit from cloudfront"))}, ["error: cached"]),
        ({"headers": (*SSE, ("age", "12"))}, ["error: cached"]),
        ({"headers": (*SSE, ("age", "0"), ("x-cache", "MISS"))}, []),
        (
            {"headers": without("cache-control", ("cache-control", "public, max-age=60"))},
            ["warning: cacheable", "note: headers-missing"],
        ),
        ({"headers": without("cache-control", ("cache-control", "max-age=0"))}, ["note: headers-missing"]),
        ({"headers": without("cache-control", ("cache-control", "no-store, no-transform"))}, []),
        ({"headers": without("x-accel-buffering")}, ["note: headers-missing"]),
        ({"headers": without("x-accel-buffering", NGINX)}, []),
    ],
)
def test_each_header_has_its_verdict(facts: dict[str, Any], expected: list[str]) -> None:
    """And what is right has none."""
    assert ids(judge_head(case(EVENTS, **facts))) == expected


def test_a_compressed_stream_is_told_with_its_coding() -> None:
    """Even one that cannot be unpacked."""
    found = told(judge_head(case([(0.1, b"x")], headers=(*SSE, ("content-encoding", "br")))))
    assert (found.id, found.evidence) == ("compressed", {"content_encoding": "br"})


@pytest.mark.parametrize(
    "body, kind, request_, seen, fix",
    [
        (b"<html>", "text/html", None, "an HTML page", "--openai MODEL"),
        (b"\x89PNG\0\0", "image/png", None, "binary data", "--openai MODEL"),
        (b"", "text/plain", None, "nothing", "--openai MODEL"),
        (b"Hello there.", "application/octet-stream", None, "text", "--openai MODEL"),
        (b'{"id":1}', "application/json", None, "one JSON document", "--openai MODEL"),
        (
            b'{"id":1}', "application/json", Request(method="POST", url="http://test/v1/chat/completions", body=b"{}"),
            "one JSON document", '"stream": true',
        ),
        (b'{"id":1}', "application/json", CHAT, "one JSON document", "what the API has for it"),
    ],
)  # fmt: skip
def test_what_is_no_stream_is_told_as_what_it_is(
    body: bytes, kind: str, request_: Request | None, seen: str, fix: str
) -> None:
    """With the way to ask for one."""
    pieces = [(0.1, body)] if body else []
    found = told(judge_head(case(pieces, headers=(("content-type", kind),), request=request_)))
    assert found.id == "not-a-stream"
    assert seen in found.seen
    assert fix in found.fix


def test_a_body_that_was_cut_before_it_began_is_not_judged() -> None:
    """Nobody knows what it would have been."""
    assert list(judge_head(case(headers=without("content-type"), end=End.CUT))) == []


def test_lines_of_json_are_a_stream_under_their_own_type() -> None:
    """Only event streams have to be text/event-stream."""
    lines = [(0.1, b'{"a":1}\n'), (0.2, b'{"a":2}\n')]
    assert (
        list(judge_head(case(lines, headers=without("content-type", ("content-type", "application/x-ndjson"))))) == []
    )


@pytest.mark.parametrize(
    "status, headers, culprit, fix",
    [
        (404, (), "", "--openai MODEL"),
        (401, (), "", "credentials"),
        (502, (NGINX,), "nginx", "what the body says"),
        (504, (), "", "what the body says"),
        (500, (NGINX,), "", "what the body says"),
    ],
)
def test_a_status_that_is_no_success_is_all_there_is(
    status: int, headers: tuple[tuple[str, str], ...], culprit: str, fix: str
) -> None:
    """A gateway's own errors are blamed on it."""
    found = told(judge_head(case([(0.1, b"no  such\nthing")], status=status, headers=headers)))
    assert (found.id, found.culprit) == ("http-status", culprit)
    assert found.seen == f"status {status} after 0.1 s: no such thing"
    assert fix in found.fix


def test_a_status_without_a_body_refers_to_the_log() -> None:
    """There is nothing else to read."""
    found = told(judge_head(case(status=500)))
    assert (found.seen, found.fix) == ("status 500 after 0.0 s", "see the log of the server")


def test_no_response_is_told_with_its_reason() -> None:
    """And nothing else is."""
    found = told(judge_head(case(status=0, end=End.NONE, failure="the connection was refused")))
    assert (found.id, found.seen) == ("unreachable", "no response: the connection was refused")


def test_a_redirect_is_left_to_who_follows_it() -> None:
    """See `judge_redirects`; one that leads nowhere is an answer like any other."""
    assert list(judge_head(case(status=302, headers=(("location", "/x"),)))) == []
    assert ids(judge_head(case(status=304))) == ["error: http-status"]


STEPS = [(n / 10, n / 10) for n in range(5)]


@pytest.mark.parametrize(
    "headers, expected",
    [
        (SSE, []),
        (without("x-accel-buffering", NGINX), []),
        (without("x-accel-buffering"), []),
        (without("cache-control"), ["warning: headers-changed"]),
        (without("cache-control", ("cache-control", "no-cache")), ["warning: headers-changed"]),
    ],
)
def test_headers_that_the_proxy_sent_and_a_hop_took_are_told(
    headers: tuple[tuple[str, str], ...], expected: list[str]
) -> None:
    """But for the one that nginx is meant to take."""
    assert ids(judge_head(probe(STEPS, headers=headers))) == expected


ENVOY = ("x-envoy-upstream-service-time", "1")
CHANGED = (*(pair for pair in without("content-type") if pair[0] != "cache-control"), ("cache-control", "max-age=600"))


@pytest.mark.parametrize(
    "hops, culprit, fix",
    [
        ((), "", "let the response headers of the proxy pass"),
        ((NGINX,), "nginx", "no proxy_hide_header"),
        ((("server", "cloudflare"),), "Cloudflare", "let the response headers of the proxy pass"),
        ((NGINX, ENVOY), "", "let the response headers of the proxy pass"),
    ],
)
def test_headers_that_a_hop_has_changed_are_its_fault(
    hops: tuple[tuple[str, str], ...], culprit: str, fix: str
) -> None:
    """The proxy is there already; of several hops it may be any."""
    found = [*judge_head(probe(STEPS, headers=(*CHANGED, *hops)))]
    assert ids(found) == ["error: content-type", "warning: cacheable", "warning: headers-changed"]
    assert {each.culprit for each in found} == {culprit}
    assert all(fix in each.fix and "put sse-proxy" not in each.fix for each in found)
    assert "(the proxy has sent text/event-stream" in found[0].seen
    assert "(the proxy has sent no-cache, no-transform) lets caches" in found[1].seen


def test_headers_of_a_server_are_the_servers() -> None:
    """Whatever stands in front of it: nobody knows what it has sent."""
    kind, cacheable, _missing = judge_head(case(EVENTS, headers=(*CHANGED, NGINX)))
    assert (kind.culprit, cacheable.culprit) == ("", "")
    assert kind.fix.startswith("Content-Type: text/event-stream from the server; put sse-proxy in front")
    assert cacheable.fix.startswith("Cache-Control: no-cache, no-transform; put sse-proxy in front")
    assert "the proxy has sent" not in kind.seen + cacheable.seen


def test_http_1_0_towards_the_proxy_is_told() -> None:
    """A hop that speaks it cannot tell a broken stream from a whole one."""
    found = told(judge_way(probe(STEPS, headers=(*SSE, NGINX), start={"http_version": "1.0"})))
    assert (found.id, found.culprit) == ("upstream-http-1.0", "nginx")
    assert "proxy_http_version 1.1" in found.fix
    assert list(judge_way(probe(STEPS))) == []
    assert list(judge_way(case(EVENTS))) == []
