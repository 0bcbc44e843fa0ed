"""The admin port of a running proxy, looked at: its open streams and its totals at one time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from .table import Rates
from .totals import Totals, totals_of, with_open

__all__ = ["Admin", "AdminError", "Snapshot"]

_TIMEOUT_SECONDS = 5.0
_ERRNO = re.compile(r"\[Errno -?\d+\] ")
_NOT_OURS = "what answers there is not the admin port of an sse-proxy"


class AdminError(Exception):
    """The admin port cannot be asked; `str` of it says why, as a phrase."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A process at one time."""

    #: Unix time.
    t: float
    #: As ``/-/streams`` tells them, each with its ``rate``, events a second.
    streams: list[dict[str, Any]]
    #: Open streams counted in.
    totals: Totals


class Admin:
    """A connection to the admin port at *url*; *token*: for ``/-/streams`` where that is guarded. A context manager."""

    def __init__(
        self,
        url: str,
        token: str | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False)
        self._clock, self._wall_clock = clock, wall_clock
        self._rates = Rates()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def look(self) -> Snapshot:
        """The process now.

        Raises:
            AdminError: see there.
        """
        answer = self._get("/-/streams")
        now, wall = self._clock(), self._wall_clock()
        try:
            totals = totals_of(self._get("/metrics").text)
            rows = self._rates.add([row for row in answer.json() if isinstance(row, dict)], now)
            totals = with_open(totals, rows)
        except (ValueError, TypeError, KeyError) as error:
            raise AdminError(_NOT_OURS) from error
        if not totals.version:
            raise AdminError(_NOT_OURS)
        return Snapshot(t=wall, streams=rows, totals=totals)

    def _get(self, path: str) -> httpx.Response:
        try:
            answer = self._client.get(path)
        except httpx.TimeoutException as error:
            raise AdminError(f"no answer within {_TIMEOUT_SECONDS:g} seconds") from error
        except UnicodeError as error:
            raise AdminError("the name cannot be resolved") from error
        except httpx.HTTPError as error:
            raise AdminError(_ERRNO.sub("", str(error)).lower()) from error
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise AdminError("asks for a token, expected --token-file FILE with one that it knows")
        if answer.status_code != httpx.codes.OK:
            raise AdminError(f"{_NOT_OURS}: status {answer.status_code} for {path}")
        return answer
