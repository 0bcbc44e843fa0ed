"""`cli.asking`: the options of a request mean what they mean to curl, and an API's name makes the whole of it."""

from __future__ import annotations

import json
import ssl
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from sse_proxy.cli.asking import DEFAULT_PROMPT, Asked, asking_options
from sse_proxy.core.dialects import dialect_for


def asked(*arguments: str, stdin: str = "") -> Asked:
    """Return the request that *arguments* make."""
    made: list[Asked] = []

    @click.command()
    @asking_options
    def command(asked: Asked) -> None:
        made.append(asked)

    result = CliRunner().invoke(command, arguments, input=stdin, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return made[0]


def refusal(*arguments: str) -> str:
    """Return what is wrong with *arguments*."""
    with pytest.raises(click.UsageError) as refused:
        asked(*arguments)
    return refused.value.format_message()


def test_a_bare_url_is_asked_for_an_event_stream() -> None:
    """Nothing but what says so, and who asks."""
    request = asked("http://h/events")
    assert (request.method, request.url, request.body) == ("GET", "http://h/events", b"")
    assert [name for name, _value in request.headers] == ["Accept", "User-Agent"]
    assert str(request.header("accept")).startswith("text/event-stream")


@pytest.mark.parametrize(
    "given, expected",
    [
        ("h:8000/a?b=c", "http://h:8000/a?b=c"),
        ("https://h#fragment", "https://h"),
        ("[::1]:7070/x", "http://[::1]:7070/x"),
        ("h/?to=http://elsewhere", "http://h/?to=http://elsewhere"),
    ],
)
def test_a_url_may_leave_out_the_scheme(given: str, expected: str) -> None:
    """As with curl: then it is http."""
    assert asked(given).url == asked(given).base_url == expected


@pytest.mark.parametrize(
    "flag, name", [("--openai", "openai_chat"), ("--anthropic", "anthropic"), ("--ollama", "ollama")]
)
def test_an_api_makes_a_request_that_the_proxy_knows(flag: str, name: str) -> None:
    """A stream of that API, of that model, with a prompt that has a long answer."""
    request = asked("http://h", flag, "m")
    document: dict[str, Any] = json.loads(request.body)
    path = request.url.removeprefix("http://h")
    assert dialect_for("POST", path, document=document).name == name
    assert (request.method, document["model"], document["stream"]) == ("POST", "m", True)
    assert document["messages"] == [{"role": "user", "content": DEFAULT_PROMPT}]
    assert request.header("content-type") == "application/json"
    assert request.base_url == "http://h"


def test_anthropic_gets_what_it_insists_on() -> None:
    """A version, and a limit on the answer."""
    request = asked("http://h", "--anthropic", "m", "--prompt", "Hello")
    assert request.header("anthropic-version")
    assert json.loads(request.body)["max_tokens"] > 0
    assert json.loads(request.body)["messages"][0]["content"] == "Hello"


@pytest.mark.parametrize(
    "given, expected",
    [
        ("http://h/", "http://h/v1/chat/completions"),
        ("http://h/v1", "http://h/v1/chat/completions"),
        ("http://h/api/v1/?k=v", "http://h/api/v1/chat/completions?k=v"),
        (
            "http://h/deployments/d/chat/completions?api-version=1",
            "http://h/deployments/d/chat/completions?api-version=1",
        ),
    ],
)
def test_an_api_completes_only_a_url_that_has_no_path_of_its_own(given: str, expected: str) -> None:
    """What ends in ``/v1`` is a base URL, as SDKs have them; anything else is meant as it is."""
    assert asked(given, "--openai", "m").url == expected


def test_data_makes_a_post_of_json() -> None:
    """Since what is asked are APIs of JSON; the method and the type may still be others."""
    request = asked("h", "-d", "{}")
    assert (request.method, request.body, request.header("content-type")) == ("POST", b"{}", "application/json")
    request = asked("h", "-X", "put", "-d", "a=b", "-H", "content-type: text/plain")
    assert (request.method, request.header("Content-Type")) == ("PUT", "text/plain")


def test_data_and_headers_may_be_in_files(tmp_path: Path) -> None:
    """A file of headers keeps a key out of the list of processes; blank lines and CRLF do no harm."""
    body, headers = tmp_path / "body", tmp_path / "headers"
    body.write_bytes(b"\x00\xff{}\n")
    headers.write_bytes(b"Authorization: Bearer k\r\n\r\nX-Two: 2\n")
    request = asked("h", "-d", f"@{body}", "-H", f"@{headers}", "-H", "X-Three: 3")
    assert request.body == b"\x00\xff{}\n"
    assert request.headers[:3] == (("Authorization", "Bearer k"), ("X-Two", "2"), ("X-Three", "3"))
    assert asked("h", "-d", "@-", stdin="from stdin").body == b"from stdin"


def test_a_header_of_the_user_goes_before_ours() -> None:
    """And one without a value takes ours away."""
    request = asked("h", "-H", "User-Agent: mine", "-H", "Accept:")
    assert request.headers == (("User-Agent", "mine"),)


def test_user_and_password_of_a_url_become_a_header() -> None:
    """They are not in the URL that is asked, nor in what is shown of it."""
    request = asked("https://us%40er:p@h/x")
    assert request.url == "https://h/x"
    assert request.header("authorization") == "Basic dXNAZXI6cA=="


def test_a_header_can_be_replaced() -> None:
    """Whatever its case; without one it is added."""
    request = asked("h", "-H", "ACCEPT: a").with_header("Accept", "b").with_header("Last-Event-ID", "7")
    assert [value for name, value in request.headers if name.lower() == "accept"] == ["b"]
    assert request.header("last-event-id") == "7"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["ftp://u:secret@h"], "url: got 'ftp://***@h', expected http://HOST[:PORT][/PATH], or https://"),
        (["h:port"], "url: got 'http://h:port', expected "),
        (["h:0"], "url: got "),
        (["http://"], "url: got "),
        (["http://[::1"], "url: got "),
        (["http://h/a b"], "url: got "),
        (["h", "--openai", "a", "--ollama", "b"], "--openai and --ollama are two requests, expected one"),
        (["h", "--openai", "a", "-d", "{}"], "--openai makes the request, expected neither -X nor -d with it"),
        (["h", "--ollama", "a", "-X", "GET"], "--ollama makes the request, expected neither -X nor -d with it"),
        (["h", "--prompt", "x"], "--prompt goes with --openai, --anthropic or --ollama"),
        (["h", "-X", "GE T"], "-X: got 'GE T', expected a method such as POST"),
        (["h", "-d", "@/none"], "-d: got @/none, expected a readable file: No such file or directory"),
        (["h", "-H", "@/none"], "-H: got @/none, expected a readable file: No such file or directory"),
    ],
)
def test_a_mistake_names_what_is_accepted(arguments: list[str], message: str) -> None:
    """And never shows a password."""
    assert refusal(*arguments).startswith(message)


@pytest.mark.parametrize(
    "given", ["Authorization Bearer secret", ": secret", "A b: secret", "A: \x1bsecret", "A: sécret"]
)
def test_a_malformed_header_is_not_shown(given: str) -> None:
    """It may be a secret."""
    assert refusal("h", "-H", given) == "-H: expected 'Name: value', in ASCII and on one line"


def test_tls_is_verified_unless_told_otherwise(tmp_path: Path) -> None:
    """Plain HTTP needs none; a file that holds no certificates is a mistake."""
    assert asked("http://h").ssl_context() is None
    verifying, lax = asked("https://h").ssl_context(), asked("https://h", "-k").ssl_context()
    assert verifying is not None
    assert lax is not None
    assert (verifying.verify_mode, verifying.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (lax.verify_mode, lax.check_hostname) == (ssl.CERT_NONE, False)
    empty = tmp_path / "ca.pem"
    empty.write_text("none")
    with pytest.raises(click.UsageError, match=r"--cacert: got .*, expected a PEM file with certificates"):
        asked("https://h", "--cacert", str(empty)).ssl_context()
