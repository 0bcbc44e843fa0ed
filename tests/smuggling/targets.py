"""Request targets and Host: who is asked (SSRF), and whether two readers agree on that."""

from __future__ import annotations

from .case import ANSWERED, REFUSED, Readings, RequestCase, request, through

__all__ = ["CASES"]

_FORMS = "RFC 9112 § 3.2"
_HOST = "RFC 9112 § 3.2: 400 for no Host, two, or an invalid one"
#: The upstream is the configured one, whoever was asked for.
_OURS = (("host", "{upstream}"),)


def _to(
    name: str, target: bytes, why: str, source: str = _FORMS, *, allowed: Readings = REFUSED, method: bytes = b"GET"
) -> RequestCase:
    return RequestCase(
        name=f"target: {name}",
        sent=request(method=method, target=target),
        allowed=allowed,
        why=why,
        source=source,
        has=_OURS,
    )


def _host(name: str, lines: bytes, why: str, source: str = _HOST, *, allowed: Readings = REFUSED) -> RequestCase:
    return RequestCase(
        name=f"host: {name}",
        sent=request(method=b"GET", host=lines),
        allowed=allowed,
        why=why,
        source=source,
        has=_OURS,
    )


def _seen(target: str, method: str = "GET") -> Readings:
    return through(method=method, target=target)


CASES = (
    _to("absolute, another host", b"http://other/case", "an open proxy would ask it", allowed=REFUSED + _seen("/case")),
    _to("absolute, https", b"https://other/case", "as http", allowed=REFUSED + _seen("/case")),
    _to("absolute, no path", b"http://other", "the path is /", allowed=REFUSED + _seen("/")),
    _to("absolute, a query only", b"http://other?q", "the path is /", allowed=REFUSED + _seen("/?q")),
    _to(
        "absolute, with credentials",
        b"http://user:word@other/case",
        "who is the host depends on the reader",
        "RFC 9110 § 4.2.4",
        allowed=REFUSED + _seen("/case"),
    ),
    _to(
        "absolute, a local address",
        b"http://169.254.169.254/latest/meta-data/",
        "a cloud's metadata",
        allowed=REFUSED + _seen("/latest/meta-data/"),
    ),
    _to(
        "absolute, a scheme in capitals",
        b"HTTP://other/case",
        "schemes have no case",
        "RFC 3986 § 3.1",
        allowed=REFUSED + _seen("/case"),
    ),
    _to("absolute, another scheme", b"file:///etc/passwd", "no HTTP", allowed=REFUSED + _seen("/etc/passwd")),
    _to("absolute, reserved path", b"http://other/-/sse-proxy/healthz", "ours all the same", allowed=REFUSED + ANSWERED
        + _seen("/-/sse-proxy/healthz")),
    _to("authority", b"other:80", "only for CONNECT", allowed=REFUSED + ANSWERED),
    _to("an at sign first", b"@other/case", "the host behind it, appended to an address",
        "PortSwigger: cracking the lens (2017)"),
    _to("no slash first", b"case", "appended to an address it changes the host", allowed=REFUSED + ANSWERED),
    _to("a dot first", b".other/case", "appended to an address it changes the host"),
    _to("a colon first", b":80/case", "appended to an address it changes the port"),
    _to("two slashes first", b"//other/case", "a host to a reader of references", "RFC 3986 § 4.2",
        allowed=REFUSED + _seen("//other/case")),
    _to("a backslash", b"/\\other/case", "a slash to browsers", "WHATWG URL § 4.4",
        allowed=REFUSED + _seen("/\\other/case")),
    _to("a Unix socket in the query", b"/case?unix:" + b"A" * 300 + b"|http://other/", "a host to mod_proxy",
        "CVE-2021-40438 (httpd)", allowed=REFUSED + _seen("/case?unix:" + "A" * 300 + "|http://other/")),
    _to("asterisk with GET", b"*", "only for OPTIONS", allowed=REFUSED + ANSWERED + _seen("*")),
    _to("asterisk with OPTIONS", b"*", "the server as a whole", method=b"OPTIONS", allowed=REFUSED + ANSWERED
        + _seen("*", "OPTIONS")),
    _to("CR LF in percent", b"/case%0d%0aX-Injected:%201%0d%0a%0d%0aGET%20/poison", "decoded it is a field",
        "CWE-113", allowed=_seen("/case%0d%0aX-Injected:%201%0d%0a%0d%0aGET%20/poison")),
    _to("CR LF in percent, in the query", b"/case?q=%0d%0aX-Injected:%201", "decoded it is a field", "CWE-113",
        allowed=_seen("/case?q=%0d%0aX-Injected:%201")),
    _to("NUL in percent", b"/case%00", "decoded it is the end in C", "CWE-158", allowed=REFUSED + _seen("/case%00")),
    _to("a bare CR", b"/case\rX: y", "a line end to some", "RFC 9112 § 2.2"),
    _to("a NUL", b"/case\x00", "the end to a reader in C"),
    _to("UTF-8", "/caf\u00e9".encode(), "no URI; cut or encoded by some", "RFC 3986 § 2",
        allowed=REFUSED + _seen("/caf\u00c3\u00a9")),
    _to("a fragment", b"/case#/poison", "not sent by anybody", "RFC 9112 § 3.2",
        allowed=REFUSED + _seen("/case#/poison") + _seen("/case")),
    _host("none", b"", "names no host"),
    _host("two, equal", b"Host: test\r\nHost: test", "one takes the first, the other the last"),
    _host("two, different", b"Host: test\r\nHost: other", "one takes the first, the other the last"),
    _host("two, in other letters", b"Host: test\r\nhOST: other", "names have no case"),
    _host("none, and HTTP/1.0's is not asked for", b"X: y", "names no host"),
    _host("with credentials", b"Host: user@other", "the host behind the at sign to some"),
    _host("with a path", b"Host: test/case", "a path in front of the path to some"),
    _host("with a space", b"Host: test other", "ends there to some"),
    _host("with two ports", b"Host: test:80:90", "one takes the first, the other the last"),
    _host("with a port that is none", b"Host: test:8a", "cut off by some"),
    _host("behind a space before the colon", b"Host : test", "no Host to one of them", "RFC 9112 § 5.1"),
    _host("folded", b"Host:\r\n other", "empty to one of them", "RFC 9112 § 5.2",
          allowed=REFUSED + _seen("/case")),
    _host("in brackets that do not close", b"Host: [::1", "an address to some"),
    _host("empty", b"Host:", "allowed", "RFC 9110 § 7.2", allowed=REFUSED + _seen("/case")),
    _host("an IPv6 address", b"Host: [2001:db8::1]:8080", "allowed", "RFC 3986 § 3.2.2", allowed=_seen("/case")),
    _host("of a cloud's metadata", b"Host: 169.254.169.254", "a proxy that goes where Host says would ask it",
          "CWE-918", allowed=_seen("/case")),
    _host("an underscore in the name", b"Host: test\r\nH_ost: other\r\nX-Host: other", "other fields", "RFC 9110 § 7.2",
          allowed=_seen("/case")),
)  # fmt: skip
