"""`auth`: tokens of the file let in, are re-read on change, and never leave the process."""

from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import pytest

from sse_proxy.auth import TokenFile, authenticate, client_key
from sse_proxy.core.headers import HeaderList
from sse_proxy.errors import Unauthorized
from sse_proxy.settings import SettingsError

HASHED = hashlib.sha256(b"hashed").hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good file: one token in clear, one hashed."""
    path = tmp_path / "tokens"
    path.write_text(f"# people\n\n  first-token \nsha256:{HASHED.upper()}\n")
    return path


@pytest.mark.parametrize(
    "token, expected",
    [(b"first-token", True), (b"hashed", True), (b"first", False), (b"", False), (b"# people", False), (HASHED, False)],
)
def test_a_token_is_known_in_clear_or_by_its_hash(path: Path, token: bytes | str, expected: bool) -> None:
    """Comments and blank lines are no tokens, and a hash does not open the door itself."""
    sent = token if isinstance(token, bytes) else f"sha256:{token}".encode()
    assert TokenFile(path).knows(sent, 0.0) is expected


def test_a_byte_order_mark_and_crlf_do_no_harm(path: Path) -> None:
    """Files from Windows work: one leading U+FEFF and CRLF line ends."""
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\n")
    tokens = TokenFile(path)
    assert [tokens.knows(token, 0.0) for token in (b"one", b"two")] == [True, True]


@pytest.mark.parametrize(
    "content, complaint",
    [
        (b"", "it holds none"),
        (b"\n# only comments\n", "it holds none"),
        (b"good\ntwo words\n", "line 2 is neither"),
        (b"sha256:1234\n", "line 1 is neither"),
        (b"sha256:" + b"g" * 64 + b"\n", "line 1 is neither"),
        (b"\xc3\xa4\n", "line 1 is neither"),
    ],
)
def test_an_unusable_file_refuses_to_start(path: Path, content: bytes, complaint: str) -> None:
    """In one line that names the setting, the file and what is accepted, and shows no entry."""
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=complaint) as raised:
        TokenFile(path)
    assert str(raised.value).startswith(f'auth_tokens_file: got "{path}", expected a file with a bearer token')
    assert "words" not in str(raised.value)


def test_a_missing_file_refuses_to_start(tmp_path: Path) -> None:
    """As an unreadable one."""
    with pytest.raises(SettingsError, match=r"auth_tokens_file: .*No such file"):
        TokenFile(tmp_path / "absent")


def test_another_setting_may_hold_the_file(tmp_path: Path) -> None:
    """Messages name the setting that the user has to mend."""
    with pytest.raises(SettingsError, match=r"^admin_token_file: got "):
        TokenFile(tmp_path / "absent", setting="admin_token_file")


def test_a_change_is_seen_at_the_next_look(path: Path) -> None:
    """The file is looked at once a second at most."""
    tokens = TokenFile(path)
    assert tokens.knows(b"first-token", 100.0)
    path.write_text("new\n")
    assert not tokens.knows(b"new", 100.9)
    assert tokens.knows(b"new", 101.0)
    assert not tokens.knows(b"first-token", 101.0)


def test_a_swapped_file_of_the_same_size_and_time_is_seen(path: Path) -> None:
    """Kubernetes swaps a symlink: only the inode tells."""
    tokens = TokenFile(path)
    before = path.stat()
    other = path.with_name("other")
    other.write_text(path.read_text().replace("first", "other"))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    assert tokens.knows(b"other-token", 1.0)


def test_a_bad_new_version_leaves_the_old_tokens_in_force(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With one warning each time it goes bad, and no secret in the log."""
    caplog.set_level(logging.INFO, logger="sse_proxy.auth")
    tokens = TokenFile(path)
    path.write_text("secret words\n")
    assert tokens.knows(b"first-token", 1.0)
    assert tokens.knows(b"first-token", 2.0)
    path.unlink()
    assert tokens.knows(b"first-token", 3.0)
    path.write_text("fresh-token\n")
    assert tokens.knows(b"fresh-token", 4.0)
    path.write_text("")
    assert tokens.knows(b"fresh-token", 5.0)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]
    assert not {"secret", "fresh-token"} & set(caplog.text.split())


@pytest.mark.parametrize(
    "headers, expected",
    [
        ([(b"authorization", b"Bearer first-token")], []),
        ([(b"Authorization", b" bearer   first-token ")], []),
        ([(b"x-api-key", b"first-token")], []),
        ([(b"API-Key", b"first-token")], []),
        ([(b"x-goog-api-key", b"hashed")], []),
        ([(b"x", b"1"), (b"x-api-key", b"first-token"), (b"y", b"2")], [(b"x", b"1"), (b"y", b"2")]),
        ([(b"authorization", b"Bearer first-token"), (b"x-api-key", b"first-token")], []),
        (
            [(b"authorization", b"Bearer first-token"), (b"x-api-key", b"the-upstreams-own")],
            [(b"x-api-key", b"the-upstreams-own")],
        ),
    ],
)
def test_a_known_credential_lets_in_and_goes_no_further(path: Path, headers: HeaderList, expected: HeaderList) -> None:
    """In each of the four fields; what is not ours stays for the upstream."""
    token, kept = authenticate(headers, TokenFile(path), 0.0)
    assert token in {b"first-token", b"hashed"}
    assert kept == expected


@pytest.mark.parametrize("token", [b"one", b"two", b"three", b"none"])
def test_a_token_is_compared_with_every_entry_in_constant_time(
    path: Path, monkeypatch: pytest.MonkeyPatch, token: bytes
) -> None:
    """The time tells neither how much of it was right nor where in the file it stands."""
    path.write_text("one\ntwo\nthree\n")
    tokens = TokenFile(path)
    compared: list[bytes] = []

    def compare(known: bytes, given: bytes) -> bool:
        compared.append(known)
        return known == given

    monkeypatch.setattr("sse_proxy.auth.hmac.compare_digest", compare)
    assert tokens.knows(token, 0.0) is (token != b"none")
    assert sorted(compared) == sorted(hashlib.sha256(name).digest() for name in (b"one", b"two", b"three"))


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"Bearer wrong")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", b"first-token")],
        [(b"authorization", b"Basic first-token")],
        [(b"x-other-key", b"first-token")],
        [(b"cookie", b"first-token")],
    ],
)
def test_without_a_known_credential_nobody_gets_in(path: Path, headers: HeaderList) -> None:
    """Other schemes and other fields do not count."""
    with pytest.raises(Unauthorized):
        authenticate(headers, TokenFile(path), 0.0)


def test_a_client_is_its_token_or_else_its_address() -> None:
    """The key holds a hash, never the token."""
    assert client_key(token=None, address="192.0.2.1") == "address:192.0.2.1"
    assert client_key(token=b"hashed", address="192.0.2.1") == f"token:{HASHED}"
