"""`tracing.incoming`: whose ``traceparent`` says that somebody records the request."""

from __future__ import annotations

import pytest

from sse_proxy.tracing.incoming import sampled_parent

_TRACE, _SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "value",
    [
        f"00-{_TRACE}-{_SPAN}-01",
        f"00-{_TRACE}-{_SPAN}-03",
        f"00-{_TRACE}-{_SPAN}-ff",
        f"01-{_TRACE}-{_SPAN}-01",
        f"cc-{_TRACE}-{_SPAN}-01-what-the-future-holds",
    ],
)
def test_a_sampled_parent_is_named(value: str) -> None:
    """W3C Trace Context § 3.2 and § 4.3: the last bit of the flags counts, and later versions may say more."""
    assert sampled_parent([(b"traceparent", value.encode())]) == {"trace_id": _TRACE, "span_id": _SPAN}


@pytest.mark.parametrize(
    "value",
    [
        f"00-{_TRACE}-{_SPAN}-00",
        f"00-{_TRACE}-{_SPAN}-02",
        f"00-{_TRACE}-{_SPAN}-01-more",
        f"01-{_TRACE}-{_SPAN}-01more",
        f"ff-{_TRACE}-{_SPAN}-01",
        f"00-{'0' * 32}-{_SPAN}-01",
        f"00-{_TRACE}-{'0' * 16}-01",
        f"00-{_TRACE.upper()}-{_SPAN}-01",
        f"00-{_TRACE[1:]}-{_SPAN}-01",
        f"00-{_TRACE}-{_SPAN}",
        f"00-{_TRACE}-{_SPAN}-1",
        f" 00-{_TRACE}-{_SPAN}-01",
        f"00-{_TRACE}-{_SPAN}-01\n",
        "",
        'x"} 1\nsse_proxy_streams_active 4711',
    ],
)
def test_everything_else_is_no_parent(value: str) -> None:
    """Not sampled, or malformed: nobody records it, and nothing of it gets into the metrics."""
    assert sampled_parent([(b"traceparent", value.encode())]) is None


def test_most_requests_have_none() -> None:
    """Without the header there is no parent."""
    assert sampled_parent([(b"tracestate", b"a=b")]) is None
