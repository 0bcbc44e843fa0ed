"""`core.strict`: heads that llhttp takes and another reader might take in another way."""

from __future__ import annotations

import pytest

from sse_proxy.core.strict import fault_of

HOST = (b"host", b"test")


@pytest.mark.parametrize(
    "host",
    ["test", "test:80", "test:", "", "127.0.0.1:7070", "[::1]", "[2001:db8::1]:8080", "[::ffff:1.2.3.4]", "a_b", "%C3"],
)
def test_a_host_of_the_standards_form_is_taken(host: str) -> None:
    """RFC 3986 § 3.2.2: a name, an address, an address in brackets; with a port or without."""
    assert fault_of([(b"host", host.encode())], "1.1") is None


@pytest.mark.parametrize(
    "host", ["user@test", "test/path", "te st", "test:80:90", "test:8a", "[::1", "::1", "té", "a\\b", "a?b", "a#b", "%"]
)
def test_any_other_host_is_refused(host: str) -> None:
    """What one reader cuts off, another keeps (RFC 9112 § 3.2)."""
    assert fault_of([(b"host", host.encode())], "1.1") == "Invalid Host."


@pytest.mark.parametrize(
    ("hosts", "version", "is_taken"), [(1, "1.1", True), (0, "1.1", False), (2, "1.1", False), (0, "1.0", True)]
)
def test_one_host_is_asked_for(hosts: int, version: str, is_taken: bool) -> None:
    """HTTP/1.0 has requests without one; two are an error in both (RFC 9112 § 3.2)."""
    assert fault_of([HOST] * hosts, version) == (None if is_taken else "A request has to have one Host.")


@pytest.mark.parametrize("coding", ["chunked", "Chunked"])
def test_chunked_alone_is_taken(coding: str) -> None:
    """Codings have no case (RFC 9112 § 7)."""
    assert fault_of([HOST, (b"transfer-encoding", coding.encode())], "1.1") is None


@pytest.mark.parametrize(
    "codings", [["gzip, chunked"], ["chunked", "chunked"], ["identity"], ["chunked,"], ["x"], [""]]
)
def test_any_other_coding_is_refused(codings: list[str]) -> None:
    """Content below the chunks would pass for the content itself (RFC 9112 § 6.1)."""
    fields = [(b"transfer-encoding", coding.encode()) for coding in codings]
    assert fault_of([HOST, *fields], "1.1") == "Unsupported Transfer-Encoding."


def test_chunks_under_http_1_0_are_refused() -> None:
    """Their framing is faulty, as a hop may have passed on what it did not read (RFC 9112 § 6.1)."""
    assert fault_of([HOST, (b"transfer-encoding", b"chunked")], "1.0") == "Unsupported Transfer-Encoding."


@pytest.mark.parametrize("version", ["0.9", "2.0", "1.2"])
def test_other_versions_are_refused(version: str) -> None:
    """The parser takes some that have another form on the wire."""
    assert fault_of([HOST], version) == "This version of HTTP is not spoken here."
