"""Reads the settings from the environment into one validated, frozen object. Only `cli`, `doctor` and `app` read it."""

from __future__ import annotations

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

from hostaway_sync.environment import setting_types, variables
from hostaway_sync.environment.host_names import is_host_name
from hostaway_sync.environment.token_settings import TokenSettings
from hostaway_sync.environment.variables import Environment, list_variable_names, read_environment
from hostaway_sync.errors import ConfigurationError, UnknownSettings
from hostaway_sync.model.messages import read_quiet_hours

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

PREFIX: Final = variables.PREFIX
SCHEMA: Final = "hostaway"
"""The schema of our tables in the database. It is no setting, because queries of users name it."""

FILE_FIELDS: Final = ("database_url", "master_key", "client_secret", "ping_url")
"""Settings that a file or a systemd credential may also hold."""


class RateLimit(NamedTuple):
    """At most `requests` in any `window`."""

    requests: int
    window: timedelta


def _parse_rate_limit(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([1-9]\d{0,6})\s*/\s*([1-9]\d{0,4})\s*", value)
    if match is None:
        raise ValueError("must be requests/seconds, for example 200/10")
    return RateLimit(int(match[1]), timedelta(seconds=int(match[2])))


Limit = Annotated[RateLimit, BeforeValidator(_parse_rate_limit)]


def _http_url(text: str) -> AnyHttpUrl:
    url = TypeAdapter(AnyHttpUrl).validate_python(text)
    if not is_host_name(url.host or ""):
        raise ValueError("names a host that cannot be: none of the parts between its dots is empty or over 63 letters")
    return url


def default_data_dir() -> Path:
    """Return the directory of the embedded database and the key file, without `$HOME`, which cron may not set."""
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


class Settings(TokenSettings):
    """All settings of the program, validated once.

    Attributes:
        database_url: a PostgreSQL server, version 15 or newer; None: the embedded one in `data_dir`.
        core_schema: the schema of the views of `core`.
        pool_size: the most connections to PostgreSQL that one process takes; None: the usual number of its command.
        data_dir: the directory of the embedded database and the key file.
        api_url: URL of the API, with its version.
        master_key: master keys in base64, of which the first one seals; None: use the keyring or the key file.
        keyring: whether the desktop's keyring precedes the key file; None: only on a terminal, without a key file.
        secrets_store: where secrets are stored: sealed in the database, in AWS Secrets Manager or HashiCorp Vault.
        rate_limit_ip: limit of the requests of all accounts from this IP address.
        rate_limit_account: limit of the requests of one account.
        rate_limit_send: limit of the guest messages of one account, in a bucket of its own.
        send_allowlist: the only reservations whose guests may receive messages; None: all.
        quiet_hours: hours, by the listing's clock, in which queued guest messages wait; None: they do not wait.
        egress: name of the IP address whose budget is shared; machines behind one address use the same name.
        client_secret: the secret for `account add`.
        log_level: the lowest level that is logged to stderr.
        log_format: `console` or `json`; None: console on a terminal, JSON elsewhere.
        retry_attempts: attempts of one request.
        retry_backoff: longest pause before the second attempt, in seconds; it doubles with each further attempt.
        requests_in_flight: concurrent requests of one account, 2 to 8.
        sweep_after_hours: age of the last sweep at which a run becomes a sweep.
        threads_after_days: age of the last complete reading at which a sweep reads a thread again.
        calendar_days: how many days ahead calendars are mirrored; 0: none.
        calendar_after_hours: all days of a listing are read once in this time; 0: in every run.
        resources: what is mirrored beside listings, reservations, conversations and messages, by names of sets
            (default, finance, texts, people) or of single resources; `none`: nothing.
        trusted_proxies: addresses and networks whose `X-Forwarded-For` the receiver trusts.
        payload_fields: fields of payloads that are dropped or hashed before they are stored; see `redaction`.
        metrics_textfile_dir: where `sync`, `sync-all` and `worker` write their metrics; None: nowhere.
        ping_url: URL of a monitor that they ping when they start and end; secret, because it works like a password.
        automation_hosts: origins of consumers of automations that need be neither https nor public; None: none.
        api_rate_limit: limit of the requests of one caller of the API.
        api_origins: origins of web pages whose scripts may ask the API; None: none.
        keep_deliveries_days: how long processed deliveries, attempts and resolved dead letters are kept.
        keep_messages_days: how long guest messages with a known outcome are kept, with their idempotency keys.
        keep_calendar_days: how long days of calendars that are over are kept.
        keep_changes_days: how long the history of mirrored records is kept.
        keep_price_changes: the history of days of calendars keeps their prices, too.
        keep_runs_days: how long finished runs and verifications are kept; the newest of each kind is always kept.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
    )

    database_url: SecretStr | None = None
    core_schema: str = "core"
    pool_size: int | None = Field(default=None, ge=2, le=500)
    data_dir: Path = Field(default_factory=default_data_dir, validate_default=True)
    api_url: str = "https://api.hostaway.com/v1"
    master_key: SecretStr | None = None
    keyring: bool | None = None
    secrets_store: Literal["database", "aws", "vault"] = "database"
    rate_limit_ip: Limit = RateLimit(200, timedelta(seconds=10))
    rate_limit_account: Limit = RateLimit(200, timedelta(seconds=10))
    rate_limit_send: Limit = RateLimit(30, timedelta(seconds=60))
    send_allowlist: setting_types.ReservationIds | None = None
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
    calendar_days: int = Field(default=365, ge=0, le=730)
    calendar_after_hours: float = Field(default=20, ge=0, le=24 * 365)
    resources: setting_types.Names = Field(default=("default",), min_length=1)
    trusted_proxies: setting_types.Networks = ("127.0.0.1", "::1")
    automation_hosts: setting_types.Origins | None = None
    api_rate_limit: Limit = RateLimit(2000, timedelta(seconds=10))
    api_origins: setting_types.Origins | None = None
    keep_deliveries_days: float = Field(default=30, gt=0, le=365 * 10)
    payload_fields: setting_types.PayloadFields = ""
    metrics_textfile_dir: Path | None = None
    ping_url: SecretStr | None = None
    keep_runs_days: float = Field(default=90, gt=0, le=365 * 10)
    keep_calendar_days: float = Field(default=730, ge=1, le=365 * 10)
    keep_changes_days: float = Field(default=400, ge=1, le=365 * 10)
    keep_price_changes: bool = False
    keep_messages_days: float = Field(default=730, ge=30, le=365 * 10)

    _environment: Environment | None = PrivateAttr(default=None)

    @property
    def master_key_file(self) -> Path | None:
        """The file that the master key was read from; None if it came from a variable."""
        return self._environment.files.get("master_key") if self._environment else None

    @property
    def read_files(self) -> tuple[tuple[str, int], ...]:
        """The files that were read, with their permissions."""
        return tuple((str(file.path), file.mode) for file in self._environment.read_files) if self._environment else ()

    @property
    def ignored_names(self) -> frozenset[str]:
        """Names with our prefix that are no settings, but were allowed."""
        return frozenset(one.name for one in self._environment.unknown) if self._environment else frozenset()

    @field_validator("core_schema")
    @classmethod
    def _valid_core_schema(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", value) or value.startswith("pg_"):
            raise ValueError("must be the name of a schema: small letters, digits and _, at most 63, not pg_ first")
        if value in {SCHEMA, "information_schema"}:
            raise ValueError(f"must not be {value}, which has other objects: name a schema of its own")
        return value

    @field_validator("api_url")
    @classmethod
    def _valid_api_url(cls, value: str) -> str:
        url = _http_url(value)
        if url.scheme == "http" and url.host not in {"127.0.0.1", "localhost", "[::1]"}:
            raise ValueError("must be https, because the client secret travels on it")
        if any(part is not None for part in (url.username, url.password, url.query, url.fragment)) or '"' in value:
            raise ValueError("must be a plain address, without user, question mark, number sign and quotation mark")
        # Return the parsed URL, because another parser may find another host in an unusual text.
        return str(url).rstrip("/")

    @field_validator("ping_url")
    @classmethod
    def _valid_ping_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _http_url(value.get_secret_value())
        return value

    @field_validator("quiet_hours")
    @classmethod
    def _valid_quiet_hours(cls, value: str | None) -> str | None:
        if value and read_quiet_hours(value) is None:
            raise ValueError("must be two hours of the day, for example 22-8")
        return value

    @field_validator("data_dir")
    @classmethod
    def _absolute_data_dir(cls, value: Path) -> Path:
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
    def _upper_log_level(cls, value: object) -> object:
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
        """Use the arguments of `load_settings` alone, which knows where each value came from."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


def list_known_variables() -> frozenset[str]:
    """Return the names of all variables that are settings of this release."""
    return list_variable_names(tuple(Settings.model_fields), FILE_FIELDS)


def load_settings(allowed_names: Collection[str] = (), **overrides: Any) -> Settings:  # noqa: ANN401  (whatever a field takes)
    """Read the settings; `allowed_names` have our prefix and are no settings, but no error either.

    Raises:
        ConfigurationError: a value is invalid; the message names each such variable without its value.
        UnknownSettings: all values are valid, but some names are unknown.
    """
    environment = read_environment(os.environ, tuple(Settings.model_fields), FILE_FIELDS)
    _require_text(environment.values)
    files = {name: path for name, path in environment.files.items() if name not in overrides}
    try:
        settings = Settings(**{**environment.values, **overrides})
    except ValidationError as error:
        wrong = "; ".join(
            f"{PREFIX}{str(detail['loc'][0] if detail['loc'] else 'JWT_…').upper()} "
            f"{detail['msg'].removeprefix('Value error, ')}"
            for detail in error.errors(include_input=False, include_url=False)
        )
        raise ConfigurationError(f"settings: {wrong}") from None
    settings._environment = replace(environment, files=files)  # noqa: SLF001  (its own module)
    unknown = [one for one in environment.unknown if one.name not in allowed_names]
    if unknown:
        raise UnknownSettings(f"settings: {'; '.join(map(str, unknown))}", [one.name for one in unknown])
    return settings


def _require_text(values: Mapping[str, str]) -> None:
    """Raise ConfigurationError for a value that is no UTF-8 text: writing or sending it would fail later."""
    for name in sorted(values.keys() - {"client_secret"}):  # `account add` checks that one itself
        try:
            values[name].encode()
        except UnicodeEncodeError:
            raise ConfigurationError(f"settings: {PREFIX}{name.upper()} is not UTF-8 text") from None
