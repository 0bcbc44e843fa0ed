"""The doctor in front of real hops: for each chain the right verdict, the right culprit and the right knob.

All chains are examined at the same time, once, each in front of a proxy of its own: what takes seconds is waiting.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sse_proxy.doctor.examined import Report

from .conftest import require_component
from .doctor_chains import Chain, envoy, examined, haproxy, nginx, verdicts

_HTTP11 = ("proxy_http_version 1.1;", 'proxy_set_header Connection "";')
#: The default before 1.29.7.
_HTTP10 = "proxy_http_version 1.0;"
_DEAF = "proxy_ignore_headers X-Accel-Buffering;"
_GZIP = "gzip on; gzip_types *; gzip_proxied any; gzip_min_length 0;"
_SECOND = "server 127.0.0.1:BEHIND max_fails=0;"
_CHAT = b'{"model": "m", "stream": true, "messages": []}'
_JSON = (("Content-Type", "application/json"),)

#: As a widely copied guide has it.
_GUIDE = """
location /chat/stream {
    proxy_pass http://backend;
    proxy_buffering off;
    proxy_cache off;
    proxy_set_header Connection '';
    proxy_http_version 1.1;
    chunked_transfer_encoding off;
}
"""
_BRIDGE = {"bridge": ("/chat/stream=/v1/chat/completions",), "bridge_model": "m"}

CHAINS: dict[str, Chain] = {
    "no hop": Chain(),
    "nginx, right": Chain(hops=[nginx("proxy_buffering off;", *_HTTP11)], idle=2, break_post=True),
    "nginx, default buffering": Chain(hops=[nginx(*_HTTP11)]),
    "nginx, buffering whatever the proxy says": Chain(hops=[nginx(_DEAF, _HTTP10)]),
    "nginx, HTTP/1.0 to the proxy": Chain(hops=[nginx("proxy_buffering off;", _HTTP10)]),
    "nginx, gzip": Chain(hops=[nginx("proxy_buffering off;", _GZIP, *_HTTP11)]),
    "nginx, gzip and buffering": Chain(hops=[nginx(_DEAF, _GZIP, *_HTTP11)]),
    "nginx, read timeout": Chain(hops=[nginx("proxy_read_timeout 2s;", *_HTTP11)], idle=5),
    "nginx, read timeout above the heartbeat": Chain(
        hops=[nginx("proxy_read_timeout 3s;", *_HTTP11)], settings={"heartbeat_seconds": 1}, idle=6
    ),
    "nginx, gzip, buffering and a read timeout": Chain(
        hops=[nginx(_DEAF, _GZIP, "proxy_read_timeout 2s;", *_HTTP11)], idle=5
    ),
    "nginx, POST sent again": Chain(
        hops=[nginx("proxy_next_upstream error timeout non_idempotent;", *_HTTP11, server=_SECOND)],
        break_post=True,
    ),
    "nginx, no Last-Event-ID": Chain(hops=[nginx('proxy_set_header Last-Event-ID "";', *_HTTP11)]),
    "nginx, other headers": Chain(
        hops=[
            nginx(
                "proxy_hide_header Content-Type; proxy_hide_header Cache-Control;",
                "add_header Cache-Control 'public, max-age=600';",
                *_HTTP11,
            )
        ]
    ),
    "the guide's nginx": Chain(hops=[nginx(locations=_GUIDE)], settings=_BRIDGE, path="/chat/stream?prompt=Hello"),
    "two nginx, default buffering": Chain(hops=[nginx(_HTTP10), nginx(*_HTTP11)]),
    "two nginx, the inner one tells": Chain(
        hops=[nginx(_HTTP10), nginx("proxy_pass_header X-Accel-Buffering;", *_HTTP11)]
    ),
    "nginx that redirects": Chain(
        hops=[nginx(locations="location / { return 302 /new; } location /new { proxy_pass http://backend/health; }")],
        method="POST", path="/v1/chat/completions", headers=_JSON, body=_CHAT,
    ),
    "Envoy, right": Chain(hops=[envoy("0s")], total=3),
    "Envoy, default timeout": Chain(hops=[envoy()]),
    "Envoy, a short timeout": Chain(hops=[envoy("1.5s")], idle=4, total=4),
    "Envoy in front of nginx": Chain(hops=[envoy("0s"), nginx(_DEAF, _HTTP10)]),
    "nginx in front of Envoy": Chain(hops=[nginx(_DEAF, _GZIP, *_HTTP11), envoy("0s")]),
    "HAProxy, default": Chain(hops=[haproxy()]),
    "HAProxy, right": Chain(hops=[haproxy("option http-no-delay")]),
    "another server behind nginx": Chain(
        hops=[nginx(_HTTP10)], bare=True, method="POST", path="/v1/chat/completions?rate=20&tokens=16",
        headers=_JSON, body=_CHAT,
    ),
    "another server behind nginx, right": Chain(
        hops=[nginx("proxy_buffering off;", *_HTTP11)], bare=True, method="POST", path="/v1/chat/completions?rate=10",
        headers=_JSON, body=_CHAT,
    ),
    "another server that falls silent": Chain(
        hops=[nginx("proxy_read_timeout 5s;", "proxy_buffering off;", *_HTTP11)], bare=True, method="POST",
        path="/v1/chat/completions?rate=20&stall_after=4", headers=_JSON, body=_CHAT,
    ),
    "another server that falls silent behind buffers": Chain(
        hops=[nginx("proxy_read_timeout 5s;", _DEAF, _GZIP, *_HTTP11)], bare=True, method="POST",
        path="/v1/chat/completions?rate=20&stall_after=8", headers=_JSON, body=_CHAT,
    ),
}  # fmt: skip

#: Id of each finding that is more than a note, and who is blamed.
EXPECTED: dict[str, dict[str, str]] = {
    "no hop": {},
    "nginx, right": {},
    "nginx, default buffering": {},
    "nginx, buffering whatever the proxy says": {"buffered": "nginx", "upstream-http-1.0": "nginx"},
    "nginx, HTTP/1.0 to the proxy": {"upstream-http-1.0": "nginx"},
    "nginx, gzip": {"compressed": "nginx"},
    "nginx, gzip and buffering": {"buffered": "nginx", "compressed": "nginx"},
    "nginx, read timeout": {"idle-cut": "nginx"},
    "nginx, read timeout above the heartbeat": {},
    "nginx, gzip, buffering and a read timeout": {"buffered": "nginx", "compressed": "nginx", "idle-cut": "nginx"},
    "nginx, POST sent again": {"duplicate-post": "nginx"},
    "nginx, no Last-Event-ID": {"last-event-id-lost": "nginx"},
    "nginx, other headers": {"cacheable": "nginx", "content-type": "nginx", "headers-changed": "nginx"},
    "the guide's nginx": {"close-delimited": "nginx"},
    "two nginx, default buffering": {"buffered": "nginx"},
    "two nginx, the inner one tells": {},
    "nginx that redirects": {"redirected": "", "not-a-stream": ""},
    "Envoy, right": {},
    "Envoy, default timeout": {"total-limit": "Envoy"},
    "Envoy, a short timeout": {"total-cut": "Envoy"},
    "Envoy in front of nginx": {"buffered": "nginx (it seems)", "upstream-http-1.0": "nginx (it seems)"},
    "nginx in front of Envoy": {"buffered": "nginx", "compressed": "nginx"},
    "HAProxy, default": {"grouped": "HAProxy (it seems)"},
    "HAProxy, right": {},
    "another server behind nginx": {"buffered": "nginx"},
    "another server behind nginx, right": {},
    "another server that falls silent": {"idle-cut": "nginx"},
    "another server that falls silent behind buffers": {
        "buffered": "nginx", "compressed": "nginx", "cut": "nginx (it seems)",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """What the doctor says of each chain."""
    programs = {name: require_component(name) for name in ("nginx", "envoy", "haproxy")}

    async def examine(directory: Path) -> list[Report]:
        wanted = (examined(chain, programs, directory / str(number)) for number, chain in enumerate(CHAINS.values()))
        return await asyncio.gather(*wanted)

    return dict(zip(CHAINS, asyncio.run(examine(tmp_path_factory.mktemp("chains"))), strict=True))


@pytest.mark.parametrize("name", CHAINS)
def test_each_chain_gets_its_verdict(reports: dict[str, Report], name: str) -> None:
    """What is wrong is found and blamed on the hop that does it, and nothing else is."""
    assert verdicts(reports[name]) == EXPECTED[name]


def _evidence(report: Report, finding: str) -> dict[str, object]:
    return next(dict(found.evidence) for found in report.findings if found.id == finding)


def _fix(report: Report, finding: str) -> str:
    return next(found.fix for found in report.findings if found.id == finding)


def test_a_chain_of_two_is_told_of_the_header_that_nginx_takes(reports: dict[str, Report]) -> None:
    """It is what is wrong in nearly every such chain."""
    assert "proxy_pass_header X-Accel-Buffering" in _fix(reports["two nginx, default buffering"], "buffered")


def test_the_size_of_the_buffer_is_measured(reports: dict[str, Report]) -> None:
    """That of nginx has 4 KiB, and what is written until it is seen to be full counts too."""
    held = _evidence(reports["nginx, buffering whatever the proxy says"], "buffered")["held_bytes"]
    assert isinstance(held, int)
    assert 3000 <= held <= 65_536  # under load much is written before that is seen


@pytest.mark.parametrize("name", ["nginx, read timeout", "nginx, gzip, buffering and a read timeout"])
def test_the_second_of_an_idle_cut_is_told(reports: dict[str, Report], name: str) -> None:
    """With the knob that sets it, also where all bytes came with the cut."""
    report = reports[name]
    seconds = _evidence(report, "idle-cut")["seconds"]
    assert isinstance(seconds, float)
    assert 1.2 <= seconds <= 4.5
    assert "proxy_read_timeout" in _fix(report, "idle-cut")


def test_a_cut_that_heartbeats_prevent_is_a_note(reports: dict[str, Report]) -> None:
    """Worth knowing, and nothing to change."""
    notes = {finding.id: finding.seen for finding in reports["nginx, read timeout above the heartbeat"].findings}
    assert "the proxy's heartbeats come before that, every 1 s" in notes["idle-cut"]


def test_a_total_limit_is_no_idle_limit(reports: dict[str, Report]) -> None:
    """The silent probe was cut with the others, and heartbeats would not have helped."""
    report = reports["Envoy, a short timeout"]
    assert "idle-cut" not in {finding.id for finding in report.findings}
    assert "timeout: 0s on the route" in _fix(report, "total-cut")


def test_what_envoy_announces_need_not_be_waited_for(reports: dict[str, Report]) -> None:
    """It tells the server how long it gives a response."""
    assert _evidence(reports["Envoy, default timeout"], "total-limit") == {"seconds": 15.0}


def test_what_is_right_has_not_even_a_note(reports: dict[str, Report]) -> None:
    """Whoever has done it well is told so, and no more."""
    for name in ("no hop", "nginx, right", "two nginx, the inner one tells", "Envoy, right"):
        assert reports[name].findings == []
