"""What the doctor asks, in which order, and whom it lets judge the answers.

A proxy of ours is recognised by its probe answering; then every question is a probe, which costs no tokens. Anything
else is asked the user's own request, once. Nothing is asked in parallel but what only waits: the silences.
"""

from __future__ import annotations

import asyncio
import json
import math
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..core.probing import PROBE, Plan
from ..settings import shown_url
from .asking import Asker
from .case import Case, case_of
from .examined import Report, Wish
from .findings import Finding, Severity, ranked
from .judge_ends import judge_announced, judge_end, judge_idle, judge_total
from .judge_flow import held_back, judge_flow, judge_pace
from .judge_head import judge_head, judge_way
from .judge_lines import judge_heartbeats, judge_lines
from .judge_more import (
    judge_cors,
    judge_duplicates,
    judge_failed,
    judge_http2,
    judge_probe_resume,
    judge_redirects,
    judge_resume,
)
from .observed import Answer, Request
from .requests import as_browser, preflight_of, probe_request, probe_urls, redirected, with_header

__all__ = ["Examination"]

#: A stream of unknown length is read for so long at least.
READ_SECONDS = 60.0
#: Over what a probe takes, for slow ways and buffers.
_GRACE_SECONDS = 15.0
_MAX_REDIRECTS = 5
#: How often comments come into the silence that is waited through beside one without: well before any idle limit, since
#: what cuts both is taken for a limit on the whole response.
_SHORT_BEAT_SECONDS, _LONG_BEAT_SECONDS = 0.25, 2.0
_NO_STREAM = frozenset({"http-status", "not-a-stream", "unreachable"})
#: For how long a hop may take the proxy for down: nginx's fail_timeout and a little.
_DOWN_SECONDS = 12

#: Events at the pace of a model; enough bytes to fill most buffers, in as many pieces; a stream to come back to.
_PACED = Plan(events=20, interval=0.1)
_PADDED = Plan(events=96, interval=0.02, padding=1024)
_NUMBERED = Plan(events=4, interval=0.05, ids=True)


