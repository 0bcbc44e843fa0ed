"""JavaScript clients as async functions: streamed answers, and what the client made of them.

`run_js_cases` starts node once on ``tests/js/drive.mjs`` for many cases, `run_js` for one; whatever the client raises
comes back as `JsResult.error`. Only a script that could not do its work at all is an exception here. `run_cases` is for
scripts of other languages that take and give the same.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .conftest import LIMIT_SECONDS, require_component

__all__ = ["JsCase", "JsError", "JsResult", "run_cases", "run_js", "run_js_cases"]

_SCRIPT = Path(__file__).parent / "js" / "drive.mjs"


@dataclass(frozen=True, slots=True, kw_only=True)
class JsCase:
    """One streamed answer to ask for.

    *call* is one of ``CALLS`` of the client's module, such as ``chat`` or its helper ``chat.stream``; *body* is merged
    over the request, where the module says so.
    """

    call: str
    base_url: str
    model: str = "test"
    body: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_seconds: float = LIMIT_SECONDS
    max_retries: int = 0

    def options(self) -> dict[str, object]:
        """As the script reads it."""
        return {
            "call": self.call,
            "baseURL": self.base_url,
            "model": self.model,
            "body": dict(self.body),
            "headers": dict(self.headers),
            "timeoutMs": round(self.timeout_seconds * 1000),
            "maxRetries": self.max_retries,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class JsError:
    """What the SDK threw; *names* are its class and what that descends from; *status* is None without HTTP answer."""

    names: list[str]
    message: str
    status: int | None
    code: str | None

    @property
    def name(self) -> str:
        """The name of the class itself."""
        return self.names[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class JsResult:
    """One stream as the SDK saw it: the text joined, the number of events yielded, the finish signal, the usage.

    *final* is the whole text as a helper has put it together, None for calls that are no helpers.
    """

    text: str
    events: int
    finish: str | None
    usage: dict[str, Any] | None
    final: str | None
    error: JsError | None


async def run_js(
    sdk: str,
    api: str,
    base_url: str,
    *,
    model: str = "test",
    body: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_seconds: float = LIMIT_SECONDS,
) -> JsResult:
    """Return what the client *sdk* made of one stream of *api* at *base_url*.

    Raises as `run_js_cases`.
    """
    case = JsCase(
        call=api,
        base_url=base_url,
        model=model,
        body=body or {},
        headers=headers or {},
        timeout_seconds=timeout_seconds,
    )
    return (await run_js_cases(sdk, [case]))[0]


async def run_js_cases(
    sdk: str, cases: Sequence[JsCase], *, concurrency: int = 8, limit_seconds: float | None = None
) -> list[JsResult]:
    """Return what the client *sdk*, a module of ``tests/js/clients``, made of *cases*, *concurrency* of them at a time.

    Raises as `run_cases`, whose *limit_seconds* is by default twice what the most patient case may take.
    """
    command = [require_component("node"), str(_SCRIPT), sdk]
    require_component("js-sdks")
    if limit_seconds is None:
        limit_seconds = 2 * max(case.timeout_seconds for case in cases)
    environment = {"CHROMIUM": require_component("chromium")} if sdk == "chromium" else {}
    return await run_cases(
        command, cases, concurrency=concurrency, limit_seconds=limit_seconds, environment=environment
    )


async def run_cases(
    command: Sequence[str],
    cases: Sequence[JsCase],
    *,
    concurrency: int,
    limit_seconds: float,
    environment: Mapping[str, str] | None = None,
) -> list[JsResult]:
    """What *command* prints of *cases*, in their order; *environment* is put over the test's own.

    Raises RuntimeError when the command itself failed, TimeoutError when all of it took longer than *limit_seconds*.
    """
    work = {"cases": [case.options() for case in cases], "concurrency": concurrency}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    try:
        async with asyncio.timeout(limit_seconds):
            out, err = await process.communicate(json.dumps(work).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        message = f"{Path(command[0]).name} exited with {process.returncode}: {err.decode(errors='replace')}"
        raise RuntimeError(message)
    return [_result(found) for found in json.loads(out)]


def _result(found: dict[str, Any]) -> JsResult:
    error = found.pop("error")
    return JsResult(**found, error=JsError(**error) if error else None)
