"""What a played case means: which rules were broken, and in words what was done with it."""

from __future__ import annotations

from collections import Counter

from .case import AFTER, RequestCase, ResponseCase, Seen
from .drive import Answers, Played
from .upstream import Recorder

__all__ = ["broken_by_request", "broken_by_response", "told_request", "told_response"]

_SHOWN_BYTES = 24


def broken_by_request(case: RequestCase, recorder: Recorder) -> list[str]:
    """The rules that a proxy has broken with *case*; empty when it has broken none."""
    seen = tuple(recorder.seen)
    broken = list(recorder.faults)
    if any("poison" in one.target and "%0d" not in one.target and "#" not in one.target for one in seen):
        broken.append("the poison became a request")
    if seen not in case.allowed:
        broken.append(f"the upstream saw {_listed(seen)}")
    if seen and seen[0] != AFTER:
        fields = recorder.fields[0]
        broken += [f"{name} went on" for name in case.lacks if name in dict(fields) and name not in _ours(seen[0])]
        for name, value in case.has:
            found = [given for key, given in fields if key == name]
            if found != [value.format(upstream=f"127.0.0.1:{recorder.port}")]:
                broken.append(f"{name} is {', '.join(found) or 'missing'}")
    return broken


def _ours(seen: Seen) -> set[str]:
    """The framing that a proxy chooses itself for content that goes on."""
    return {"content-length", "transfer-encoding"} if seen.body else set()


def broken_by_response(case: ResponseCase, answers: Answers, recorder: Recorder) -> list[str]:
    """The rules that a proxy has broken with *case*."""
    broken = list(recorder.faults)
    if answers.status not in case.allowed:
        broken.append(f"the client got {answers.status or 'a broken answer'}")
    elif answers.status not in {0, 502} and case.body is not None and answers.body != case.body:
        broken.append(f"the client got the body {answers.body[:_SHOWN_BYTES]!r}")
    if recorder.reused and not case.reusable:
        broken.append("the connection was used again")
    if any("stolen" in value for _, value in answers.fields) or b"stolen" in (answers.after or b""):
        broken.append("the client got what was not its own")
    if answers.after is not None and b'"target": "/after"' not in answers.after:
        broken.append("the next answer is not the next request's")
    return broken


def told_request(played: Played, seen: list[Seen]) -> str:
    """What became of a request case, in words."""
    own = [one for one in seen if one != AFTER]
    # One status after the other, AFTER's own left out.
    statuses = played.statuses[: len(played.statuses) - len(seen) + len(own)]
    went = _listed(tuple(own)) if own else ("" if AFTER in seen else "closed")
    said = ", ".join(str(status) for status in statuses)
    return "; ".join(filter(None, (said, went))) or "no answer"


def told_response(answers: Answers, recorder: Recorder) -> str:
    """What became of a response case, in words."""
    said = str(answers.status or "cut off")
    return f"{said}, connection used again" if recorder.reused else said


def _listed(seen: tuple[Seen, ...]) -> str:
    if not seen:
        return "nothing"
    counted = Counter(f"{one.method} {one.target[:_SHOWN_BYTES]} +{len(one.body)}" for one in seen)
    return ", ".join(f"{text} x{count}" if count > 1 else text for text, count in counted.items())