@dataclass(slots=True)
class Examination:
    """One examination; *tell* is called with what happens next, in a few words."""

    wish: Wish
    asker: Asker
    tell: Callable[[str], None] = lambda _text: None
    _cases: dict[str, Case] = field(default_factory=dict)
    _findings: list[Finding] = field(default_factory=list)

    async def run(self) -> Report:
        """Ask and judge."""
        url = None if self.wish.own_request else await self._find_probe()
        if url is None:
            await self._examine_request()
        else:
            await self._examine_probe(url)
        self._add(judge_http2(offered=await self.asker.offers_http2(self.wish.url)))
        return Report(url=self.wish.url, cases=self._cases, findings=ranked(self._findings))

    def _add(self, findings: Iterable[Finding]) -> None:
        self._findings.extend(findings)

    async def _find_probe(self) -> str | None:
        """The URL of the probe, which has then been read once; None where no probe answers."""
        for url in probe_urls(self.wish.url):
            self.tell("looking for the probe of an sse-proxy")
            answers = await self._follow(probe_request(url, _PACED, self.wish.request), _PACED.seconds + _GRACE_SECONDS)
            case = case_of(answers[-1])
            if case.probed is not None:
                self._cases["stream"] = case
                self._add(judge_redirects(answers[:-1]))
                return case.answer.request.url.partition("?")[0]
            if case.answer.failure:  # nobody is there, which the request will show as well
                break
            await self._look_for_proxy(url)
        return None

    async def _look_for_proxy(self, probe_url: str) -> None:
        """Tell of a proxy of ours whose probe does not answer."""
        health = Request(url=probe_url.removesuffix(PROBE) + "healthz")
        answer = await self.asker.ask(health, seconds=_GRACE_SECONDS)
        if answer.status == 200 and answer.body.strip() == b'{"status": "ok"}':
            self._findings.append(
                Finding(
                    id="probe-off",
                    severity=Severity.NOTE,
                    seen="an sse-proxy answers here, but not its probe: less can be told without it",
                    fix="sse-proxy serve --probe, and with auth_tokens_file -H 'Authorization: Bearer …' here",
                )
            )

    async def _follow(self, request: Request, seconds: float) -> list[Answer]:
        """The answers to *request*: redirects, and the last one, which is none as a rule."""
        answers = [await self.asker.ask(request, seconds=seconds)]
        while len(answers) <= _MAX_REDIRECTS and (following := redirected(answers[-1])) is not None:
            answers.append(await self.asker.ask(following, seconds=seconds))
        return answers

    async def _probe(self, url: str, plan: Plan, **headers: str) -> Case:
        request = probe_request(url, plan, self.wish.request)
        for name, value in headers.items():
            request = with_header(request, name.replace("_", "-"), value)
        case = case_of(await self.asker.ask(request, seconds=plan.seconds + _GRACE_SECONDS))
        self._add(judge_failed(case))
        return case

    async def _examine_probe(self, url: str) -> None:
        case = self._cases["stream"]
        for judge in (judge_head, judge_way, judge_end, judge_lines):
            self._add(judge(case))
        if case.probed is not None and held_back(case.probed):
            self.tell("measuring the buffer")
            self._cases["padded"] = await self._probe(url, _PADDED)
        self._add(judge_flow(case, self._cases.get("padded")))
        await self._come_back(url)
        if self.wish.break_post:
            await self._post_once(url)
        await self._wait(url, case)
        if self.wish.origin:
            headers = (*self.wish.request.headers, ("Content-Type", "application/json"))
            await self._preflight(Request(method="POST", url=self.wish.url, headers=headers), None)

    async def _come_back(self, url: str) -> None:
        self.tell("coming back with Last-Event-ID")
        first = await self._probe(url, _NUMBERED)
        again = await self._probe(url, _NUMBERED, Last_Event_ID="2")
        last = await self._probe(url, _NUMBERED, Last_Event_ID=str(_NUMBERED.events + 1))
        self._add(judge_probe_resume(first, again, last.answer))

    async def _post_once(self, url: str) -> None:
        """Send a POST that the proxy counts and leaves without an answer, and ask how often it came."""
        self.tell("looking for requests that are sent twice")
        nonce = secrets.token_hex(8)
        drop = probe_request(url, Plan(nonce=nonce, drop=True), self.wish.request, method="POST")
        await self.asker.ask(drop, seconds=_GRACE_SECONDS)
        counting = probe_request(f"{url}?count={nonce}", Plan(), self.wish.request)
        requests = _count_in(await self.asker.ask(counting, seconds=_GRACE_SECONDS))
        for _turn in range(_DOWN_SECONDS):
            if requests is not None:
                break
            await asyncio.sleep(1)
            requests = _count_in(await self.asker.ask(counting, seconds=_GRACE_SECONDS))
        self._add(judge_duplicates(requests, self._cases["stream"]))

    async def _wait(self, url: str, case: Case) -> None:
        """Wait through silences and limits, as far as is wanted, all at once."""
        plans: dict[str, Plan] = {}
        if idle := self.wish.idle:
            beat = min(max(idle / 16, _SHORT_BEAT_SECONDS), _LONG_BEAT_SECONDS)
            plans["silent"] = Plan(events=1, interval=0.01, idle=idle)
            plans["beating"] = Plan(events=1, interval=0.01, idle=idle, heartbeat=beat)
        if total := self.wish.total:
            pace = min(1.0, total / 8)
            plans["long"] = Plan(events=math.ceil(total / pace), interval=pace)
        if plans:
            self.tell(f"waiting for {max(plan.seconds for plan in plans.values()):g} s")
        cases = await asyncio.gather(*(self._probe(url, plan) for plan in plans.values()))
        self._cases.update(zip(plans, cases, strict=True))
        if "long" in self._cases:
            self._add(judge_total(self._cases["long"]))
        if "silent" in self._cases:
            self._add(judge_idle(self._cases["silent"], self._cases["beating"], case))
        if not any(finding.id == "total-cut" for finding in self._findings):
            self._add(judge_announced(case))

    async def _examine_request(self) -> None:
        wish = self.wish
        seconds = max(READ_SECONDS, wish.total, wish.idle + _GRACE_SECONDS)
        self.tell(f"asking {wish.request.method} {shown_url(wish.request.url)}")
        answers = await self._follow(as_browser(wish.request, wish.origin), seconds)
        case = self._cases["stream"] = case_of(answers[-1])
        self._add(judge_redirects(answers[:-1]))
        head = [*judge_head(case)]
        self._add(head)
        if not any(finding.id in _NO_STREAM for finding in head):  # else there is nothing more to judge
            for judge in (judge_end, judge_lines, judge_pace, judge_heartbeats):
                self._add(judge(case))
            await self._resume(case)
        if wish.origin:
            await self._preflight(case.answer.request, case.answer)

    async def _resume(self, case: Case) -> None:
        """Ask again with the last id; only a GET, since another POST would be another generation."""
        last = next((a.event.id for a in reversed(case.stream.events) if a.event.id), None)
        if last is None or case.answer.request.method != "GET":
            return
        self.tell("coming back with Last-Event-ID")
        request = with_header(case.answer.request, "Last-Event-ID", last.decode("latin-1"))
        again = case_of(await self.asker.ask(request, seconds=_GRACE_SECONDS))
        self._add(judge_resume(case, again))

    async def _preflight(self, request: Request, answer: Answer | None) -> None:
        origin = self.wish.origin or ""
        preflight = preflight_of(request, origin)
        asked = None if preflight is None else await self.asker.ask(preflight, seconds=_GRACE_SECONDS)
        self._add(judge_cors(origin, asked, answer))


def _count_in(answer: Answer) -> int | None:
    try:
        requests = json.loads(answer.body)["requests"]
    except (ValueError, KeyError, TypeError):
        return None
    return requests if isinstance(requests, int) else None
