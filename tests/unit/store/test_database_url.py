from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from psycopg import pq
from psycopg.conninfo import make_conninfo

from hostaway_sync.errors import ConfigurationError
from hostaway_sync.store.connection.database_url import parse_database_url

SECRET = "hunter2"  # noqa: S105  (it must not show up anywhere)
ENCODED = "p%40%2F%20%25"
FORM = "is not a database URL: write postgresql://user:password@host/database"
UNKNOWN = "has an option that PostgreSQL's client does not know"
REJECTED = "cannot be used: PostgreSQL's client does not accept the value of"
CHECKED = (
    *("sslmode", "target_session_attrs", "gssencmode", "load_balance_hosts", "require_auth", "channel_binding"),
    *("service", "keepalives", "tcp_user_timeout", "connect_timeout", "port"),
)
NO_HOSTS = ("db..example.com", ".example.com", "..", "a..b", "127.0.0.1,a..b", "xn--ö.invalid", "x" * 64, "x" * 300)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start without variables of libpq."""
    for option in pq.Conninfo.get_defaults():
        if option.envvar:
            monkeypatch.delenv(option.envvar.decode(), raising=False)


def parameters(text: str) -> dict[str, Any]:
    """Return the driver's connection parameters."""
    url = parse_database_url(text)
    _, options = url.get_dialect()().create_connect_args(url)
    options.pop("connect_timeout")
    return dict(options)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("postgresql://u:p@h:5433/d", {"user": "u", "password": "p", "host": "h", "port": 5433, "dbname": "d"}),
        ("postgres://h/d", {"host": "h", "dbname": "d"}),
        ("postgresql+psycopg://h/d", {"host": "h", "dbname": "d"}),
        ("POSTGRESQL://h/d", {"host": "h", "dbname": "d"}),
        ("postgresql://h/d\n", {"host": "h", "dbname": "d"}),
        (" \t postgresql://h/d \r\n", {"host": "h", "dbname": "d"}),
        (f"postgresql://u:{ENCODED}@h/d", {"user": "u", "password": "p@/ %", "host": "h", "dbname": "d"}),
        ("postgresql://u:a b/c?d%x#é@h/d", {"user": "u", "password": "a b/c?d%x#é", "host": "h", "dbname": "d"}),
        ("postgresql://[::1]:5/d", {"host": "::1", "port": 5, "dbname": "d"}),
        ("postgresql://[fe80::1%25eth0]/d", {"host": "fe80::1%eth0", "dbname": "d"}),
        ("postgresql:///d?host=/run/postgresql", {"host": "/run/postgresql", "dbname": "d"}),
        ("postgresql://%2Frun%2Fpostgresql:77/d", {"host": "/run/postgresql", "port": "77", "dbname": "d"}),
        ("postgresql:///d?host=@abstract", {"host": "@abstract", "dbname": "d"}),
        ("postgresql://u@h", {"user": "u", "host": "h"}),
        ("postgresql://h:/my%20guests", {"host": "h", "dbname": "my guests"}),
        ("postgresql://", {}),
        ("postgresql://h/d?ssl=true", {"host": "h", "dbname": "d", "sslmode": "require"}),
        (
            "postgresql://h/d?options=-c+lock_timeout%3D5s",
            {"host": "h", "dbname": "d", "options": "-c lock_timeout=5s"},
        ),
        (
            "postgresql://u:p@a:5432,b:5433/d?target_session_attrs=read-write",
            {"user": "u", "password": "p", "host": "a,b", "port": "5432,5433", "dbname": "d"}
            | {"target_session_attrs": "read-write"},
        ),
        ("postgresql://a,b:5433/d", {"host": "a,b", "port": ",5433", "dbname": "d"}),
        ("postgresql://[::1]:5,b/d", {"host": "::1,b", "port": "5,", "dbname": "d"}),
        ("postgresql:///d?host=a,/run/pg&port=7", {"host": "a,/run/pg", "port": "7,7", "dbname": "d"}),
    ],
)
def test_url_is_read_as_libpq_reads_it(text: str, wanted: dict[str, Any]) -> None:
    """The driver gets each part, and libpq accepts them unchanged."""
    assert parameters(text) == wanted
    assert pq.PGconn.ping(make_conninfo(**wanted | {"host": "/dev/null", "port": ""}).encode()) != pq.Ping.NO_ATTEMPT


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"mysql://u:{SECRET}@h/d", "names 'mysql': only postgresql:// is supported"),
        (f"sqlite:///{SECRET}", "names 'sqlite': only postgresql:// is supported"),
        ("", FORM),
        (" \n", FORM),
        (SECRET, FORM),
        (f"host=h password={SECRET}", FORM),
        (f"jdbc:postgresql://h/d?password={SECRET}", FORM),
        (f"postgresql://u:{SECRET}%00@h/d", FORM),
        (f"postgresql://u:{SECRET}@h/d\npostgresql://h/d", FORM),
        (f"postgresql://u:a@{SECRET}@h/d", "has more than one @: write %40 inside a password"),
        (f"postgresql://u:{SECRET}@h/d?sslmod=require", f"{UNKNOWN}: sslmod"),
        (f"postgresql://u:{SECRET}@h/d?pool_size=5", f"{UNKNOWN}: pool_size"),
        (f"postgresql://u:p@h?{SECRET}=1@h/d", UNKNOWN),
        (f"postgresql://u@h/d?sslmode=require&sslmode={SECRET}", "has the option sslmode more than once"),
        (f"postgresql://u@h/d?host=a:1&host={SECRET}", "has the option host more than once"),
        *((f"postgresql://u@h/d?{name}={SECRET}", f"{REJECTED} {name}") for name in CHECKED),
        (f"postgresql://u:{SECRET}@h:99999/d", f"{REJECTED} port"),
        (f"postgresql://u:{SECRET}@h:0/d", f"{REJECTED} port"),
        (f"postgresql://u:{SECRET}@h:port/d", f"{REJECTED} port"),
        (f"postgresql://u:{SECRET}@a,b/d?port=1,2,3", f"{REJECTED} port"),
        (f"postgresql://u:{SECRET}@a/d?hostaddr=10.0.0.1,10.0.0.2", "cannot be used: hostaddr must have as many"),
        (f"postgresql://u:{SECRET}@a,b/d?hostaddr=10.0.0.1", "cannot be used: hostaddr must have as many"),
        *((f"postgresql://u:{SECRET}@{host}/d", f"{REJECTED} host") for host in NO_HOSTS),
        *((f"postgresql:///d?host={host}", f"{REJECTED} host") for host in NO_HOSTS),
        (f"postgresql://u:{SECRET}%FF@h/d", FORM),
        (f"postgresql://%FFu:{SECRET}@h/d", FORM),
        (f"postgresql://u:{SECRET}@h%FF/d", FORM),
        (f"postgresql://u:{SECRET}@h/%FFd", FORM),
        (f"postgresql://u:{SECRET}@h/d?application_name=%C3%28", FORM),
        (f"postgresql:///d?password={SECRET}&host=%FF", FORM),
        (f"postgresql://u:{SECRET}\udcff@h/d", FORM),
        (f"postgresql://u:{SECRET}@h/\udcffd", FORM),
        (f"\udcffpostgresql://u:{SECRET}@h/d", FORM),
        (f"postgresql://u:{SECRET}@a/d?sslnegotiation=direct&sslmode=prefer", f"{REJECTED} ssl"),
    ],
)
def test_wrong_url_gives_one_sentence_without_secrets(text: str, sentence: str) -> None:
    """It is refused before any connection, and only the name of an option is repeated."""
    with pytest.raises(ConfigurationError) as caught:
        parse_database_url(text)
    assert str(caught.value).startswith(f"HOSTAWAY_SYNC_DATABASE_URL {sentence}")
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


