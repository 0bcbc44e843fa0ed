"""A client as a process of its own, to be ended or stopped: ``python -m tests.faults.client_process PORT``.

It sends what it gets on stdin, and reads for as long as it lives.
"""

from __future__ import annotations

import socket
import sys

__all__: list[str] = []

#: Small, so that it is felt early that nobody reads.
_RECEIVE_BUFFER_BYTES = 4096


def _main(port: int) -> None:
    with socket.socket() as handle:
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        handle.connect(("127.0.0.1", port))
        handle.sendall(sys.stdin.buffer.read())
        while data := handle.recv(4096):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    _main(int(sys.argv[1]))
