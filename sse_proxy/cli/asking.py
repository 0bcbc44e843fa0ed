"""What a command asks a URL for: the options ``-X -H -d --openai --anthropic --ollama``, as one request.

Nothing is sent here, and the environment is not read, so that no key leaves for a URL unless its user has written it
there. ``-H @FILE`` keeps a key out of the list of processes.

An API's name completes the URL: without a path, or with one that ends in ``/v1``, the API's own path is added; any
other path stays as it is.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import ssl
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import click

from ..settings import mask
from ..version import version

__all__ = ["DEFAULT_PROMPT", "Asked", "asking_options"]

#: An answer of many small events that takes a few seconds on any model.
DEFAULT_PROMPT = "Count from 1 to 40, one number a line, and write nothing else."
#: Anthropic's API has no default; more than the prompt above needs.
_MAX_TOKENS = 1024

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 § 5.6.2

_Callback = Callable[..., Any]
_Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, ready to be sent by whatever client; Host and Content-Length are the client's."""

    #: Upper case.
    method: str
    #: Absolute, ``http`` or ``https``, with neither user nor fragment.
    url: str
    #: In the order given, the user's own before ours; no name twice unless the user gave it twice.
    headers: _Headers
    body: bytes
    #: The URL as the user gave it: without the path of an API that its options have added.
    base_url: str
    #: Take any certificate.
    insecure: bool = False
    #: Authorities to trust in place of the system's; None for those.
    ca_file: Path | None = None

    def header(self, name: str) -> str | None:
        """The first value of the header *name*, in any case; None without one."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def with_header(self, name: str, value: str) -> Asked:
        """This request, with the header in place of all by that *name*."""
        others = tuple(pair for pair in self.headers if pair[0].lower() != name.lower())
        return replace(self, headers=(*others, (name, value)))

    def ssl_context(self) -> ssl.SSLContext | None:
        """What TLS is made with, HTTP/1.1 only; None for ``http``.

        Raises:
            click.UsageError: ``ca_file`` holds no certificates.
        """
        if not self.url.startswith("https:"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except ssl.SSLError as error:
            raise click.UsageError(f"--cacert: got {self.ca_file}, expected a PEM file with certificates") from error
        context.set_alpn_protocols(["http/1.1"])
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class _API:
    """How a chat completion is asked of an API."""

    #: Added to a URL without one; what is before the last ``/v1`` goes where the URL ends in that.
    path: str
    headers: _Headers = ()
    #: Fields of the body besides model, messages and stream.
    fields: tuple[tuple[str, object], ...] = ()


_APIS = {
    "openai": _API(path="/v1/chat/completions"),
    "anthropic": _API(
        path="/v1/messages", headers=(("anthropic-version", "2023-06-01"),), fields=(("max_tokens", _MAX_TOKENS),)
    ),
    "ollama": _API(path="/api/chat"),
}

#: By the parameter that each one sets.
_OPTIONS = {
    "url": click.argument("url"),
    "openai": click.option(
        "--openai", metavar="MODEL", help="Ask for a chat completion of OpenAI's API, with the path where URL has none."
    ),
    "anthropic": click.option("--anthropic", metavar="MODEL", help="The same of Anthropic's API."),
    "ollama": click.option("--ollama", metavar="MODEL", help="The same of Ollama's own API."),
    "prompt": click.option("--prompt", metavar="TEXT", help="What to ask the model; without it, to count to 40."),
    "method": click.option("-X", "--request", "method", metavar="METHOD", help="The method; else GET, POST with -d."),
    "lines": click.option(
        *("-H", "--header", "lines"),
        metavar="'NAME: VALUE'",
        multiple=True,
        help="A header, several times if need be; @FILE has one a line, 'NAME:' takes one of ours away.",
    ),
    "data": click.option("-d", "--data", metavar="BODY", help="The body; @FILE reads a file, @- standard input."),
    "insecure": click.option("-k", "--insecure", is_flag=True, help="Take any TLS certificate."),
    "cacert": click.option(
        "--cacert",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Authorities (PEM) to trust in place of the system's.",
    ),
}


def asking_options(callback: _Callback) -> _Callback:
    """A decorator that adds the argument ``URL`` and the options, and calls with one argument for all, ``asked``."""

    @functools.wraps(callback)
    def asking(**given: Any) -> Any:
        return callback(asked=_asked({name: given.pop(name) for name in _OPTIONS}), **given)

    decorated: _Callback = asking
    for option in reversed(_OPTIONS.values()):
        decorated = option(decorated)
    return decorated


def _asked(given: Mapping[str, Any]) -> Asked:
    """The request that the options mean.

    Raises:
        click.UsageError: they contradict each other, or one is malformed.
    """
    base, defaults = _address(given["url"])
    apis = [name for name in _APIS if given[name] is not None]
    _check_combination(apis, given)
    data, target = given["data"], base
    body = _text(data or "", "-d").encode(errors="surrogateescape")
    if apis:
        api = _APIS[apis[0]]
        target, body = _completed(base, api.path), _chat(api, given[apis[0]], given["prompt"] or DEFAULT_PROMPT)
        defaults += api.headers
    posts = bool(apis) or data is not None
    if posts:
        defaults += (("Content-Type", "application/json"),)
    # Of a GET the answer wanted is a stream; an API that is asked in its body shall answer in its own framing.
    defaults += (
        ("Accept", "*/*" if posts else "text/event-stream, */*;q=0.5"),
        ("User-Agent", f"sse-proxy/{version()}"),
    )
    return Asked(
        method=(given["method"] or ("POST" if posts else "GET")).upper(),
        url=target,
        headers=_merged(given["lines"], defaults),
        body=body,
        base_url=base,
        insecure=given["insecure"],
        ca_file=given["cacert"],
    )


def _check_combination(apis: list[str], given: Mapping[str, Any]) -> None:
    method = given["method"]
    if len(apis) > 1:
        raise click.UsageError(f"--{apis[0]} and --{apis[1]} are two requests, expected one")
    if apis and (method is not None or given["data"] is not None):
        raise click.UsageError(f"--{apis[0]} makes the request, expected neither -X nor -d with it")
    if given["prompt"] is not None and not apis:
        raise click.UsageError("--prompt goes with --openai, --anthropic or --ollama; for another body use -d")
    if method is not None and not (method.isascii() and method.isalpha()):
        raise click.UsageError(f"-X: got {method!r}, expected a method such as POST")


def _address(url: str) -> tuple[str, _Headers]:
    """*url* with its scheme (http where it has none), and the header that its user and password mean."""
    url = url if _SCHEME.match(url) else f"http://{url}"
    wanted = f"url: got {mask(url)!r}, expected http://HOST[:PORT][/PATH], or https://"
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError as error:  # a port that is none, half an IPv6 address
        raise click.UsageError(wanted) from error
    if not valid or any(character.isspace() or not character.isprintable() for character in url):
        raise click.UsageError(wanted)
    login: _Headers = ()
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        login = (("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"),)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=host, fragment="")), login


def _completed(base: str, path: str) -> str:
    parts = urlsplit(base)
    given = parts.path.rstrip("/")
    if given and not (given.endswith("/v1") and path.startswith("/v1/")):
        return base
    return urlunsplit(parts._replace(path=given.removesuffix("/v1") + path))


def _chat(api: _API, model: str, prompt: str) -> bytes:
    messages = [{"role": "user", "content": prompt}]
    return json.dumps({"model": model, **dict(api.fields), "messages": messages, "stream": True}).encode()


def _text(given: str, option: str) -> str:
    """*given*, or what is in the file that it names after an ``@``."""
    if not given.startswith("@"):
        return given
    try:
        content = sys.stdin.buffer.read() if given == "@-" else Path(given[1:]).read_bytes()
    except OSError as error:
        raise click.UsageError(f"{option}: got {given}, expected a readable file: {error.strerror}") from error
    return content.decode(errors="surrogateescape")


def _merged(given: tuple[str, ...], defaults: _Headers) -> _Headers:
    """The user's headers, and those of *defaults* that they neither replace nor take away."""
    pairs = [_pair(line) for one in given for line in _text(one, "-H").splitlines() if line.strip()]
    named = {name.lower() for name, _value in pairs}
    own = tuple((name, value) for name, value in pairs if value)
    return own + tuple(pair for pair in defaults if pair[0].lower() not in named)


def _pair(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    # What was given may be a secret, so that it is not shown.
    if not colon or not _TOKEN.fullmatch(name.strip()) or not (line.isascii() and line.isprintable()):
        raise click.UsageError("-H: expected 'Name: value', in ASCII and on one line")
    return name.strip(), value.strip()