# With single bytes that are no UTF-8, as Python reads them from the environment.
ANYTHING = st.text(st.characters(exclude_categories=[]), max_size=60) | st.text("ab.%Fö\udcff,@/?=&", max_size=20)


@example("postgresql://u:p@[")
@example("postgresql://h/d?host=%")
@example("postgresql://u:p@a..b/d")
@example(f"postgresql://u:{'%FF'}@h/d")
@given(ANYTHING | ANYTHING.map("postgresql://u:".__add__) | ANYTHING.map("postgresql://u:p@{}/d".format))
def test_any_text_is_a_url_or_a_configuration_error(text: str) -> None:
    """No other error is raised, and an accepted URL reads the same when it is written out again."""
    try:
        url = parse_database_url(text)
    except ConfigurationError:
        return
    assert parse_database_url(url.render_as_string(hide_password=False)) == url
    for host in str(url.host or url.query.get("host", "")).split(","):
        assert host.startswith(("/", "@")) or host.encode("idna") is not None


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30))
def test_any_percent_encoded_password_is_read(password: str) -> None:
    """Whatever a password generator makes."""
    from urllib.parse import quote

    assert parameters(f"postgresql://u:{quote(password, safe='')}@h/d")["password"] == password


@pytest.mark.parametrize(
    ("variables", "query", "named"),
    [
        ({"PGSSLMODE": "bogus"}, "", "PGSSLMODE"),
        ({"PGREQUIREAUTH": "bogus"}, "", "PGREQUIREAUTH"),
        ({"PGSSLMINPROTOCOLVERSION": "TLSv9"}, "", "PGSSLMINPROTOCOLVERSION"),
        ({"PGSSLMAXPROTOCOLVERSION": "TLSv9"}, "", "PGSSLMAXPROTOCOLVERSION"),
        ({"PGSSLNEGOTIATION": "direct"}, "", "PGSSLNEGOTIATION"),
        ({"PGSSLNEGOTIATION": "direct"}, "sslmode=prefer", "PGSSLNEGOTIATION"),
        ({"PGSSLCERTMODE": "bogus"}, "", "PGSSLCERTMODE"),
        ({"PGGSSENCMODE": "bogus"}, "", "PGGSSENCMODE"),
        ({"PGCHANNELBINDING": "bogus"}, "", "PGCHANNELBINDING"),
        ({"PGSSLMODE": "bogus", "PGSSLROOTCERT": "/some/ca.pem"}, "application_name=x", "PGSSLMODE"),
        ({"PGSSLMODE": "bogus", "PGREQUIREAUTH": "bogus"}, "", "PGREQUIREAUTH and PGSSLMODE"),
        (
            {"PGSSLMINPROTOCOLVERSION": "TLSv1.3", "PGSSLMAXPROTOCOLVERSION": "TLSv1.2"},
            "",
            "PGSSLMAXPROTOCOLVERSION and PGSSLMINPROTOCOLVERSION",
        ),
    ],
)
def test_wrong_variable_of_libpq_is_named(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], query: str, named: str
) -> None:
    """The URL is valid, and the sentence does not mention it."""
    url = f"postgresql://u:{SECRET}@h/d?{query}"
    assert parse_database_url(url)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        parse_database_url(url)
    assert str(caught.value).startswith(f"{named} of the environment cannot be used: ")
    assert caught.value.exit_code == 78
    assert SECRET not in str(caught.value)


def test_url_overrules_a_variable_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own faults are not blamed on the environment."""
    monkeypatch.setenv("PGSSLMODE", "bogus")
    assert parse_database_url("postgresql://h/d?sslmode=require")
    with pytest.raises(
        ConfigurationError, match=r"^HOSTAWAY_SYNC_DATABASE_URL .* does not accept the value of require_auth$"
    ):
        parse_database_url("postgresql://h/d?require_auth=bogus")
