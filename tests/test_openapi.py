"""The admin port and the reserved paths are as docs/*-openapi.yaml say: schemathesis asks, of a real process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import yaml

from .process import serving
from .streaming import GENEROUS_SECONDS

_DOCS = Path(__file__).resolve().parent.parent / "docs"
_ADMIN, _RESERVED = _DOCS / "admin-openapi.yaml", _DOCS / "reserved-openapi.yaml"
#: By what `schemathesis` judges. Not by "no 5xx": a probe's 503 is documented, and no other status of that kind is.
_CHECKS = (
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
)


async def _asked(document: Path, port: int, folder: Path, *arguments: str) -> None:
    """Let schemathesis ask for all that *document* tells of; what it keeps, it keeps in *folder*."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", str(document), "--url", f"http://127.0.0.1:{port}"),
        *("--generation-deterministic", "--max-examples", "3", "--no-color"),
        *("--phases", "coverage,fuzzing", "--checks", ",".join(_CHECKS), *arguments),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(5 * GENEROUS_SECONDS):
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert f"Tested: {_operations(document)}" in output.decode(), output.decode()


def _operations(document: Path) -> int:
    paths = yaml.safe_load(document.read_text())["paths"]
    return sum(name in {"get", "delete", "trace"} for path in paths.values() for name in path)


async def test_the_admin_port_and_the_reserved_paths_answer_as_documented(tmp_path: Path) -> None:
    """Statuses, bodies and headers, whatever is asked; 405 for methods that are not theirs."""
    flags = ("--drain-delay-seconds", "0", "--resume", "memory")
    async with serving(9, *flags) as process:
        await _asked(_RESERVED, process.port, tmp_path)
        await _asked(_ADMIN, process.admin_port, tmp_path)


async def test_a_guarded_admin_port_answers_as_documented(tmp_path: Path) -> None:
    """401 where a token is asked for and there is none that is known; the rest is open."""
    file = tmp_path / "tokens"
    file.write_text("t0ken-of-the-admin-port")
    async with serving(9, "--drain-delay-seconds", "0", "--admin-token-file", str(file)) as process:
        await _asked(_ADMIN, process.admin_port, tmp_path, "--header", "Authorization: Bearer another")
        for path in ("/-/drain", "/-/undrain", "/-/streams"):
            status, _ = await process.admin(path)
            assert status == 401
