"""Parse and check the URL of a database as libpq, PostgreSQL's client library, understands it.

libpq names the options, takes the text apart, and judges the values before any server is asked. An error repeats
nothing of the URL but the name of an option: the rest may be a piece of a password.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote

import psycopg
import sqlalchemy as sa
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from hostaway_sync.environment.host_names import is_host_name
from hostaway_sync.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

SETTING_NAME: Final = "HOSTAWAY_SYNC_DATABASE_URL"
_FORM: Final = "is not a database URL: write postgresql://user:password@host/database"
_DRIVERS: Final = frozenset({"postgres", "postgresql", "postgresql+psycopg"})
_PARTS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(?:([^:/@]*)(:[^@]*)?@)?([^?]*)(?:\?(.*))?")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_WHOLE_NUMBERS: Final = frozenset(
    ["connect_timeout", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval", "tcp_user_timeout"]
)
_IS_WHOLE: Final = re.compile(r"\s*-?\d{1,9}\s*", re.ASCII)
_IS_PORT: Final = re.compile(r"\d{1,5}", re.ASCII)
_HIGHEST_PORT: Final = 65_535
# As host it names a Unix socket that cannot exist: libpq judges the options and asks no server.
_NOWHERE: Final = "/dev/null"
# Defaults that libpq does not report, of options that must not be empty.
_HIDDEN_DEFAULTS: Final = {b"sslcertmode": b"allow"}
# How the name of a Unix socket begins among hosts.
_SOCKET_PREFIXES: Final = ("/", "@")
_CONNECT_TIMEOUT_S: Final = "10"


def parse_database_url(text: str) -> sa.URL:
    """Return the URL for SQLAlchemy; white space around it is ignored.

    Raises:
        ConfigurationError: the text is no URL of PostgreSQL, or libpq does not accept it.
    """
    found = _PARTS.fullmatch(text.strip())
    if found is None or _CONTROL.search(text.strip()):
        raise ConfigurationError(f"{SETTING_NAME} {_FORM}")
    scheme, user, password, place, query = (part or "" for part in found.groups())
    if scheme.lower() not in _DRIVERS:
        raise ConfigurationError(f"{SETTING_NAME} names {scheme!r}: only postgresql:// is supported")
    if "@" in place.partition("/")[0]:
        # The part before it is a piece of the password, and must not reach an error about an unknown host.
        raise ConfigurationError(f"{SETTING_NAME} has more than one @: write %40 inside a password")
    _require_known_options(query, may_be_named=text.count("@") <= 1)
    credentials = f"{_percent_encode(user)}{_percent_encode(password, '/')}@" if user or password else ""
    # SQLAlchemy writes a space in an option as a plus sign.
    options = f"?{_percent_encode(query.replace('+', ' '))}" if query else ""
    try:
        parameters = conninfo_to_dict(f"postgresql://{credentials}{_percent_encode(place)}{options}")
    except (psycopg.Error, UnicodeError):  # UnicodeError: bytes that are no UTF-8, written in percent or as they are
        raise ConfigurationError(f"{SETTING_NAME} {_FORM}") from None
    _require_accepted(parameters)
    return _url(parameters)


def _percent_encode(part: str, more: str = "") -> str:
    """Return a part of the URL in which signs that libpq misreads are percent-encoded."""
    text = _STRAY_PERCENT.sub("%25", part)
    return "".join(quote(sign, safe="") if sign.isspace() or sign in more else sign for sign in text)


def _require_known_options(query: str, *, may_be_named: bool) -> None:
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()} | {"ssl"}
    names = [name for name, _ in parse_qsl(query, keep_blank_values=True)]
    for name in names:
        if name not in known:
            named = f": {name}" if may_be_named and name.isidentifier() else ""
            raise ConfigurationError(f"{SETTING_NAME} has an option that PostgreSQL's client does not know{named}")
        if names.count(name) > 1:
            raise ConfigurationError(f"{SETTING_NAME} has the option {name} more than once: write it once")


def _require_accepted(parameters: Mapping[str, Any]) -> None:
    """Raise ConfigurationError if libpq does not accept these parameters."""
    for name, value in parameters.items():
        if not _is_usable(name, value):
            raise _unusable(name)
    hosts, addresses = _split_list(parameters, "host"), _split_list(parameters, "hostaddr")
    if hosts and addresses and len(hosts) != len(addresses):
        raise ConfigurationError(
            f"{SETTING_NAME} cannot be used: hostaddr must have as many addresses as there are hosts"
        )
    if _is_accepted(parameters):
        return
    variables = _defaults_of_set_variables(parameters)
    without = {**variables, **parameters}
    if _is_accepted(without):
        raise _unusable_variables(parameters, variables)
    # The wrong option is the one without which libpq accepts the rest.
    others = ({key: value for key, value in without.items() if key != name} for name in parameters)
    blamed = [name for name, rest in zip(parameters, others, strict=True) if _is_accepted(rest)]
    raise _unusable(*blamed[:1])


def _is_usable(name: str, value: str) -> bool:
    if name == "port":
        return all(not port or _is_port(port) for port in value.split(","))
    if name == "host":
        return all(host.startswith(_SOCKET_PREFIXES) or is_host_name(host) for host in value.split(","))
    return name not in _WHOLE_NUMBERS or _IS_WHOLE.fullmatch(value) is not None


def _defaults_of_set_variables(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Return the default of each option that a variable of the environment sets and the URL does not."""
    return {
        option.keyword.decode(): (option.compiled or _HIDDEN_DEFAULTS.get(option.keyword, b"")).decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar and os.environ.get(option.envvar.decode()) and option.keyword.decode() not in parameters
    }


