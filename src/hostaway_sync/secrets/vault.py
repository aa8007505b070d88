"""Secrets in HashiCorp Vault: its engine KV version 2, over four requests of its HTTP API.

Each version is a secret of its own, `hostaway-sync/<mirror>/<table>/<primary key>/<column>/<version>`: it is created,
read and deleted, and never changed. Address and token come from the environment, as Vault's own programs read them;
the file of a token is read for each request, because Vault's agent writes it anew when it renews the token.

    POST   /v1/<mount>/data/<name>       with cas 0: only where nothing is
    GET    /v1/<mount>/data/<name>
    DELETE /v1/<mount>/metadata/<name>   all of it, for good; 204 where nothing was
    GET    /v1/<mount>/metadata/<folder>?list=true   its names, a folder with `/` at its end; 404 where it is empty
"""

from __future__ import annotations

import logging
import os
import ssl
import time
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

import httpx
from pydantic import SecretStr

from hostaway_sync.environment.proxy_route import find_proxy, is_this_machine, tls_trust_for
from hostaway_sync.errors import ConfigurationError, SecretError, SecretGone, SecretsUnavailable
from hostaway_sync.secrets.protocols import format_path, format_pointer, generate_version, parse_path, read_version

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hostaway_sync.secrets.protocols import Place

KIND: Final = "vault"
_ROOT: Final = "hostaway-sync"
_FIELD: Final = "value"
_CONNECT_S: Final = 3.0
_READ_S: Final = 5.0
_PAUSES_S: Final = (0.1, 0.4)
_DEEPEST: Final = 4  # table, primary key, column, version
_POLICY: Final = "docs/how-to/secrets-in-vault.md has the policy that is needed"
_OK, _NO_CONTENT, _INVALID, _FORBIDDEN, _ABSENT = 200, 204, 400, 403, 404
# A node that is behind (412, 473), a limit of requests, and what passes: sealed, starting, its storage away.
_FOR_NOW: Final = {412, 429, 473}
_SERVER_ERROR: Final = 500


