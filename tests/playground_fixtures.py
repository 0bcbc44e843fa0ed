"""What every module of tests in the playground's page has once: a demo, and a Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import pytest_asyncio

from .playground_browser import demo, driving

__all__ = ["make_driver", "make_url"]

_T = TypeVar("_T")


def _for_module(running: Callable[[], AbstractAsyncContextManager[_T]]) -> Any:
    @pytest_asyncio.fixture(loop_scope="module", scope="module")
    async def fixture() -> AsyncIterator[_T]:
        async with running() as made:
            yield made

    return fixture


def make_url() -> Any:
    """A fixture: the page of a demo."""
    return _for_module(demo)


def make_driver() -> Any:
    """A fixture: one Chromium."""
    return _for_module(driving)
