"""What `helm test` runs in the proxy's image: asks for a stream as a client would.

Exit code 0 when it got events and none of them tells of an error; else 1 and one line that says what was wrong. Needs
Python's standard library only.
"""

import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from typing import Any


def ask(path: str, body: dict[str, Any] | None = None) -> Any:
    """The response to a GET of *path*, or to a POST of *body*."""
    headers = {"Accept": "text/event-stream" if body else "application/json", "Content-Type": "application/json"}
    # A token that is kept as a hash cannot be sent.
    tokens = [line for line in os.environ.get("TOKENS", "").split() if not line.startswith("sha256:")]
    if tokens:
        headers["Authorization"] = f"Bearer {tokens[0]}"
    data = json.dumps(body).encode() if body else None
    request = urllib.request.Request(os.environ["URL"] + path, data, headers)  # noqa: S310 -- the chart's own URL
    # The certificate is for the name that clients use, not for the Service's.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    timeout = float(os.environ["TIMEOUT_SECONDS"])
    return urllib.request.urlopen(request, timeout=timeout, context=context)  # noqa: S310


def first_model() -> str:
    """The first of the models that the upstream tells."""
    with ask("/v1/models") as response:
        return str(json.load(response)["data"][0]["id"])


def main() -> None:
    """Ask, and exit with 0 or a reason."""
    model = os.environ["MODEL"] or first_model()
    messages = [{"role": "user", "content": "Count to five."}]
    body = {"model": model, "stream": True, "max_tokens": 32, "messages": messages}
    with ask(os.environ["STREAM_PATH"], body) as response:
        kind = response.headers.get_content_type()
        if kind != "text/event-stream":
            sys.exit(f"no stream: content type {kind}")
        events = [line[6:].strip() for line in response if line.startswith(b"data: ")]
    failed = [event for event in events if event.startswith(b'{"error"')]
    if not events or failed:
        sys.exit(f"the stream failed: {failed[0].decode() if failed else 'no event'}")
    print(f"{len(events)} events of {model}, last one {events[-1].decode()[:200]}")  # noqa: T201 -- helm test --logs


try:
    main()
except urllib.error.HTTPError as error:
    sys.exit(f"status {error.code}: {error.read(1000).decode(errors='replace')}")
except (OSError, ValueError, LookupError) as error:
    sys.exit(f"{type(error).__name__}: {error}")
