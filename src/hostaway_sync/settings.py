"""What stands in the environment → one validated, frozen Settings. Read by `cli` and `mirror` alone."""

from __future__ import annotations

import ipaddress
import os
import pwd
import re
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, NamedTuple

from pydantic import (
    AnyHttpUrl,
    BeforeValidator,
    Field,
    PrivateAttr,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hostaway_sync.environment import variables as outside
from hostaway_sync.environment.host_names import is_host_name
from hostaway_sync.environment.variables import Environment, list_variable_names, read_environment
from hostaway_sync.errors import ConfigurationError, UnknownSettings
from hostaway_sync.model.ids import read_id
from hostaway_sync.model.redaction import parse_rules

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PREFIX: Final = outside.PREFIX
SCHEMA: Final = "hostaway"
"""Where in the database our tables are; no setting: other people's queries name it."""

FILE_FIELDS: Final = ("database_url", "master_key", "client_secret", "ping_url")
"""What may come from a file or a credential as well."""


class RateLimit(NamedTuple):
    """At most `requests` in any `window`."""

    requests: int
    window: timedelta


def _rate_limit(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([1-9]\d{0,6})\s*/\s*([1-9]\d{0,4})\s*", value)
    if match is None:
        raise ValueError("must be requests/seconds, for example 200/10")
    return RateLimit(int(match[1]), timedelta(seconds=int(match[2])))


Limit = Annotated[RateLimit, BeforeValidator(_rate_limit)]


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    words = value.replace(",", " ").split()
    try:
        for word in words:
            ipaddress.ip_network(word)
    except ValueError:
        raise ValueError("must be addresses or networks, separated by commas, for example 10.0.0.0/8") from None
    return tuple(words)


def _numbers(value: object) -> object:
    if not isinstance(value, str):
        return value
    ids = frozenset(read_id(word) for word in value.replace(",", " ").split())
    if None in ids:
        raise ValueError("must be reservation ids, separated by commas, for example 41200077,41200078")
    return ids


ReservationIds = Annotated[frozenset[int], BeforeValidator(_numbers)]


Networks = Annotated[tuple[str, ...], BeforeValidator(_networks)]


def _fields(value: object) -> object:
    if isinstance(value, str):
        parse_rules(value)
    return value


PayloadFields = Annotated[str, BeforeValidator(_fields)]


def _http_url(text: str) -> AnyHttpUrl:
    url = TypeAdapter(AnyHttpUrl).validate_python(text)
    if not is_host_name(url.host or ""):
        raise ValueError("names a host that cannot be: none of the parts between its dots is empty or over 63 letters")
    return url


def default_data_dir() -> Path:
    """Give the directory of the embedded database and the key file, without asking $HOME: cron may not set it."""
    if os.geteuid() == 0:
        return Path("/var/lib/hostaway-sync")
    home = os.environ.get("XDG_DATA_HOME")
    if home and Path(home).is_absolute():
        return Path(home) / "hostaway-sync"
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir) / ".local" / "share" / "hostaway-sync"
    except KeyError:
        raise ConfigurationError(
            f"user {os.geteuid()} has no home directory: set {PREFIX}DATA_DIR to a directory that may be written"
        ) from None


class Settings(BaseSettings):
    """Everything that can be set from outside, validated once.

    Attributes:
        database_url: PostgreSQL 15 or newer; None means the embedded one in `data_dir`.
        data_dir: the embedded database and the key file.
        api_url: root of the API, with its version.
        master_key: base64 keys, the first one seals; None means keyring or key file.
        keyring: True: the desktop's keyring goes before the key file; False: it is never asked. None: it is asked where
            a person sits, as long as there is no key file.
        secrets_store: where secrets lie: sealed in the database, or in AWS Secrets Manager.
        rate_limit_ip: requests of all accounts together from this address.
        rate_limit_account: requests of one account.
        rate_limit_send: guest messages of one account, a bucket of its own.
        send_allowlist: the only reservations whose guests may be written to; None: all.
        quiet_hours: hours, by the clock of the listing, in which messages to guests wait; None: they do not.
        egress: name of the address whose budget is shared; machines behind one address use one name.
        client_secret: the secret for `account add`.
        log_level: least level that is logged to stderr.
        log_format: `console` or `json`; unset: console on a terminal, JSON elsewhere.
        retry_attempts: how often one request is tried.
        retry_backoff: seconds before the second attempt at most; doubles with each further one.
        requests_in_flight: requests of one account that overlap, 2 to 8.
        sweep_after_hours: a run reads everything when the last one that did started so long ago.
        threads_after_days: such a run reads again the threads that were not read whole for so long.
        trusted_proxies: addresses and networks whose `X-Forwarded-For` the receiver believes.
        payload_fields: which fields of payloads are left out or hashed before they are stored; see `redaction`.
        metrics_textfile_dir: where `sync`, `sync-all` and `worker` leave their metrics; None: nowhere.
        ping_url: a monitor that is told when they begin, and how they end; secret, because it is a password in itself.
        keep_deliveries_days: deliveries that were worked off, attempts, and resolved dead letters are kept so long.
        keep_messages_days: messages to guests whose outcome is known are kept so long, and their idempotency keys.
        keep_runs_days: runs that are over, and verifications, are kept so long, the newest of each kind for ever.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    database_url: SecretStr | None = None
    data_dir: Path = Field(default_factory=default_data_dir, validate_default=True)
    api_url: str = "https://api.hostaway.com/v1"
    master_key: SecretStr | None = None
    keyring: bool | None = None
    secrets_store: Literal["database", "aws"] = "database"
    rate_limit_ip: Limit = RateLimit(200, timedelta(seconds=10))
    rate_limit_account: Limit = RateLimit(200, timedelta(seconds=10))
    rate_limit_send: Limit = RateLimit(30, timedelta(seconds=60))
    send_allowlist: ReservationIds | None = None
    quiet_hours: str | None = None
    egress: str = Field(default_factory=socket.gethostname, min_length=1, max_length=200)
    client_secret: SecretStr | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "WARNING"
    log_format: Literal["console", "json"] | None = None
    retry_attempts: int = Field(default=5, ge=1, le=20)
    retry_backoff: float = Field(default=1.0, ge=0, le=60)
    requests_in_flight: int = Field(default=4, ge=2, le=8)
    sweep_after_hours: float = Field(default=20, ge=0, le=24 * 365)
    threads_after_days: float = Field(default=30, ge=0, le=365)
    trusted_proxies: Networks = ("127.0.0.1", "::1")
    keep_deliveries_days: float = Field(default=30, gt=0, le=365 * 10)
    payload_fields: PayloadFields = ""
    metrics_textfile_dir: Path | None = None
    ping_url: SecretStr | None = None
    keep_runs_days: float = Field(default=90, gt=0, le=365 * 10)
    keep_messages_days: float = Field(default=730, ge=30, le=365 * 10)

    _environment: Environment | None = PrivateAttr(default=None)

    @property
    def master_key_file(self) -> Path | None:
        """The file that the master key came from, if any: it may be read again."""
        return self._environment.files.get("master_key") if self._environment else None

    @property
    def read_files(self) -> tuple[tuple[str, int], ...]:
        """The files that were read, and their permissions."""
        return tuple((str(file.path), file.mode) for file in self._environment.read_files) if self._environment else ()

    @property
    def ignored_names(self) -> frozenset[str]:
        """Names with our prefix that are no settings, and were no error."""
        return frozenset(one.name for one in self._environment.unknown) if self._environment else frozenset()

    @field_validator("api_url")
    @classmethod
    def _plain_url(cls, value: str) -> str:
        url = _http_url(value)
        if url.scheme == "http" and url.host not in {"127.0.0.1", "localhost", "[::1]"}:
            raise ValueError("must be https, because the client secret travels on it")
        if any(part is not None for part in (url.username, url.password, url.query, url.fragment)):
            raise ValueError("must be a plain address, without user, question mark and number sign")
        # As it was understood: two readings of one odd text may name two hosts.
        return str(url).rstrip("/")

    @field_validator("ping_url")
    @classmethod
    def _web_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _http_url(value.get_secret_value())
        return value

    @field_validator("quiet_hours")
    @classmethod
    def _two_hours(cls, value: str | None) -> str | None:
        match = re.fullmatch(r"([01]?\d|2[0-4])-([01]?\d|2[0-4])", value or "0-1", re.ASCII)
        if match is None or int(match[1]) % 24 == int(match[2]) % 24:
            raise ValueError("must be two hours of the day, for example 22-8")
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        try:
            path = value.expanduser().absolute()
            str(path).encode()
        except RuntimeError:
            raise ValueError("begins with the home directory of a user, and there is none: write it out") from None
        except UnicodeEncodeError:
            raise ValueError("is in a directory whose name is not UTF-8 text: name another") from None
        return path

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Have `load_settings` hand everything in: it knows where each value came from."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def list_known_variables() -> frozenset[str]:
    """Return the names of all variables that are settings of this release."""
    return list_variable_names(tuple(Settings.model_fields), FILE_FIELDS)


def load_settings(allowed_names: Collection[str] = (), **overrides: Any) -> Settings:  # noqa: ANN401  (whatever a field takes)
    """Read the settings; `also_known` are names with our prefix that are no error though no settings.

    Raises:
        ConfigurationError: one sentence that names each variable that is wrong, without its value.
        UnknownSettings: all values are right, and some names are not known.
    """
    environment = read_environment(os.environ, tuple(Settings.model_fields), FILE_FIELDS)
    _require_text(environment.values)
    told = {name: path for name, path in environment.files.items() if name not in overrides}
    try:
        settings = Settings(**{**environment.values, **overrides})
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{str(detail['loc'][0]).upper()} {detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"settings: {wrong}") from None
    settings._environment = replace(environment, files=told)  # noqa: SLF001  (its own module)
    unknown = [one for one in environment.unknown if one.name not in allowed_names]
    if unknown:
        raise UnknownSettings(f"settings: {'; '.join(map(str, unknown))}", [one.name for one in unknown])
    return settings


def _require_text(values: Mapping[str, str]) -> None:
    """Raise ConfigurationError for bytes that are no text: they would fail where a value is written or sent."""
    for name in sorted(values.keys() - {"client_secret"}):  # that one the command refuses that it is an argument of
        try:
            values[name].encode()
        except UnicodeEncodeError:
            raise ConfigurationError(f"settings: {PREFIX}{name.upper()} is not UTF-8 text") from None
