"""`demo.menu`: what the playground offers is what the mock takes; and what the demo has on by itself."""

from __future__ import annotations

import json
from typing import Any, cast

import httpx
import pytest
from click.testing import CliRunner

from sse_proxy.cli import main, process
from sse_proxy.demo import create_mock, menu
from sse_proxy.demo.defects import DEFECTS
from sse_proxy.demo.menu import DEFECT_TEXTS
from sse_proxy.settings import Settings

from .streaming import served


def dialects(*, bridged: bool) -> dict[str, dict[str, Any]]:
    """The rows by name."""
    rows = cast("list[dict[str, Any]]", menu(bridged=bridged)["dialects"])
    return {row["name"]: row for row in rows}


def test_every_defect_has_words() -> None:
    """And no words are left of one that is gone."""
    assert DEFECT_TEXTS.keys() == DEFECTS


def test_only_defects_that_a_dialect_can_have_are_offered() -> None:
    """Where payloads are no JSON, or no event stream, some have no meaning."""
    rows = dialects(bridged=False)
    assert set(rows["openai_chat"]["defects"]) == DEFECTS
    assert "crlf" in rows["ollama"]["defects"]
    assert "single_newline" not in rows["ollama"]["defects"]
    assert "split_json" not in rows["generic"]["defects"]
    assert "comment_in_data" not in rows["tokens"]["defects"]


def test_a_bridge_has_the_defects_of_what_it_asks() -> None:
    """The lane without the proxy asks for that itself; the switches are headers, since the query is the prompt's."""
    rows = dialects(bridged=True)
    assert rows["tokens"]["defects"] == rows["openai_chat"]["defects"]
    assert rows["tokens"]["upstream"] == {name: rows["openai_chat"][name] for name in ("path", "body")}
    assert (rows["tokens"]["knobs"], rows["openai_chat"]["knobs"]) == ("headers", "query")


@pytest.mark.parametrize("name", sorted(dialects(bridged=False)))
async def test_the_mock_streams_what_is_offered(name: str) -> None:
    """Each row is a whole request, and each of its defects is taken."""
    row = dialects(bridged=False)[name]
    body = None if row["body"] is None else json.loads(row["body"])
    async with served(create_mock()) as port, httpx.AsyncClient(trust_env=False) as client:
        for defect in ("none", *row["defects"]):
            url = f"http://127.0.0.1:{port}{row['path']}?tokens=2&rate=0&defect={defect}&{row['query']}"
            answer = await client.request(row["method"], url, json=body)
            assert (defect, answer.status_code) == (defect, 200)
            assert "json" not in answer.headers["content-type"] or name == "ollama"


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Settings, dict[str, Any]]]:
    """What the demo would run."""
    runs: list[tuple[Settings, dict[str, Any]]] = []

    def run(settings: Settings, **options: Any) -> int:
        runs.append((settings, options))
        return 0

    monkeypatch.setattr(process, "run", run)
    return runs


def test_the_demo_has_everything_on_that_there_is_to_see(ran: list[tuple[Settings, dict[str, Any]]]) -> None:
    """Page, probe, resume, a bridge, and heartbeats that come before one has lost patience."""
    assert CliRunner().invoke(main, ["demo"]).exit_code == 0
    [(settings, options)] = ran
    assert (settings.playground, settings.probe, settings.resume) == (True, True, "memory")
    assert (settings.heartbeat_seconds, settings.commit_after_seconds) == (2, 2)
    assert [route.path for route in settings.effective_routes] == ["/chat/stream"]
    assert options["menu"] == menu(bridged=True)


def test_the_demo_obeys_who_wants_it_otherwise(ran: list[tuple[Settings, dict[str, Any]]]) -> None:
    """What is given stays, also where it is the default; with bridges of one's own there is no other."""
    flags = ["--no-playground", "--no-probe", "--resume", "off", "--heartbeat-seconds", "15"]
    bridge = ["--bridge", "/ask=/v1/messages", "--bridge-model", "m"]
    assert CliRunner().invoke(main, ["demo", *flags, *bridge]).exit_code == 0
    [(settings, options)] = ran
    assert (settings.playground, settings.probe, settings.resume) == (False, False, "off")
    assert (settings.heartbeat_seconds, settings.commit_after_seconds) == (15, 2)
    assert [route.path for route in settings.effective_routes] == ["/ask"]
    assert options["menu"] == menu(bridged=False)
