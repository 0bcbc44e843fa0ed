"""The page's own modules, without a browser (``tests/js/playground-parts.mjs``): reader, lane, verdict."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import sse_proxy

from .conftest import LIMIT_SECONDS, require_component

STATIC = Path(sse_proxy.__file__).parent / "playground" / "static"
SCRIPT = Path(__file__).parent / "js" / "playground-parts.mjs"
STREAM = "0123456789abcdef" * 2


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each case of the script returned."""
    directory = tmp_path_factory.mktemp("parts") / "static"
    shutil.copytree(STATIC, directory)
    (directory / "package.json").write_text('{"type": "module"}')
    command = [require_component("node"), str(SCRIPT), str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_stream_reads_the_same_however_it_is_split(told: dict[str, Any]) -> None:
    """Byte by byte, in odd pieces, and whole."""
    ways, results, blocks = told["splits"]
    assert (ways, results, blocks) == (6, 1, 9)


def test_the_readers_work_is_linear_in_bytes(told: dict[str, Any]) -> None:
    """Of 16 MiB without a blank line each character is looked at twice or so; the newest 4 MiB are kept."""
    assert told["linear"]["each"] < 3
    assert told["linear"]["held"].startswith(f"{4 << 20} characters without the blank line")


def test_between_two_heartbeats_a_stream_is_alive(told: dict[str, Any]) -> None:
    """Until one and a half times their period have passed; and what came last is called what it was."""
    nobody = "nobody can tell whether it is alive"
    assert told["silences"] == [
        *("alive: a heartbeat 2.0 s ago", "alive: a heartbeat 7.0 s ago", nobody),
        *("its next heartbeat is not due yet", nobody),
    ]


def test_marks_of_what_can_come_without_end_are_bounded(told: dict[str, Any]) -> None:
    """All kinds together; what happens once is always kept."""
    assert told["marks"] == 5001


def test_stop_names_the_stream_to_the_proxy(told: dict[str, Any]) -> None:
    """A stream that is kept would be generated on."""
    path = f"/-/sse-proxy/streams/{STREAM}"
    assert told["stoppedKept"] == {
        "head": "Stopped by the user",
        "text": "a",
        "marks": ["event", "stop"],
        "asked": [["POST", "/kept", ""], ["DELETE", path, ""]],
    }
    # Whatever host the upstream names, it is the proxy that is asked.
    assert told["stoppedOther"]["asked"] == [["POST", "/other", ""], ["DELETE", path, ""]]


def test_stop_deletes_nothing_that_the_upstream_names(told: dict[str, Any]) -> None:
    """Its `Location` may be any resource of its own."""
    assert told["stoppedNamed"]["asked"] == [["POST", "/named", ""]]


def test_stop_while_the_line_is_cut_is_told_as_a_stop(told: dict[str, Any]) -> None:
    """And not as a loss; it does not come back."""
    away = told["stoppedAway"]
    assert (away["head"], away["marks"]) == ("Stopped by the user", ["event", "cut", "stop"])
    assert away["asked"] == [["POST", "/kept", ""], ["DELETE", f"/-/sse-proxy/streams/{STREAM}", ""]]


def test_a_line_that_is_cut_before_the_first_event_is_resumed(told: dict[str, Any]) -> None:
    """By the stream's own name, from its beginning."""
    late = told["cutBeforeAnEvent"]
    assert (late["head"], late["text"]) == ("Looks complete", "ab")
    assert late["marks"] == ["heartbeat", "cut", "resume", "event", "event", "event", "end"]
    assert late["asked"] == [["POST", "/late", ""], ["POST", "/late", f"{STREAM}.0"]]
