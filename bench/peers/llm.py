"""The proxies made for LLM servers, one upstream behind each."""

from __future__ import annotations

from .base import OPENAI, Ground, Launch, Peer, binary, venv_version

__all__ = ["LITELLM", "SGLANG_ROUTER", "VLLM_ROUTER"]

_LITELLM = binary("litellm", "litellm")
_VLLM_ROUTER = binary("routers", "vllm-router")
_SGLANG_ROUTER = binary("routers", "sglang-router")

_LITELLM_CONFIG = """
model_list:
- model_name: bench
  litellm_params: {{model: openai/bench, api_base: "http://{upstream}/v1", api_key: none}}
general_settings: {{dangerously_permit_weak_or_unset_master_key: true}}
"""


def _litellm(ground: Ground) -> Launch:
    config = ground.write("litellm.yaml", _LITELLM_CONFIG.format(upstream=ground.upstream))
    at = ("--host", "127.0.0.1", "--port", str(ground.port))
    return Launch(
        arguments=(str(_LITELLM), "--config", config, *at, "--telemetry", "False"),
        # It would fetch its price list otherwise.
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
    )


def _router(ground: Ground) -> tuple[str, ...]:
    return (
        *("--worker-urls", f"http://{ground.upstream}", "--policy", "round_robin"),
        *("--host", "127.0.0.1", "--port", str(ground.port)),
        *("--prometheus-host", "127.0.0.1", "--prometheus-port", str(ground.admin_port)),
    )


def _vllm_router(ground: Ground) -> Launch:
    return Launch(arguments=(str(_VLLM_ROUTER), *_router(ground)))


def _sglang_router(ground: Ground) -> Launch:
    return Launch(arguments=(str(_SGLANG_ROUTER), "launch", *_router(ground)))


LITELLM = Peer(
    name="litellm",
    title="LiteLLM proxy",
    needs=_LITELLM,
    launch=_litellm,
    version=venv_version(binary("litellm", "python"), "litellm"),
    paths=OPENAI,
    ready_path="/health/liveliness",
)
VLLM_ROUTER = Peer(
    name="vllm-router",
    title="vllm-router",
    needs=_VLLM_ROUTER,
    launch=_vllm_router,
    version=venv_version(binary("routers", "python"), "vllm-router"),
    paths=OPENAI,
)
SGLANG_ROUTER = Peer(
    name="sglang-router",
    title="sglang-router",
    needs=_SGLANG_ROUTER,
    launch=_sglang_router,
    version=venv_version(binary("routers", "python"), "sglang-router"),
    paths=OPENAI,
)