class VaultSecrets:
    """The secrets of one mirror in one KV engine.

    Args:
        mirror: the id of the mirror, which separates the mirrors of one engine.
        environment: has VAULT_ADDR, VAULT_TOKEN or VAULT_TOKEN_FILE, and may have VAULT_NAMESPACE, VAULT_KV_MOUNT and
            VAULT_CACERT; None: that of this process.

    Raises:
        ConfigurationError: the environment does not say where Vault is, or who asks it.
    """

    kind = KIND

    def __init__(self, mirror: str, environment: Mapping[str, str] | None = None) -> None:
        # At level DEBUG it would log every name.
        for library in ("httpx", "httpcore"):
            logging.getLogger(library).setLevel(logging.WARNING)
        self._environment = os.environ if environment is None else environment
        address = _read_address(self._environment)
        self._mount = (self._environment.get("VAULT_KV_MOUNT") or "secret").strip("/")
        self._prefix = f"{_ROOT}/{mirror}/"
        self._token()  # a missing one is a wrong setting, and known at once
        proxy = find_proxy(address)
        self._client = httpx.Client(
            base_url=f"{address}/v1/",
            timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S),
            verify=_trust(self._environment, address),
            proxy=proxy.url if proxy else None,
            trust_env=False,  # `proxy_route` has read the environment already
            follow_redirects=False,  # the token would go along, to any host
        )
        weakref.finalize(self, self._client.close)
        self.name = f"HashiCorp Vault at {address}, below {self._mount}/{self._prefix}"

    def seal(self, value: SecretStr, place: Place) -> bytes:
        """Create a secret, and return the bytes for its row."""
        version = generate_version()
        name = self._prefix + format_path(place, version)
        body = {"options": {"cas": 0}, "data": {_FIELD: value.get_secret_value()}}
        answer = self._ask("POST", f"data/{name}", f"take {place}", body)
        if answer.status_code != _OK:
            # An engine of version 1 took it as it came, under this very name.
            self._ask("DELETE", f"data/{name}", f"delete {place}")
            raise SecretError(f"{self._mount}/ in Vault is no KV engine of version 2: name one in VAULT_KV_MOUNT")
        return format_pointer(KIND, version)

    def open(self, kept: bytes, place: Place) -> SecretStr:
        """Return a secret; a missing one is requested again for half a second, because the node may be behind."""
        name = self._prefix + format_path(place, read_version(kept))
        for pause in (*_PAUSES_S, None):
            try:
                return _text(self._ask("GET", f"data/{name}", f"give {place}"), place)
            except SecretGone:
                if pause is None:
                    raise
                time.sleep(pause)
        raise AssertionError  # the last of them returned or raised

    def discard(self, kept: bytes, place: Place) -> None:
        """Delete a secret with all that Vault keeps of it: no row names it any more."""
        name = self._prefix + format_path(place, read_version(kept))
        with suppress(SecretGone):
            self._ask("DELETE", f"metadata/{name}", f"delete {place}")

    def list_versions(self) -> Iterator[tuple[Place, bytes]]:
        """Yield all secrets of this mirror, with a request for each folder: three for each account, and two."""
        for name in self._names(""):
            read = parse_path(name)
            if read is not None:
                yield read[0], format_pointer(KIND, read[1])

    def _names(self, folder: str) -> Iterator[str]:
        try:
            answer = self._ask("GET", f"metadata/{self._prefix}{folder}?list=true", "list secrets")
        except SecretGone:
            return
        for key in _document(answer)["keys"]:
            if not key.endswith("/"):
                yield folder + key
            elif folder.count("/") < _DEEPEST - 1:
                yield from self._names(folder + key)

    def _ask(self, method: str, path: str, what: str, body: object = None) -> httpx.Response:
        """Send a request, up to three times where the reason may pass.

        Raises:
            SecretGone: there is nothing.
            SecretError: Vault refuses it.
            SecretsUnavailable: it does not answer now.
        """
        where, _, query = path.partition("?")
        url = quote(f"{self._mount}/{where}") + (f"?{query}" if query else "")
        problem = ""
        for attempt, pause in enumerate((*_PAUSES_S, 0.0)):
            try:
                answer = self._client.request(method, url, json=body, headers=self._headers())
            except httpx.TransportError as error:
                problem = f"Vault is not reached ({type(error).__name__}): try again later"
            else:
                status = answer.status_code
                if attempt and status == _INVALID and "check-and-set" in answer.text:
                    return httpx.Response(_OK)  # the first request arrived, only its answer did not
                if status not in _FOR_NOW and status < _SERVER_ERROR:
                    return self._judged(answer, what)
                why = " (sealed, or down for maintenance)" if status == 503 else ""  # noqa: PLR2004  (as Vault says it)
                problem = f"Vault does not {what} now: {status}{why}; try again later"
            time.sleep(pause)
        raise SecretsUnavailable(problem)

    def _judged(self, answer: httpx.Response, what: str) -> httpx.Response:
        status = answer.status_code
        if status in {_OK, _NO_CONTENT}:
            return answer
        if status == _ABSENT and "no handler for route" not in answer.text:
            raise SecretGone(f"Vault cannot {what}: it is not there (any more)")
        if status == _ABSENT:
            raise SecretError(f"Vault has no engine at {self._mount}/: name one of KV version 2 in VAULT_KV_MOUNT")
        if status == _FORBIDDEN:
            raise SecretError(f"Vault will not {what}: the token may not, or has expired; {_POLICY}")
        if answer.is_redirect:
            raise SecretError("Vault leads to another address: name that of the active node in VAULT_ADDR")
        raise SecretError(f"Vault will not {what}: {status}; {_POLICY}")

    def _headers(self) -> dict[str, str]:
        namespace = self._environment.get("VAULT_NAMESPACE")
        headers = {"X-Vault-Request": "true", "X-Vault-Token": self._token()}
        return headers | ({"X-Vault-Namespace": namespace} if namespace else {})

    def _token(self) -> str:
        file = self._environment.get("VAULT_TOKEN_FILE")
        try:
            token = Path(file).read_text(encoding="ascii") if file else self._environment.get("VAULT_TOKEN", "")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "not a token"
            raise ConfigurationError(f"VAULT_TOKEN_FILE {file} cannot be read: {why}") from None
        token = token.strip()
        if not token or not token.isascii() or not token.isprintable():
            raise ConfigurationError("Vault needs a token: set VAULT_TOKEN_FILE or VAULT_TOKEN")
        return token


def _read_address(environment: Mapping[str, str]) -> str:
    address = environment.get("VAULT_ADDR", "").strip().rstrip("/")
    try:
        parts = urlsplit(address)
        is_good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good or parts.username or parts.query or parts.fragment:
        raise ConfigurationError("VAULT_ADDR is not the address of a Vault, such as https://vault.example:8200")
    if parts.scheme == "http" and not is_this_machine(address):
        raise ConfigurationError("VAULT_ADDR must be https, because secrets travel on it; http only on this machine")
    return address


def _trust(environment: Mapping[str, str], address: str) -> ssl.SSLContext | bool:
    file = environment.get("VAULT_CACERT")
    if not file or address.startswith("http:"):
        return tls_trust_for(address)
    try:
        return ssl.create_default_context(cafile=file)
    except (OSError, ValueError):
        raise ConfigurationError(f"VAULT_CACERT {file} cannot be read as certificates in PEM form") from None


def _document(answer: httpx.Response) -> Any:  # noqa: ANN401  (JSON)
    try:
        return answer.json()["data"]
    except (ValueError, KeyError, TypeError):
        raise SecretError(
            "what answers at VAULT_ADDR is no Vault, or one behind something that changes answers"
        ) from None


def _text(answer: httpx.Response, place: Place) -> SecretStr:
    found = _document(answer)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict) or not isinstance(data.get(_FIELD), str):
        raise SecretError(f"{place} is no text in Vault: was it written by another program?")
    return SecretStr(data[_FIELD])
