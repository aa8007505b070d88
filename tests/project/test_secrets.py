from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from tests.support.project.pages import ROOT, own_files

if TYPE_CHECKING:
    from collections.abc import Iterator

# What secrets look like: formats that issuers chose, keys as bytes are written, and values of variables named so.
KINDS = {
    "private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "key of a cloud": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{35}",
    "token of a service": r"\b(?:gh[pousr]_\w{36}|glpat-[\w-]{20}|xox[abprs]-[\w-]{10,}|[sr]k_live_\w{16,})",
    "web token": r"\beyJ[\w-]{10,}\.[\w-]{10,}",
    "Basic auth": r"\bBasic [A-Za-z0-9+/]{12,}=*",
    "password in a URL": r"\w://[^\s/:@'\"]+:[^\s/@'\"{}]{3,}@",
    "hexadecimal key": r"(?<![\w-])[0-9a-fA-F]{32,}(?![\w-])",
    "base64 key": r"(?<![\w+/=-])[A-Za-z0-9+/_-]{42,86}={1,2}",
    "secret by its name": r"(?i)(?:secret|passw(?:or)?d|token|api_?key|master_key)\w*[\"']?\s*"
    r"[:=]\s*[\"'][^\"'\s{}]{8,}[\"']",
}
# Words that look like one and are none, and why. Whatever else is found is either a secret or wants a line here.
HARMLESS = {
    "THAT-WORD": "says where a word of the operator's goes",
    "a-uuid-that-is-a-secret": "the address of a check that nobody has",
    "9f86d081884c7d659a2feaa0c55ad015": "an id that a proxy gave a request",
    "user:password@": "says what is to be put there",
    "me:T0K3N@": "an address that is refused because it has a password",
    "user:word@": "an address that is refused because it has a password",
    "hunter2": "the password that the whole world knows",
    "wrong-secret": "says what is wrong with it",
    "landed.sha256: hexadecimal key": "what each migration is known by",
    "test_calendar_days.py: hexadecimal key": "the hash of a day",
    "test_contracts_processes.py: hexadecimal key": "what other releases wrote of words that everybody knows",
    "test_kind_records.py: hexadecimal key": "the hash of an object",
    "4711-opens-2": "the password of a door that is nowhere",
    "lamplight-7": "the password of a guest that nobody is",
    "sandbox-secret": "opens the sandbox, where there is nothing",
    "audit_log.py: secret by its name: API_KEY_": "an entry of the audit log about a key",
    'api_key_pepper": "installation"': "a table has one row an installation",
    '"replaced"': "says in the audit log that a secret was replaced",
    "%(wifi)s": "a place in a text of the sandbox's",
    base64.b64encode(b"a" * 32).decode(): "a key of 32 times the same letter",
    base64.b64encode(b"secret:secret").decode(): "a login that is refused",
    "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiI3MDAwMSJ9": "a token of the sandbox's, cut off before its signature",
}
# One of each kind, in pieces, because this file is looked through, too.
PLANTED = {
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "key of a cloud": "AKIA" + "IOSFODNN7EXAMPLE",
    "token of a service": "ghp_" + "a1B2" * 9,
    "web token": "eyJ" + "hbGciOiJIUzI1NiJ9" + ".eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0",
    "Basic auth": "Authorization: Basic " + "YWxhZGRpbjpvcGVu",
    "password in a URL": "postgresql://sync:" + "correct-horse" + "@db.example.org/hostaway",
    "hexadecimal key": "a1b2c3d4" * 8,
    "base64 key": base64.b64encode(bytes(range(32))).decode(),
    "secret by its name": "client_secret = " + "'5f2b-long-enough'",
}


def found(text: str) -> Iterator[tuple[str, str]]:
    """Return what looks like a secret: its kind, and the words."""
    for kind, pattern in KINDS.items():
        for match in re.finditer(pattern, text):
            yield kind, match[0]


def test_no_file_holds_a_secret() -> None:
    """Nothing in the tree looks like a secret but words that are named above, each with its reason."""
    hits = {
        f"{path.relative_to(ROOT)}: {kind}: {words}"
        for path in own_files()
        for kind, words in found(path.read_text(encoding="utf-8"))
    }
    assert {hit for hit in hits if not any(words in hit for words in HARMLESS)} == set()
    assert {words for words in HARMLESS if not any(words in hit for hit in hits)} == set()


def test_secrets_of_each_kind_are_found() -> None:
    """One that is planted is seen, whatever its kind."""
    for kind in KINDS:
        assert kind in dict(found(f"x {PLANTED[kind]} y")), kind
