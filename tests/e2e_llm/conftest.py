"""Fixtures of the run against a real llama-server, and the table of figures at its end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from .figures import Figures
from .servers import DIRECT, Llama, Target, llama_server, proxy_server

_FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    """Make the place where the tests leave their figures."""
    config.stash[_FIGURES] = Figures()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the figures, if any test left some."""
    figures = config.stash[_FIGURES]
    if figures.rows:
        terminalreporter.section("llama-server " + ("without the proxy" if DIRECT else "behind the proxy"))
        for line in figures.table():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the servers write their logs."""
    return tmp_path_factory.mktemp("e2e_llm")


@pytest.fixture(scope="session")
def llama(directory: Path) -> Iterator[Llama]:
    """Return the running llama-server that `scripts/e2e-llm` built."""
    if "E2E_LLAMA_SERVER" not in os.environ or "E2E_MODEL" not in os.environ:
        pytest.fail("these tests are run by `make e2e-llm`, which builds llama-server and gets the model")
    with llama_server(directory) as server:
        yield server


@pytest.fixture(scope="session")
def target(llama: Llama, directory: Path) -> Iterator[Target]:
    """Return the proxy in front of *llama*, or *llama* itself in the control run."""
    if DIRECT:
        yield Target(url=llama.url, admin_url=None)
        return
    with proxy_server(llama.url, directory) as proxy:
        yield proxy


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """Return the figures of the run, to add a row to."""
    return request.config.stash[_FIGURES]


@pytest.fixture(autouse=True)
def _idle_model(llama: Llama) -> None:
    """Wait until no answer of an earlier test is still in the works, so that every test has the only slot."""
    llama.seconds_until(busy=False, limit_seconds=30)
