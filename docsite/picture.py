"""The README's picture: four recorded streams on their time lines, drawn from `RECORD` and nothing else.

``python -m docsite.picture`` draws it anew; a test compares. `record` makes the recording.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

__all__ = ["PICTURE", "RECORD", "draw"]

_FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
RECORD = _FOLDER / "before-after.json"
PICTURE = _FOLDER / "before-after.svg"

_WIDTH, _LEFT, _RIGHT = 860, 150, 30
_LANE_HEIGHT = 46
#: Group → heading, and how many seconds its axis has.
_GROUPS = {
    "silent": ("A model thinks for 75 seconds, behind an nginx with its default timeout", 95),
    "cut": ("A server stops in the middle of its answer, with a clean end", 11.5),
}
_LABELS = {"straight": "without sse-proxy", "through": "with sse-proxy"}
_STYLE = """
svg { background: #ffffff; font-family: system-ui, sans-serif; font-size: 13px; }
text { fill: #1f2933; } .head { font-weight: 600; font-size: 14px; } .small { font-size: 11px; fill: #52606d; }
.axis { stroke: #9aa5b1; } .silence { stroke: #cbd2d9; stroke-width: 2; stroke-dasharray: 2 4; }
.token { fill: #0f766e; } .heartbeat { fill: #b45309; } .bad { fill: #b91c1c; }
.bad-text { fill: #b91c1c; font-weight: 600; } .good-text { fill: #0f766e; font-weight: 600; }
"""


def draw(record: dict[str, Any]) -> str:
    """The picture of *record* as SVG."""
    lanes = {lane["name"]: lane for lane in record["lanes"]}
    parts: list[str] = []
    top = 26
    for group, (heading, seconds) in _GROUPS.items():
        parts.append(f'<text class="head" x="16" y="{top}">{escape(heading)}</text>')
        top += 36
        for way, label in _LABELS.items():
            parts += _lane(lanes[f"{group}-{way}"], label, top, seconds)
            top += _LANE_HEIGHT
        parts += _axis(top - 18, seconds)
        top += 34
    parts += _legend(top - 4, record["recorded"])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + 10}" role="img" '
        f'aria-label="{escape(_described(lanes))}">\n<style>{_STYLE}</style>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _x(seconds: float, whole: float) -> float:
    return round(_LEFT + seconds / whole * (_WIDTH - _LEFT - _RIGHT), 1)


def _lane(lane: dict[str, Any], label: str, y: float, whole: float) -> Iterator[str]:
    end = lane["ended_seconds"]
    yield f'<text x="16" y="{y + 4}">{escape(label)}</text>'
    yield f'<line class="silence" x1="{_x(0, whole)}" y1="{y}" x2="{_x(end, whole)}" y2="{y}"/>'
    for seconds, kind in lane["marks"]:
        x = _x(seconds, whole)
        if kind == "token":
            yield f'<rect class="token" x="{x}" y="{y - 9}" width="2" height="18"/>'
        elif kind == "error":
            yield f'<path class="token" d="M{x + 8} {y - 7}l7 7-7 7-7-7z"/>'
        elif kind == "heartbeat":
            yield f'<circle class="heartbeat" cx="{x}" cy="{y}" r="5"/>'
    good, words = _verdict(lane)
    if not good:
        x = _x(end, whole)
        yield f'<path class="bad" d="M{x - 6} {y - 8}h4l2 5 2-5h4l-4 8 4 8h-4l-2-5-2 5h-4l4-8z"/>'
    anchor = "end" if end > whole * 0.55 else "start"
    x = _x(end, whole)
    style = "good-text" if good else "bad-text"
    yield f'<text class="{style}" x="{x}" y="{y - 14}" text-anchor="{anchor}">{escape(words)}</text>'


def _verdict(lane: dict[str, Any]) -> tuple[bool, str]:
    """Whether the client knows how its answer ended, and in words."""
    kinds = [kind for _, kind in lane["marks"]]
    end, tokens = lane["ended_seconds"], kinds.count("token")
    if lane["status"] >= 400:
        return False, f"{lane['status']} after {end:.1f} s, no token"
    if "error" in kinds:
        return True, f"{tokens} tokens, and told: the answer is not complete"
    if "done" in kinds:
        return True, f"whole: {tokens} tokens after {kinds.count('heartbeat')} heartbeats"
    return False, f"{tokens} tokens, taken for the whole answer"


def _axis(y: float, whole: float) -> Iterator[str]:
    yield f'<line class="axis" x1="{_LEFT}" y1="{y}" x2="{_WIDTH - _RIGHT}" y2="{y}"/>'
    step = 15 if whole > 30 else 2
    for seconds in range(0, int(whole) + 1, step):
        x = _x(seconds, whole)
        yield f'<line class="axis" x1="{x}" y1="{y}" x2="{x}" y2="{y + 4}"/>'
        yield f'<text class="small" x="{x}" y="{y + 16}" text-anchor="middle">{seconds} s</text>'


def _legend(y: float, recorded: str) -> Iterator[str]:
    yield f'<rect class="token" x="16" y="{y - 10}" width="2" height="12"/>'
    yield f'<text class="small" x="24" y="{y}">token</text>'
    yield f'<circle class="heartbeat" cx="76" cy="{y - 4}" r="4"/><text class="small" x="86" y="{y}">heartbeat</text>'
    text = f"recorded {recorded} with real servers, default settings (docsite/record.py)"
    yield f'<text class="small" x="{_WIDTH - _RIGHT}" y="{y}" text-anchor="end">{text}</text>'


def _described(lanes: dict[str, Any]) -> str:
    said = (
        f"{_GROUPS[group][0]}, {label}: {_verdict(lanes[f'{group}-{way}'])[1]}."
        for group in _GROUPS
        for way, label in _LABELS.items()
    )
    return " ".join(said)


if __name__ == "__main__":
    PICTURE.write_text(draw(json.loads(RECORD.read_text())))
