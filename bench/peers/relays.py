"""The relays that people write by hand in Python (`relay_app`), on uvicorn with uvloop and httptools."""

from __future__ import annotations

from pathlib import Path

from .base import OPENAI_AND_ANTHROPIC, Ground, Launch, Peer, binary, venv_version

__all__ = ["HTTPX_RELAY", "SSE_STARLETTE_RELAY"]

_PYTHON = binary("relays", "python")
_APP_DIRECTORY = Path(__file__).parent


def _launch(app: str, ground: Ground) -> Launch:
    return Launch(
        arguments=(
            *(str(_PYTHON), "-m", "uvicorn", f"relay_app:{app}", "--app-dir", str(_APP_DIRECTORY)),
            *("--host", "127.0.0.1", "--port", str(ground.port), "--log-level", "warning", "--no-access-log"),
        ),
        environment={"RELAY_UPSTREAM": f"http://{ground.upstream}", "PYTHONDONTWRITEBYTECODE": "1"},
    )


HTTPX_RELAY = Peer(
    name="httpx-relay",
    title="hand-written relay (httpx, StreamingResponse)",
    needs=_PYTHON,
    launch=lambda ground: _launch("streaming", ground),
    version=venv_version(_PYTHON, "httpx"),
    paths=OPENAI_AND_ANTHROPIC,
)
SSE_STARLETTE_RELAY = Peer(
    name="sse-starlette-relay",
    title="hand-written relay (httpx, sse-starlette's EventSourceResponse)",
    needs=_PYTHON,
    launch=lambda ground: _launch("events", ground),
    version=venv_version(_PYTHON, "sse-starlette"),
    paths=OPENAI_AND_ANTHROPIC,
)