def _unusable_variables(parameters: Mapping[str, Any], variables: Mapping[str, str]) -> ConfigurationError:
    """Return the error about the variables of the environment that are wrong by themselves, or about all of them."""
    names = {option.keyword.decode(): (option.envvar or b"").decode() for option in pq.Conninfo.get_defaults()}
    others = {one: {key: value for key, value in variables.items() if key != one} for one in variables}
    blamed = [one for one, rest in others.items() if not _is_accepted({**rest, **parameters})] or list(variables)
    which = " and ".join(sorted(names[one] for one in blamed))
    return ConfigurationError(
        f"{which} of the environment cannot be used: PostgreSQL's client does not accept that for this database; "
        "correct it, or take it out of the environment"
    )


def _is_port(text: str) -> bool:
    return _IS_PORT.fullmatch(text) is not None and 1 <= int(text) <= _HIGHEST_PORT


def _is_accepted(parameters: Mapping[str, Any]) -> bool:
    elsewhere = {key: value for key, value in parameters.items() if key != "hostaddr"}
    elsewhere["host"] = ",".join(
        [_NOWHERE] * max(len(_split_list(parameters, "host")), len(_split_list(parameters, "hostaddr")), 1)
    )
    return pq.PGconn.ping(make_conninfo(**elsewhere).encode()) != pq.Ping.NO_ATTEMPT


def _split_list(parameters: Mapping[str, Any], name: str) -> list[str]:
    return parameters[name].split(",") if parameters.get(name) else []


def _unusable(*names: str) -> ConfigurationError:
    which = f"the value of {names[0]}" if names else "its options together"
    return ConfigurationError(f"{SETTING_NAME} cannot be used: PostgreSQL's client does not accept {which}")


def _url(parameters: dict[str, Any]) -> sa.URL:
    rest = dict(parameters)
    host, port = rest.pop("host", None), rest.pop("port", None)
    names = {"username": rest.pop("user", None), "password": rest.pop("password", None)}
    names["database"] = rest.pop("dbname", None)
    if host is not None and any(sign in host for sign in "/,@"):
        # SQLAlchemy takes a Unix socket, or several hosts, only as options, with one port for each host.
        ports = [port] * len(host.split(",")) if port and "," not in port else [port] if port else []
        rest |= {"host": host} | ({"port": ",".join(ports)} if ports else {})
        host = port = None
    rest.setdefault("connect_timeout", _CONNECT_TIMEOUT_S)
    return sa.URL.create("postgresql+psycopg", **names, host=host, port=int(port) if port else None, query=rest)
