"""The TLS settings towards the upstream, as one context for all its connections."""

from __future__ import annotations

import ssl
from pathlib import Path

__all__ = ["create_ssl_context"]


def create_ssl_context(
    *, ca_file: Path | None = None, client_cert: Path | None = None, client_key: Path | None = None
) -> ssl.SSLContext:
    """A context that verifies certificate and name of the upstream; TLS 1.2 or later, HTTP/1.1 only.

    *ca_file* replaces the system's authorities. *client_cert* (PEM) is shown to an upstream that asks for one;
    *client_key* None: the key is in the same file.

    Raises:
        ValueError: a file cannot be read or holds no such thing, or there is a key without its certificate; the
            message names the setting.
    """
    context = _verifying_context(ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # HTTP/2 would hide an early close from the upstream's application (DESIGN fact 7).
    context.set_alpn_protocols(["http/1.1"])
    if client_cert is not None:
        try:
            context.load_cert_chain(client_cert, client_key)
        except OSError as exc:
            raise ValueError(f"upstream_client_cert, upstream_client_key: {_why(exc)}") from exc
    elif client_key is not None:
        raise ValueError("upstream_client_key: needs upstream_client_cert")
    return context


def _verifying_context(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as exc:
        raise ValueError(f"upstream_ca_file: {_why(exc)}") from exc


def _why(exc: OSError) -> str:
    if isinstance(exc, ssl.SSLError):
        return "expected a PEM file with a certificate (and its key)"
    return exc.strerror or str(exc)
