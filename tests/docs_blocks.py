"""The blocks of code in the project's Markdown, and the ONE table of those that are not run where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ELSEWHERE", "LANGUAGES", "PROJECT", "Block", "blocks", "pages"]

PROJECT = Path(__file__).resolve().parent.parent

#: What can be run; other languages are configuration, or output.
LANGUAGES = ("console", "html", "js", "python", "sh", "tsx")

_FENCE = re.compile(r"^(?P<fence>`{3,})(?P<language>\w*)\n(?P<code>.*?)^(?P=fence)\s*$", re.DOTALL | re.MULTILINE)

#: Page, beginning of the block → why it is not run here. A path: the block is that file, which the tests named run.
ELSEWHERE: dict[tuple[str, str], str] = {
    ("CONTRIBUTING.md", "make test"): "these are the checks themselves, and programs that measure for minutes",
    ("docs/container.md", "docker build -t sse-proxy ."): "needs Docker; `make image-shows` builds and runs the image",
    ("docs/container.md", "docker build -t sse-proxy --build-arg"): "needs Docker, and a registry",
    ("docs/container.md", "docker compose up"): "needs Docker; test_container_compose runs each service's command",
    ("docs/container.md", "cosign verify"): "needs a published image; none is published yet",
    ("docs/container.md", "pip install --require-hashes"): "fetches 30 packages; test_container_lock judges the lock",
    (
        "docs/doctor.md",
        "sse-proxy doctor https://llm.example",
    ): "example hosts; test_doctor_chains asks real chains",
    ("docs/frontends.md", "// One answer through the browser"): "examples/frontend/eventSource.js: test_frontends",
    ("docs/frontends.md", "// One answer through fetch"): "examples/frontend/fetchStream.js: test_frontends",
    ("docs/frontends.md", "// React and EventSource"): "examples/frontend/useStreamingChat.tsx: test_frontends",
    ("docs/middleware.md", "SSE_PROXY_HEARTBEAT_SECONDS=15 vllm"): "needs a GPU; test_middleware_install loads by name",
    (
        "docs/nginx.md",
        "cp -r nginx /etc/nginx/sse-proxy",
    ): "writes to /etc; test_nginx_site runs these files",
    ("docs/resume.md", "sse-proxy serve --upstream http://127.0.0.1:8000 --resume redis"): (
        "needs a Redis of that name; test_resume_replicas has one"
    ),
    (
        "docs/resume.md",
        "curl -N http://127.0.0.1:7070/-/sse-proxy/streams/",
    ): "an example id; test_resume_process",
    ("docs/resume.md", "// One answer through the browser"): "examples/resume/eventSource.js: test_resume_browser",
    ("docs/resume.md", "// One answer through fetch"): "examples/resume/fetchStream.js: test_resume_browser",
    ("docs/runbooks/SSEProxyAbsent.md", "kubectl get podmonitor"): "needs a cluster",
    ("docs/runbooks/SSEProxyDown.md", "kubectl -n NAMESPACE get pod"): "needs a cluster",
    ("docs/runbooks/SSEProxyEventLoopLagHigh.md", "kubectl -n NAMESPACE exec"): "needs a cluster",
    ("docs/runbooks/SSEProxyFileDescriptorsNearLimit.md", "kubectl -n NAMESPACE exec"): "needs a cluster",
    ("docs/runbooks/SSEProxyReplayStoreErrors.md", "kubectl -n NAMESPACE logs"): "needs a cluster",
    ("docs/runbooks/SSEProxyStreamFailureBudgetBurn.md", "kubectl -n NAMESPACE logs"): "needs a cluster",
    ("docs/runbooks/SSEProxyStreamsStalled.md", "curl -s"): "needs streams that stall, and jq; test_admin has the list",
    ("docs/runbooks/SSEProxyTimeToFirstEventHigh.md", "curl -s"): "needs slow streams, and jq; test_admin has the list",
    ("docs/runbooks/SSEProxyStreamsStalled.md", "kubectl -n NAMESPACE exec"): "needs a cluster",
    ("docs/runbooks/SSEProxyUpstreamTruncations.md", "kubectl -n NAMESPACE get pod"): "needs a cluster",
    ("docs/soak.md", "make soak"): "hours; test_bench_soak_runs has a short one",
    ("docs/tail.md", "$ sse-proxy tail"): "the stream of a server that misbehaves; test_cli_tail_views has such lines",
    ("docs/tail.md", "$ sse-proxy top"): "never ends by itself; test_cli_top_table has such a table",
    ("docs/tracing.md", "pip install 'sse-proxy[otel]'"): "not published yet; test_tracing_export has a collector",
    ("docs/troubleshooting.md", "sse-proxy doctor https://llm.example"): "example hosts; as in docs/doctor.md",
    ("docs/tutorial.md", "<!doctype html>"): "examples/tutorial/index.html: test_docs_commands, in Chromium",
    ("helm/sse-proxy/README.md", "helm install proxy"): "needs a cluster; test_helm_charts renders the chart",
}


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    language: str
    code: str

    @property
    def elsewhere(self) -> str | None:
        """Why it is not run here, from the table; None: it is."""
        found = [why for (page, start), why in ELSEWHERE.items() if page == self.page and self.code.startswith(start)]
        return found[0] if found else None


def pages() -> list[str]:
    """Every Markdown page for people, by its path in the project."""
    paths = [
        *PROJECT.glob("*.md"),
        *(PROJECT / "docs").rglob("*.md"),
        *(path for path in (PROJECT / "helm").glob("*/README.md")),
    ]
    return sorted(path.relative_to(PROJECT).as_posix() for path in paths)


def blocks(page: str) -> Iterator[Block]:
    """The blocks of *page* that could be run, in order."""
    text = (PROJECT / page).read_text()
    for found in _FENCE.finditer(text):
        if found["language"] in LANGUAGES:
            yield Block(page, text.count("\n", 0, found.start()) + 1, found["language"], found["code"])
