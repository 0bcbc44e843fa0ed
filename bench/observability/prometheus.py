"""A real Prometheus as a child process, and its HTTP API: as much of it as Grafana uses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from .waiting import text, until

__all__ = ["ALERTS", "RULES", "Prometheus", "Series", "Target", "expanded", "running"]

#: What is loaded: the file that the chart ships.
ALERTS = Path(__file__).resolve().parents[2] / "helm" / "sse-proxy" / "files" / "alerts.yaml"
RULES = "rules.yaml"

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What is scraped: ``/metrics`` on *port* of this machine."""

    job: str
    port: int
    labels: Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A series of a result: times and values, in order, those that are no number left out."""

    labels: Labels
    points: tuple[tuple[float, float], ...]


def expanded(expr: str, *, window: str, whole: str) -> str:
    """*expr* as Grafana sends it: everything chosen, *window* for ``$__rate_interval``, *whole* for ``$__range``."""
    for name in ("namespace", "job", "pod"):
        expr = expr.replace(f"${name}", ".*")
    return expr.replace("$__rate_interval", window).replace("$__range", whole)


class Prometheus:
    """A running server."""

    def __init__(self, api: httpx.AsyncClient) -> None:
        self._api = api

    async def instant(self, expr: str) -> list[Series]:
        """The series of *expr* now, with a point each."""
        found = await self._get("query", query=expr)
        if found["resultType"] == "scalar":
            return [_series({}, [found["result"]])]
        return [_series(each["metric"], [each["value"]]) for each in found["result"]]

    async def over(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        """The series of *expr* from *start* to *end* (seconds since the epoch) at every *step* seconds."""
        found = await self._get("query_range", query=expr, start=start, end=end, step=step)
        return [_series(each["metric"], each["values"]) for each in found["result"]]

    async def alerts(self) -> list[dict[str, Any]]:
        """The alerts that are pending or firing, as the API has them."""
        found: list[dict[str, Any]] = (await self._get("alerts"))["alerts"]
        return found

    async def rules(self) -> list[dict[str, Any]]:
        """Every rule with its ``health`` and ``lastError``."""
        return [rule for group in (await self._get("rules"))["groups"] for rule in group["rules"]]

    async def _get(self, path: str, **query: object) -> dict[str, Any]:
        response = await self._api.get(f"/api/v1/{path}", params={name: str(value) for name, value in query.items()})
        document = response.json()
        if document["status"] != "success":
            raise ValueError(f"{query.get('query', path)}: {document['error']}")
        data: dict[str, Any] = document["data"]
        return data


def _series(labels: Labels, values: Sequence[tuple[float, str]]) -> Series:
    points = tuple((at, float(value)) for at, value in values)
    return Series(labels=labels, points=tuple(point for point in points if math.isfinite(point[1])))


@contextlib.asynccontextmanager
async def running(
    program: str, directory: Path, targets: Sequence[Target], *, rules: str = "groups: []\n"
) -> AsyncGenerator[Prometheus]:
    """*program* with its data in *directory*, which scrapes *targets* and evaluates *rules* every second.

    Raises:
        TimeoutError: it does not become ready.
        ValueError: it has ended.
    """
    port = _free_port()
    (directory / "prometheus.json").write_text(json.dumps(_configuration(targets)))  # JSON is YAML
    (directory / RULES).write_text(rules)
    with (directory / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(program, f"--config.file={directory / 'prometheus.json'}", f"--storage.tsdb.path={directory / 'data'}"),
            *(f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as api:
            await _ready(api, process, directory / "prometheus.log")
            yield Prometheus(api)
    finally:
        if process.returncode is None:
            process.kill()  # its data goes with the directory
        await process.wait()


async def _ready(api: httpx.AsyncClient, process: asyncio.subprocess.Process, log: Path) -> None:
    async def answers() -> bool:
        if process.returncode is not None:
            raise ValueError(f"Prometheus has ended: {text(log)}")
        with contextlib.suppress(httpx.TransportError):
            return (await api.get("/-/ready")).status_code == 200
        return False

    await until(answers)


def _configuration(targets: Sequence[Target]) -> dict[str, Any]:
    jobs: dict[str, list[dict[str, Any]]] = {}
    for target in targets:
        jobs.setdefault(target.job, []).append({
            "targets": [f"127.0.0.1:{target.port}"],
            "labels": dict(target.labels),
        })  # fmt: skip
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [RULES],
        "scrape_configs": [{"job_name": job, "static_configs": found} for job, found in jobs.items()],
    }


def _free_port() -> int:
    """A port that was free a moment ago; Prometheus does not tell which one it got for port 0."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
