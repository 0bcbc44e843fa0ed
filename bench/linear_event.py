"""CPU time of one event that comes in reads of 4 KiB, by its size: linear when the last column stays level.

python bench/linear_event.py
"""

from __future__ import annotations

import time

from sse_proxy.core.dialects import StreamState, dialect_for
from sse_proxy.core.pipeline import Pipeline

_READ_BYTES = 4096
_MIB = 1 << 20
_ROUNDS = 5


def _seconds(mebibytes: int) -> float:
    """The best of some rounds."""
    stream = b'data: {"choices":[{"index":0,"delta":{"content":"' + b"x" * (mebibytes * _MIB) + b'"}}]}\n\n'
    reads = [stream[start : start + _READ_BYTES] for start in range(0, len(stream), _READ_BYTES)]
    best = float("inf")
    for _ in range(_ROUNDS):
        dialect = dialect_for("POST", "/v1/chat/completions")
        pipeline = Pipeline(dialect, state=StreamState(), max_event_bytes=64 * _MIB)
        started = time.process_time()
        sent = sum(len(pipeline.feed(read)) for read in reads)
        best = min(best, time.process_time() - started)
        if sent != len(stream) or pipeline.events != 1:
            raise RuntimeError("the event did not come through as it was")
    return best


def main() -> None:
    """Print the table."""
    print("| event | CPU ms | ms per MiB |")
    print("|---|---|---|")
    for mebibytes in (1, 2, 4, 8, 16):
        seconds = _seconds(mebibytes)
        print(f"| {mebibytes} MiB | {seconds * 1e3:.1f} | {seconds * 1e3 / mebibytes:.2f} |")


if __name__ == "__main__":
    main()
