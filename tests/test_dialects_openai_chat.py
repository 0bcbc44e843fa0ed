"""`core.dialects.openai_chat`: chat completions and legacy completions."""

from __future__ import annotations

import json

import pytest

from sse_proxy.core.dialects import Dialect, Sign, StreamState
from sse_proxy.core.dialects.openai_chat import CHAT, COMPLETIONS, DONE
from sse_proxy.core.sse import Event
from sse_proxy.errors import ConnectTimeout, Truncated

from .dialect_streams import drained, pipeline

ERROR = (
    b'{"error":{"message":"connecting to the upstream took too long","type":"timeout_error","param":null,'
    b'"code":"connect_timeout"}}'
)


def chunk(*choices: tuple[int, str | None], **more: object) -> bytes:
    """One event with an (index, finish_reason) for each of *choices*."""
    listed: list[object] = [{"index": index, "delta": {}, "finish_reason": reason} for index, reason in choices]
    return b"data: " + json.dumps({"choices": listed, **more}).encode() + b"\n\n"


@pytest.mark.parametrize("row", [CHAT, COMPLETIONS])
def test_error_before_the_response_is_openai_s(row: object) -> None:
    """The REST API's error object, its first key literally ``"error"`` with no space after it (formats.md § B4)."""
    assert row in (CHAT, COMPLETIONS)
    assert CHAT.error_body(ConnectTimeout()) == COMPLETIONS.error_body(ConnectTimeout()) == ERROR


def test_error_frame_is_unnamed_and_ended_by_done() -> None:
    """An unnamed event, then ``[DONE]``."""
    assert CHAT.error_frame(ConnectTimeout(), StreamState()) == b"data: " + ERROR + b"\n\ndata: [DONE]\n\n"


def test_error_frame_for_clients_that_look_at_names() -> None:
    """LangChain4j raises only on ``event: error``: it gets the frame twice."""
    frame = CHAT.error_frame(ConnectTimeout(), StreamState(wants_named_errors=True))
    assert frame == b"data: " + ERROR + b"\n\nevent: error\ndata: " + ERROR + b"\n\n" + DONE


