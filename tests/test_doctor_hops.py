"""`doctor.hops` and its table: who is recognised by what, and who cuts at which second."""

from __future__ import annotations

import pytest

from sse_proxy.doctor.hop import Kind
from sse_proxy.doctor.hop_table import HOPS
from sse_proxy.doctor.hops import blamed, cutters, recognised

#: The headers of real answers, as vendors document them or as they were seen.
SEEN = {
    "Cloudflare": [("server", "cloudflare"), ("cf-ray", "8c9-FRA")],
    "Amazon CloudFront": [("via", "1.1 abc.cloudfront.net (CloudFront)")],
    "Amazon API Gateway": [("apigw-requestid", "Ab1=")],
    "AWS ALB": [("server", "awselb/2.0")],
    "Google Cloud load balancer": [("via", "1.1 google")],
    "Azure Front Door": [("x-azure-ref", "2024Z")],
    "Azure Application Gateway": [("server", "Microsoft-Azure-Application-Gateway/v2")],
    "Fastly": [("x-served-by", "cache-fra-1")],
    "Vercel": [("server", "Vercel"), ("x-vercel-id", "fra1::x")],
    "Heroku": [("via", "1.1 vegur")],
    "Fly.io": [("server", "Fly/abc (2024)"), ("fly-request-id", "0")],
    "Railway": [("server", "railway-edge")],
    "Kong": [("via", "1.1 kong/3.7.0"), ("x-kong-proxy-latency", "1")],
    "Envoy": [("server", "istio-envoy")],
    "nginx": [("server", "nginx/1.22.1")],
    "Varnish": [("via", "1.1 varnish (Varnish/7.1)")],
    "Caddy": [("via", "1.1 Caddy")],
    "Apache httpd": [("server", "Apache/2.4.62 (Debian)")],
}


@pytest.mark.parametrize("name", SEEN)
def test_a_hop_is_recognised_by_its_headers(name: str) -> None:
    """And no other one with it."""
    assert [hop.name for hop in recognised([("content-type", "text/event-stream"), *SEEN[name]])] == [name]


def test_every_hop_that_can_be_recognised_is_tried() -> None:
    """No sign without an answer that has it."""
    assert sorted(SEEN) == sorted(hop.name for hop in HOPS if hop.signs)


def test_ordinary_servers_are_no_hops() -> None:
    """A server of one's own is not blamed for what stands in front of it."""
    assert recognised([("server", "uvicorn"), ("via", "1.1 squid"), ("x-cache", "MISS")]) == []


def test_several_hops_are_named_from_the_edge_inwards() -> None:
    """The outermost one is asked first: the one that has set Server, and else that which is nearer to the edge."""
    envoy = ("x-envoy-upstream-service-time", "3")
    assert [hop.name for hop in recognised([envoy, *SEEN["nginx"]])] == ["nginx", "Envoy"]
    assert [hop.name for hop in recognised([envoy, ("via", "1.1 varnish"), ("cf-ray", "8")])] == [
        "Cloudflare",
        "Envoy",
        "Varnish",
    ]


@pytest.mark.parametrize(
    "finding, headers, culprit",
    [
        ("buffered", SEEN["nginx"], "nginx"),
        ("compressed", [("x-envoy-upstream-service-time", "3"), *SEEN["nginx"]], "nginx"),
        ("duplicate-post", [*SEEN["Cloudflare"], ("x-envoy-upstream-service-time", "3")], "Envoy"),
        ("buffered", [], ""),
        ("buffered", SEEN["Railway"], ""),
    ],
)
def test_a_hop_is_blamed_for_what_it_is_known_to_do(finding: str, headers: list[tuple[str, str]], culprit: str) -> None:
    """The first from the edge, with its knob."""
    name, knob = blamed(finding, recognised(headers))
    assert name == culprit
    assert bool(knob) == bool(culprit)


@pytest.mark.parametrize(
    "seconds, kind, headers, names",
    [
        (60.1, Kind.IDLE, SEEN["nginx"], ["nginx"]),
        (60.1, Kind.IDLE, SEEN["AWS ALB"], ["AWS ALB"]),
        (16.0, Kind.TOTAL, SEEN["Envoy"], ["Envoy"]),
        (15.0, Kind.TOTAL, [], ["Envoy"]),
        (350.4, Kind.IDLE, [], ["AWS NLB"]),
        (30.2, Kind.TOTAL, [], ["Amazon API Gateway", "Google Cloud load balancer"]),
        (120.9, Kind.IDLE, [], ["Cloudflare"]),
        (50.1, Kind.IDLE, [], ["HAProxy"]),
        (17.0, Kind.IDLE, [], []),
        (59.0, Kind.IDLE, SEEN["nginx"], []),
    ],
)
def test_a_cut_has_its_suspects(seconds: float, kind: Kind, headers: list[tuple[str, str]], names: list[str]) -> None:
    """Who is there and has such a limit; where nobody is known, all that have it."""
    found = cutters(seconds, frozenset({kind}), recognised(headers))
    assert [hop.name for hop, cut in found if cut.kind is kind] == names
