"""Proves `sse_proxy.upstream.tls` without a socket; what it does on the wire is in `test_upstream_transport`."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
import trustme

from sse_proxy.upstream.tls import create_ssl_context


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a CA, a certificate, its key, and a file that is nothing of these."""
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    client = authority.issue_cert("client.test")
    client.cert_chain_pems[0].write_to_path(str(directory / "cert.pem"))
    client.private_key_pem.write_to_path(str(directory / "key.pem"))
    client.private_key_and_cert_chain_pem.write_to_path(str(directory / "both.pem"))
    (directory / "junk").write_text("junk")
    return directory


def test_certificate_and_name_are_verified_by_default() -> None:
    """With the authorities of the system, from TLS 1.2 up."""
    context = create_ssl_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_a_ca_file_replaces_the_systems_authorities(files: Path) -> None:
    """A private CA is trusted alone."""
    assert len(create_ssl_context(ca_file=files / "ca.pem").get_ca_certs()) == 1


@pytest.mark.parametrize("cert, key", [("cert.pem", "key.pem"), ("both.pem", None)])
def test_a_client_certificate_may_hold_its_key(files: Path, cert: str, key: str | None) -> None:
    """Two files or one."""
    create_ssl_context(client_cert=files / cert, client_key=files / key if key else None)


@pytest.mark.parametrize(
    "ca, cert, key, setting",
    [
        ("missing", None, None, "upstream_ca_file: No such file"),
        ("junk", None, None, "upstream_ca_file: expected a PEM"),
        (None, "missing", None, "upstream_client_cert"),
        (None, "junk", None, "upstream_client_cert"),
        (None, "cert.pem", None, "upstream_client_key"),
        (None, "cert.pem", "ca.pem", "upstream_client_key"),
        (None, None, "key.pem", "upstream_client_key: needs"),
    ],
)
def test_a_file_that_cannot_be_used_names_its_setting(
    files: Path, ca: str | None, cert: str | None, key: str | None, setting: str
) -> None:
    """At the start, not at the first request."""
    paths = [files / name if name else None for name in (ca, cert, key)]
    with pytest.raises(ValueError, match=setting):
        create_ssl_context(ca_file=paths[0], client_cert=paths[1], client_key=paths[2])
