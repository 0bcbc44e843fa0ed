"""`sse-proxy demo` on a real terminal: streams are seen while they run and when they ended; it is left as it was."""

from __future__ import annotations

import http.client
import json
import signal
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import urlsplit

from .conftest import LIMIT_SECONDS
from .terminal import HIDE, SHOW, Terminal, screen_of


@contextmanager
def chat(url: str, query: str) -> Iterator[http.client.HTTPResponse]:
    """A streamed chat completion, once its head is there."""
    body = json.dumps({"model": "mock", "stream": True, "messages": [{"role": "user", "content": "Hello"}]})
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=LIMIT_SECONDS)) as connection:
        connection.request("POST", f"/v1/chat/completions?{query}", body, {"content-type": "application/json"})
        yield connection.getresponse()


def test_the_demo_shows_an_answer_while_it_comes_and_when_it_ended() -> None:
    """Then Ctrl-C: the open stream is ended, told of, exit code 0, and the terminal as it was."""
    with closing(Terminal("--drain-seconds", "0.1")) as demo:
        proxy = demo.until(r"proxy +(http://\S+)")[1]
        with chat(proxy, "prefill=0.5&tokens=5&rate=0&defect=single_newline") as response:
            assert b"data: [DONE]" in response.read()
        demo.until(r"● *openai_chat .* waiting ")
        demo.until(r"✓ *openai_chat .* ttft \d+\.\d+ s .*completed .*repaired .*single_newline \d")
        with chat(proxy, "stall_after=2"):
            demo.until(r"● *openai_chat .* silent \d")
            demo.interrupt()
            assert demo.end() == 0
    assert demo.written.count(HIDE) == demo.written.count(SHOW) == 2
    lines = screen_of(demo.written)
    assert [line.split()[-1] for line in lines if "✗" in line] == ["drained"]
    assert [line for line in lines if "●" in line] == []
    assert lines[-1] == ""


def test_a_second_signal_leaves_the_cursor_visible() -> None:
    """Though a stream is open, and the process ends there and then."""
    with closing(Terminal()) as demo:
        proxy = demo.until(r"proxy +(http://\S+)")[1]
        with chat(proxy, "stall_after=1"):
            demo.until(r"● ")
            demo.until("draining: ", start=demo.interrupt())
            demo.interrupt()
            assert demo.end() == 128 + signal.SIGINT
    assert demo.written.rindex(SHOW) > demo.written.rindex(HIDE)
    assert [line for line in screen_of(demo.written) if "●" in line] == []
