"""What is wrong with the head of a response, and with what the proxy saw of the request. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from ..core.dialects.state import JSONObject
from ..core.documents import json_object
from ..core.framers import Framing
from ..core.headers import media_type
from ..core.sniff import Kind
from .case import Case
from .findings import Finding, Severity
from .hops import blamed, is_nginx
from .observed import End

__all__ = ["judge_head", "judge_way"]

_SHOWN_CHARACTERS = 200
_MAX_AGE = re.compile(r"(?:s-maxage|max-age)\s*=\s*0*[1-9]")
_KINDS = {Kind.HTML: "an HTML page", Kind.BINARY: "binary data", Kind.NOTHING: "nothing", Kind.OTHER: "text"}

_ASK = (
    "ask for a stream (--openai MODEL, --anthropic MODEL, --ollama MODEL, -d BODY), or give the URL of an event stream"
)
_OURS = "put sse-proxy in front of the server: it sets what streams need"
_LET_THEM = "let the response headers of the proxy pass, in the hop that changes them"


def judge_head(case: Case) -> Iterator[Finding]:
    """Findings about status and headers; of a failed request or an error that is all there is."""
    answer = case.answer
    if answer.failure:
        yield Finding(
            id="unreachable",
            severity=Severity.ERROR,
            seen=f"no response: {answer.failure}",
            fix="check the URL, and that the server runs and can be reached from here",
        )
    elif 300 <= answer.status < 400 and answer.header("location"):
        return  # told by whoever follows it
    elif not 200 <= answer.status < 300:
        yield _status(case)
    else:
        for judge in _JUDGES:
            yield from judge(case)


def _status(case: Case) -> Finding:
    answer = case.answer
    hop = case.hops[0].name if answer.status in {502, 503, 504, 524} and case.hops else ""
    text = " ".join(answer.body.decode(errors="replace").split())[:_SHOWN_CHARACTERS]
    fix = "see what the body says" if text else "see the log of the server"
    if _asks_nothing(case) and answer.status in {400, 404, 405}:
        fix = _ASK
    if answer.status in {401, 403}:
        fix = "give the credentials with -H 'Authorization: Bearer …'"
    return Finding(
        id="http-status",
        severity=Severity.ERROR,
        seen=f"status {answer.status} after {answer.head_at:.1f} s" + (f": {text}" if text else ""),
        culprit=hop,
        fix=fix,
        evidence={"status": answer.status, "seconds": round(answer.head_at, 3)},
    )


def _asks_nothing(case: Case) -> bool:
    return case.answer.request.method == "GET"


def _body_kind(case: Case) -> Iterator[Finding]:
    framing, answer = case.stream.framing, case.answer
    told = media_type((answer.header("content-type") or "").encode("latin-1", "replace"))
    seen = ""
    if isinstance(framing, Kind):
        if framing is Kind.NOTHING and answer.end not in {End.COMPLETE, End.CLOSED}:
            return  # what it would have been, nobody knows
        seen = f"the body is {_KINDS[framing]}, not a stream of events"
    elif framing is Framing.JSON and len(case.stream.events) <= 1:
        seen = "the body is one JSON document, not a stream of events"
    if seen:
        asked: JSONObject = json_object(answer.request.body) or {}
        fix = _ASK if _asks_nothing(case) else "ask for a stream, with what the API has for it"
        if answer.request.body and asked.get("stream") is not True:
            fix = 'ask for a stream: "stream": true in the body'
        yield Finding(id="not-a-stream", severity=Severity.ERROR, seen=seen, fix=fix, evidence={"content_type": told})
    elif framing is Framing.SSE and told != "text/event-stream":
        yield _changed(
            case,
            "content-type",
            Severity.ERROR,
            f"events come as Content-Type {told or 'none'}{_sent(case, 'content-type')}: an EventSource refuses them, "
            "and hops may buffer or compress them as any text",
            "Content-Type: text/event-stream from the server; " + _OURS,
            content_type=told,
        )


def _length(case: Case) -> Iterator[Finding]:
    length, framing = case.answer.header("content-length"), case.stream.framing
    if length is not None and (framing is Framing.SSE or len(case.stream.events) > 1):
        yield _blaming(
            case,
            "content-length",
            Severity.ERROR,
            f"the response has Content-Length: {length}: somebody had all of it before the first byte was sent",
            "find the hop or the server that collects the response, and let it stream",
            content_length=length,
        )


def _coding(case: Case) -> Iterator[Finding]:
    coding = case.answer.header("content-encoding")
    if coding and coding.lower() != "identity":
        yield _blaming(
            case,
            "compressed",
            Severity.WARNING,
            f"the stream is compressed ({coding}): events wait in the compressor unless it is flushed after each, and "
            "every hop behind it has to unpack them",
            "leave text/event-stream out of what the hop in front compresses",
            content_encoding=coding,
        )


def _framing(case: Case) -> Iterator[Finding]:
    answer = case.answer
    if answer.http_version == "1.0":
        yield _blaming(
            case,
            "http-1.0",
            Severity.WARNING,
            "the response is HTTP/1.0: only the close of the connection ends it, so that a crash looks like an end",
            "HTTP/1.1 on the hop that answers here",
        )
    elif not ({"transfer-encoding", "content-length"} & {name for name, _ in answer.headers}) and answer.status == 200:
        yield _blaming(
            case,
            "close-delimited",
            Severity.WARNING,
            "the response is neither chunked nor of a known length: only the close of the connection ends it, so that "
            "a crash of the server looks like an end, and no connection is used twice",
            "leave chunked transfer coding on, on the hop that answers here",
        )


def _caching(case: Case) -> Iterator[Finding]:
    answer = case.answer
    age = answer.header("age") or "0"
    hit = next((n for n in ("x-cache", "cf-cache-status", "x-cache-status") if _is_hit(answer.header(n))), "")
    if hit or age not in {"", "0"}:
        yield _blaming(
            case,
            "cached",
            Severity.ERROR,
            f"the response came from a cache ({f'{hit}: {answer.header(hit)}' if hit else f'Age: {age}'})",
            "no cache on the path of the stream",
        )
    control = (answer.header("cache-control") or "").lower()
    if ("public" in control or _MAX_AGE.search(control)) and not re.search("no-cache|no-store", control):
        yield _changed(
            case,
            "cacheable",
            Severity.WARNING,
            f"Cache-Control: {control}{_sent(case, 'cache-control')} lets caches keep the stream for others",
            "Cache-Control: no-cache, no-transform; " + _OURS,
            cache_control=control,
        )


def _sent(case: Case, name: str) -> str:
    """What the proxy has sent in the header *name*, in parentheses; empty where it is not known to have sent any."""
    values = [value for key, value in case.probed.answered if key == name] if case.probed else []
    return f" (the proxy has sent {values[0]})" if values else ""


def _is_hit(value: str | None) -> bool:
    return value is not None and "hit" in value.lower()


def _missing(case: Case) -> Iterator[Finding]:
    answer = case.answer
    control = (answer.header("cache-control") or "").lower()
    missing = [f"Cache-Control: {word}" for word in ("no-cache", "no-transform") if word not in control]
    if "no-store" in control:
        missing = [one for one in missing if not one.endswith("no-cache")]
    # nginx takes the other one away, having read it.
    if answer.header("x-accel-buffering") != "no" and not any(map(is_nginx, case.hops)):
        missing.append("X-Accel-Buffering: no")
    sent = {name for name, _value in case.probed.answered} if case.probed else set()
    taken = [one for one in missing if one.partition(":")[0].lower() in sent]
    if taken:
        yield _changed(
            case,
            "headers-changed",
            Severity.WARNING,
            f"the proxy has sent {' and '.join(taken)}, and it did not arrive: a hop has taken it away, so that the "
            "hops after that one are free to buffer or change the stream",
            _LET_THEM,
            missing=taken,
        )
    elif missing and case.stream.framing is Framing.SSE:
        yield Finding(
            id="headers-missing",
            severity=Severity.NOTE,
            seen=f"without {', '.join(missing)}: hops are free to buffer or change the stream",
            fix=_OURS,
            evidence={"missing": missing},
        )


def judge_way(case: Case) -> Iterator[Finding]:
    """Findings about the request, as the proxy's probe saw it arrive."""
    if case.probed is None:
        return
    if case.probed.http_version == "1.0":
        yield _blaming(
            case,
            "upstream-http-1.0",
            Severity.WARNING,
            "the hop in front of the proxy speaks HTTP/1.0 to it: it buffers more by default, opens a connection for "
            "every request, and cannot tell a stream that broke off from one that ended",
            "HTTP/1.1 from the hop to the proxy",
        )


def _blaming(case: Case, finding: str, severity: Severity, seen: str, fix: str, **evidence: object) -> Finding:
    culprit, knob = blamed(finding, case.hops)
    return Finding(id=finding, severity=severity, seen=seen, culprit=culprit, fix=knob or fix, evidence=evidence)


def _changed(case: Case, finding: str, severity: Severity, seen: str, fix: str, **evidence: object) -> Finding:
    """A finding about a header that is not as a stream needs it: of a probe, which has it right, by a hop's doing."""
    culprit = ""
    if case.probed is not None:
        # Of several hops any may have done it.
        only = case.hops[0] if len(case.hops) == 1 else None
        culprit, fix = (only.name, only.knobs.get(finding, _LET_THEM)) if only else ("", _LET_THEM)
    return Finding(id=finding, severity=severity, seen=seen, culprit=culprit, fix=fix, evidence=evidence)


_JUDGES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    _body_kind, _length, _coding, _framing, _caching, _missing,
)  # fmt: skip