@pytest.mark.parametrize(
    ("chunks", "choices", "finished"),
    [
        ([chunk((0, None))], 1, False),
        ([chunk((0, None)), chunk((0, "stop"))], 1, True),
        ([chunk((0, ""))], 1, False),
        ([chunk((0, "stop"))], 2, False),
        ([chunk((0, "stop"), (1, "length"))], 2, True),
        ([chunk((0, "stop")), chunk((1, None)), chunk((1, "stop"))], 2, True),
        ([chunk((0, None)), chunk((1, None)), chunk((0, "stop"))], 0, False),
        ([chunk((0, None)), chunk((1, None)), chunk((0, "stop")), chunk((1, "stop"))], 0, True),
        ([chunk()], 0, False),
        ([b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'], 1, True),
        ([b'data: {"choices":[null,{"index":"0","finish_reason":"stop"}]}\n\n'], 1, False),
        ([b'data: {"choices":"none","error":""}\n\n'], 1, False),
    ],
)
def test_finish_is_one_reason_for_each_answer_asked_for(chunks: list[bytes], choices: int, finished: bool) -> None:
    """With ``n`` unknown (0) it is one for each answer that has begun."""
    of_body = pipeline("openai_chat", choices=choices)
    for part in chunks:
        of_body.feed(part)
    assert of_body.state.finished is finished
    assert of_body.over is finished
    assert of_body.state.complete is finished


def test_done_alone_completes_and_is_not_doubled() -> None:
    """``[DONE]`` is a terminal signal, though no finish reason was seen."""
    output, of_body = drained("openai_chat", chunk((0, None)) + DONE)
    assert of_body.conclude() == b""
    assert output.count(DONE) == 1


def test_neither_finish_nor_done_is_truncated() -> None:
    """``[DONE]`` is never made up for an answer that was cut (DESIGN fact 3)."""
    _, of_body = drained("openai_chat", chunk((0, None)))
    with pytest.raises(Truncated):
        of_body.conclude()


def test_error_of_the_upstream_is_ended_by_done() -> None:
    """The error event goes on as it came, ``[DONE]`` follows once, and the answer is not complete."""
    event = b'data: {"error":{"message":"no","code":429}}\n\n'
    for tail in (b"", DONE):
        output, of_body = drained("openai_chat", chunk((0, "stop")), event + tail)
        assert output + of_body.conclude() == chunk((0, "stop")) + event + DONE
        assert of_body.over
        assert not of_body.state.complete
        assert of_body.state.error is not None
        assert of_body.state.error.http_status == 429


def test_error_without_its_envelope_is_an_error() -> None:
    """Old vLLM sent the bare object."""
    of_body = drained("openai_chat", b'data: {"object":"error","message":"no","code":400}\n\n')[1]
    assert of_body.began_with_error
    assert of_body.state.error is not None
    assert (str(of_body.state.error), of_body.state.error.http_status) == ("no", 400)


@pytest.mark.parametrize("nothing", ["null", '""', "{}", "false"])
def test_an_empty_error_is_none(nothing: str) -> None:
    """Some servers send the key with nothing in it on every event."""
    assert drained("openai_chat", b'data: {"error":' + nothing.encode() + b"}\n\n")[1].state.error is None


def test_usage_is_that_of_the_last_event_that_has_one() -> None:
    """Some servers count on with every event."""
    body = chunk((0, None), usage={"prompt_tokens": 5, "completion_tokens": 1}) + chunk(
        (0, "stop"),
        usage={
            "prompt_tokens": 5,
            "completion_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
    )
    state = drained("openai_chat", body + chunk(usage=None) + DONE)[1].state
    assert state.usage == {"input": 5, "output": 9, "cached_input": 2, "reasoning_output": 4}


def test_noop_looks_like_a_sibling_of_the_first_event() -> None:
    """A delta without content (formats.md § 0, rule 6), with the identity of the stream."""
    state = drained("openai_chat", chunk((0, None), id="c1", created=7, model="m", other=1), chunk(id="c2"))[1].state
    assert CHAT.noop(state) == (
        b'data: {"object":"chat.completion.chunk","id":"c1","created":7,"model":"m",'
        b'"choices":[{"index":0,"delta":{},"finish_reason":null}]}\n\n'
    )


def test_noop_before_the_first_event() -> None:
    """Before anything is known the identity is a placeholder."""
    assert CHAT.noop(StreamState()) == (
        b'data: {"object":"chat.completion.chunk","id":"chatcmpl-keepalive","created":0,"model":"",'
        b'"choices":[{"index":0,"delta":{},"finish_reason":null}]}\n\n'
    )
    assert COMPLETIONS.noop(StreamState()) == (
        b'data: {"object":"text_completion","id":"cmpl-keepalive","created":0,"model":"",'
        b'"choices":[{"index":0,"text":"","logprobs":null,"finish_reason":null}]}\n\n'
    )


def test_an_error_keeps_its_event() -> None:
    """What the upstream has said may be told on as it came."""
    payload = b'{"error":{"message":"no"}}'
    error = drained("openai_chat", b"data: " + payload + b"\n\n")[1].state.error
    assert error is not None
    assert error.body == payload


def test_the_usage_may_be_groq_s() -> None:
    """Beside the choices, in a place of its own; the usual place comes first."""
    own = {"x_groq": {"usage": {"prompt_tokens": 5}}}
    assert drained("openai_chat", chunk((0, None), **own))[1].state.usage == {"input": 5}
    both = {**own, "usage": {"prompt_tokens": 7}}
    assert drained("openai_chat", chunk((0, None), **both))[1].state.usage == {"input": 7}
    assert drained("openai_chat", chunk((0, None), x_groq="?"))[1].state.usage == {}


@pytest.mark.parametrize(
    ("path", "document", "claims"),
    [
        ("/v1/completions", None, True),
        ("/v1/completions", {"prompt": "p"}, True),
        ("/openai/deployments/d/completions", {"prompt": "p"}, True),
        ("/beta/completions", {"model": "m"}, True),
        ("/completions", {"prompt": "p"}, False),
        ("/completions", None, False),
    ],
)
def test_legacy_completions_name_a_version_a_deployment_or_a_model(
    path: str, document: dict[str, object] | None, claims: bool
) -> None:
    """Without any of these it is llama.cpp's own path."""
    assert COMPLETIONS.claims(Sign(path=path, document=document)) is claims


@pytest.mark.parametrize("row", [CHAT, COMPLETIONS], ids=lambda row: row.name)
def test_a_named_ping_is_swallowed(row: Dialect) -> None:
    """Not of this API, but the SDKs would take its data for a chunk."""
    assert row.is_ping(Event(event=b"ping", data=b"{}"))
    assert not row.is_ping(Event(data=b"ping"))


def test_no_op_of_legacy_completions_has_the_identity_too() -> None:
    """As of chat."""
    assert COMPLETIONS.noop(StreamState(identity={"id": "c1", "created": 7, "model": "m"})) == (
        b'data: {"object":"text_completion","id":"c1","created":7,"model":"m",'
        b'"choices":[{"index":0,"text":"","logprobs":null,"finish_reason":null}]}\n\n'
    )


@pytest.mark.parametrize("index", [-1, 1024, 1 << 40])
def test_answers_beyond_reason_are_not_counted(index: int) -> None:
    """Something is kept of each."""
    of_body = pipeline("openai_chat", choices=0)
    of_body.feed(chunk((index, "stop")))
    assert (of_body.state.seen_choices, of_body.state.finished_choices) == (set(), set())
    of_body.feed(chunk((1023, "stop")))
    assert of_body.state.finished_choices == {1023}
