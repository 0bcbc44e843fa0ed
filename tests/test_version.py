"""`sse_proxy.version`."""

from __future__ import annotations

import importlib.metadata

import pytest

from sse_proxy.version import version


def test_the_version_is_that_of_the_installed_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes from the metadata, so it is written down once."""
    monkeypatch.setattr(importlib.metadata, "version", {"sse-proxy": "1.2.3"}.__getitem__)
    assert version() == "1.2.3"


def test_a_tree_that_nobody_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Running from a source tree is no error."""

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert version() == "unknown"
