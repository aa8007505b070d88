from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hostaway_sync.environment.variables import PREFIX, Environment, read_environment
from hostaway_sync.errors import ConfigurationError, UnknownSettings
from hostaway_sync.settings import FILE_FIELDS, list_known_variables, load_settings

NAMES = ("database_url", "egress", "master_key", "rate_limit_ip", "requests_in_flight")
IN_FILES = ("database_url", "master_key")


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Start in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def read(dotenv: str | None = None, **variables: str) -> Environment:
    """Return the environment of these variables, and of a `.env` with this text."""
    if dotenv is not None:
        Path(".env").write_text(dotenv, encoding="utf-8", newline="")
        Path(".env").chmod(0o600)
    return read_environment(variables, NAMES, IN_FILES)


def quoted(secret: str) -> str:
    """Write a value as docs/reference/settings.md says."""
    return "'" + secret.replace("\\", "\\\\").replace("'", "\\'") + "'"


SECRETS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1, max_size=40
) | st.text("${}HOME\\'\"# \n=`~!", min_size=1, max_size=20)


@given(SECRETS)
@example("${HOME}")
@example("$HOME")
@example("${HOME:-x}")
@example("a\\nb")
@example("it's # not")
@example("\\'")
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_single_quotes_keep_any_secret_unchanged(secret: str) -> None:
    """${…} is not replaced, whatever variables exist: a password is no program."""
    if "HOSTAWAYSYNC" in re.sub(r"[\W_]", "", secret).upper():
        return
    assert read(f"{PREFIX}MASTER_KEY={quoted(secret)}\n", HOME="/root").values["master_key"] == secret


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("HOSTAWAY_SYNC_EGRESS=${HOME}/x$y", "${HOME}/x$y"),
        ('HOSTAWAY_SYNC_EGRESS="${HOME}"', "${HOME}"),
        ("HOSTAWAY_SYNC_EGRESS='${HOME}'", "${HOME}"),
        ("export HOSTAWAY_SYNC_EGRESS = office # here", "office"),
        ("HOSTAWAY_SYNC_EGRESS=a#b", "a#b"),
        ("hostaway_sync_egress=small", "small"),
        ("\ufeffHOSTAWAY_SYNC_EGRESS=after a mark of Windows\r\n", "after a mark of Windows"),
        ("FOO BAR: not understood, and not ours\n\n  HOSTAWAY_SYNC_EGRESS=x", "x"),
        ("HOSTAWAY_SYNC_EGRESS=first\nHOSTAWAY_SYNC_EGRESS=last", "last"),
    ],
)
def test_lines_of_an_env_file_are_parsed(line: str, value: str) -> None:
    """As other programs write them, except for the dollar sign."""
    assert read(line, HOME="/root", y="z").values == {"egress": value}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("A=1\nHOSTAWAY_SYNC_EGRESS='never closed\n", 2),
        ('\n\nHOSTAWAY_SYNC_EGRESS="never closed\n', 3),
        ("HOSTAWAY_SYNC_EGRESS: office\n", 1),
        ("HOSTAWAY_SYNC_EGRESS\n", 1),
        ("A='swallows\nHOSTAWAY_SYNC_EGRESS=office\nB='\n", 1),
        ("# fine\nexport HOSTAWAY_SYNC_EGRESS='a' b\n", 2),
    ],
)
def test_unparsable_line_with_our_prefix_is_named(text: str, line: int) -> None:
    """If it were ignored, the default would silently replace the setting."""
    with pytest.raises(ConfigurationError, match=rf"\.env .*line {line}\b"):
        read(text)


DISGUISED = (
    *('"{0}X"=x', "set {0}X=x", "declare -x {0}X=x", "setenv {0}X x", '$env:{0}X="x"', "- {0}X=x", "-{0}X=x", "{0}X"),
    *("A=1; {0}X=x", "A=1 {0}X=x", "A=1;{0}X=x", "A=1 && export {0}X=x", "A=1\v{0}X=x", "A=1\f{0}X=x", "A=1\x85{0}X=x"),
    *("A=1\u2028{0}X=x", "A=1\u200b{0}X=x", "\u200b{0}X=x", "\ufeff\ufeff{0}X=x", "\u00a0{0}X x=y", "{{{0}X}}=x"),
    *(
        "A=1 B=2 {0}X=x",
        "A='1'; {0}X=x",
        "A='1' '{0}X'=x",
        "A={0}Y {0}X = x",
        "{0}EGRESS=a {0}X=x",
        "export export {0}X=x",
        "env {0}X=x",
    ),
    *("HOSTAWAY-SYNC_X=x", "HOSTAWAY.SYNC_X=x", "HOSTAWAY SYNC_X=x", "HOSTAWAYSYNC_X=x", "HostawaySyncX=x"),
    *(
        "HOSTAWAY__SYNC_X=x",
        "HOSTAWAY\u00adSYNC_X=x",
        "HOSTA\u200bWAY_SYNC_X=x",
        "HOSTAWAY\\_SYNC_X=x",
        "hostaway-sync.x: x",
    ),
    *("\uff28\uff2f\uff33\uff34\uff21\uff37\uff21\uff39_SYNC_X=x", "MY_{0}X=x", "; {0}X=x", "// {0}X=x", "<{0}X>=x"),
)


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("line", DISGUISED)
def test_our_prefix_in_any_notation_is_not_ignored(line: str, small: bool) -> None:  # noqa: FBT001  (pytest gives it)
    """As shells, PowerShell, YAML and typing errors write it: the line is named, its value is not."""
    name = PREFIX.lower() if small else PREFIX
    with pytest.raises(ConfigurationError, match=r"/\.env .*\bline 3\b") as caught:
        read(f"# of others\nB=1\n{line.format(name).replace('=x', '=hunter2')}\nC=2\n")
    assert "hunter2" not in str(caught.value)
    assert caught.value.exit_code == 78


@pytest.mark.parametrize(
    "name",
    [
        "HOSTAWAYSYNC_EGRESS",
        "HOSTAWAY-SYNC_EGRES",
        "hostaway.sync.egress",
        "HostawaySyncEgress",
        "_HOSTAWAY_SYNC_EGRESS",
    ],
)
def test_variable_with_a_distorted_prefix_is_an_unknown_name(name: str) -> None:
    """As in `.env`: its value would not be used, but a default in its place."""
    (found,) = read(**{name: "x"}).unknown
    assert (found.name, found.nearest) == (name, f"{PREFIX}EGRESS")


@pytest.mark.parametrize(
    "name", ["HOSTAWAYSYNC", "HOSTAWAY_SYNC", "HOSTAWAYSYNC_SERVICE_HOST", "HOSTAWAYSYNC_PORT_80_TCP", "HOSTAWAY_URL"]
)
def test_names_of_other_programs_are_ignored(name: str) -> None:
    """Our bare name, services of Kubernetes, and settings of other programs."""
    assert read(**{name: "x"}).unknown == ()


@given(st.text("'\"$;:-. \t\v\u200b{}()&", max_size=6), st.text("-_. \u200b\u00ad", max_size=3))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_characters_hide_our_prefix(before: str, within: str) -> None:
    """A line is a setting, an unknown name or an error."""
    try:
        found = read(f"A=1\n{before}HOSTAWAY{within}SYNC_EGRESS=x\n")
    except ConfigurationError:
        return
    assert found.values or found.unknown


@pytest.mark.parametrize(
    "line",
    [
        "# HOSTAWAY_SYNC_EGRESS=x",
        "  #HOSTAWAY_SYNC_EGRESS=x",
        "A=1 # HOSTAWAY_SYNC_EGRESS=x",
        "A='1' # HOSTAWAY_SYNC_EGRESS=x",
        "A # HOSTAWAY_SYNC_EGRESS=x",
        "IMAGE=ghcr.io/example/hostaway-sync:0.1.0",
        "COMPOSE_PROJECT_NAME=hostaway_sync",
        "A='docker run -e HOSTAWAY_SYNC_EGRESS=x'",
        "A=https://x.example/?a=1&hostaway_sync=1",
        "A=postgresql://u@h/hostaway_sync?application_name=hostaway-sync",
        "HOSTAWAY_ASYNC=1",
        "A='-----BEGIN\n#\nHOSTAWAY\n_SYNC=\n'",
    ],
)
def test_comments_and_values_with_our_name_are_ignored(line: str) -> None:
    """Comments, and values of other programs."""
    found = read(f"{line}\nHOSTAWAY_SYNC_EGRESS='y HOSTAWAY_SYNC_EGRESS=z'\n")
    assert (found.values, found.unknown) == ({"egress": "y HOSTAWAY_SYNC_EGRESS=z"}, ())


def near(name: str) -> list[tuple[str, str | None]]:
    """Return the unknown names of an environment with this variable."""
    return [(one.name, one.nearest) for one in read(**{name: "x"}).unknown]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("HOSTAWAY_SYNC_DATABSE_URL", "HOSTAWAY_SYNC_DATABASE_URL"),
        ("HOSTAWAY_SYNC_DATABASEURL", "HOSTAWAY_SYNC_DATABASE_URL"),
        ("HOSTAWAY_SYNC_DB_URL", "HOSTAWAY_SYNC_DATABASE_URL"),
        ("HOSTAWAY_SYNC_DATABASE_URL_FIEL", "HOSTAWAY_SYNC_DATABASE_URL_FILE"),
        ("HOSTAWAY_SYNC_RATE_LIMIT", "HOSTAWAY_SYNC_RATE_LIMIT_IP"),
        ("HOSTAWAY_SYNC_EGRES_FILE", None),
        ("HOSTAWAY_SYNC_ENVFILE", "HOSTAWAY_SYNC_ENV_FILE"),
        ("HOSTAWAY_SYNC_", None),
        ("HOSTAWAY_SYNC_QQQQQ", None),
        ("HOSTAWAY_SYNC_PORTS", None),
        ("HOSTAWAY_SYNC_PORT_X", None),
        ("HOSTAWAY_SYNC_TESTING", None),
    ],
)
def test_unknown_name_suggests_the_nearest_setting(name: str, nearest: str | None) -> None:
    """One wrong character would be enough to start a new, empty mirror elsewhere."""
    ((found, guess),) = near(name)
    assert found == name
    assert nearest is None or guess == nearest


@pytest.mark.parametrize("name", [f"{PREFIX}{name.upper()}" for name in NAMES])
def test_every_typing_error_is_found(name: str) -> None:
    """A character is missing, doubled or exchanged with its neighbour: the right name is suggested."""
    begin = len(PREFIX)
    for at in range(begin, len(name) - 1):
        slips = {name[:at] + name[at + 1 :], name[:at] + name[at] + name[at:]}
        slips.add(name[:at] + name[at + 1] + name[at] + name[at + 2 :])
        for slip in slips - {name}:
            assert near(slip) == [(slip, name)]


@pytest.mark.parametrize(
    "name",
    [
        "HOSTAWAY_SYNC_SERVICE_HOST",
        "HOSTAWAY_SYNC_SERVICE_PORT",
        "HOSTAWAY_SYNC_SERVICE_PORT_HTTP",
        "HOSTAWAY_SYNC_PORT",
        "HOSTAWAY_SYNC_PORT_8080_TCP",
        "HOSTAWAY_SYNC_PORT_8080_TCP_ADDR",
        "HOSTAWAY_SYNC_WEBHOOKS_SERVICE_HOST",
        "HOSTAWAY_SYNC_WEBHOOKS_SERVICE_PORT_HTTPS",
        "HOSTAWAY_SYNC_WEBHOOKS_PORT",
        "HOSTAWAY_SYNC_WEBHOOKS_PORT_53_UDP_PROTO",
        "HOSTAWAY_SYNC_TEST_PG_BIN",
        "HOSTAWAY_SYNC_MASTER_KEY_FILE",
        "OTHER_SYNC_DATABSE_URL",
        "HOSTAWAY_SYNCER",
    ],
)
def test_variables_of_kubernetes_and_tests_are_no_error(name: str) -> None:
    """Kubernetes describes services with our prefix, and tests have names of their own."""
    file = Path("key")
    file.write_text("key", encoding="utf-8")
    assert read(**{name: str(file)}).unknown == ()


def test_no_setting_looks_like_a_name_of_kubernetes() -> None:
    """A misspelt setting with such a name would be ignored."""
    for name in list_known_variables():
        assert not re.search("_SERVICE_HOST|_SERVICE_PORT|_PORT$|_PORT_", name)


def test_unknown_names_are_found_in_every_place(tmp_path: Path) -> None:
    """In `.env`, by name and not by value, and among systemd's credentials; an empty one does not count."""
    Path("credentials").mkdir()
    for name in ("hostaway_sync_database_ur", "hostaway_sync_egress", "other", "HOSTAWAY_SYNC_MASTER_KEY"):
        (Path("credentials") / name).write_text("hunter2", encoding="utf-8")
    text = "HOSTAWAY_SYNC_DATABSE_URL=hunter2\nHOSTAWAY_SYNC_EMPTY=\nHOSTAWAY_SYNC_ENV_FILE=x\n"
    found = read(text, CREDENTIALS_DIRECTORY="credentials", HOSTAWAY_SYNC_NOTHING="")
    assert [one.name for one in found.unknown] == [
        "HOSTAWAY_SYNC_DATABSE_URL",
        "HOSTAWAY_SYNC_ENV_FILE",
        "HOSTAWAY_SYNC_MASTER_KEY",
        "hostaway_sync_database_ur",
        "hostaway_sync_egress",
    ]
    assert {one.where for one in found.unknown} == {str(tmp_path / ".env"), "systemd's credentials"}
    assert "hunter2" not in str(found.unknown)


def test_unknown_names_raise_unless_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the name, its place and the suggestion; a caller who allows the name gets the settings."""
    monkeypatch.setenv("HOSTAWAY_SYNC_DATABSE_URL", "postgresql://u:hunter2@h/d")
    monkeypatch.setenv("HOSTAWAY_SYNC_EGRESS", "office")
    expected = (
        r"HOSTAWAY_SYNC_DATABSE_URL \(the environment\) is no setting .*: did you mean HOSTAWAY_SYNC_DATABASE_URL\?"
    )
    with pytest.raises(UnknownSettings, match=expected) as caught:
        load_settings()
    assert "hunter2" not in str(caught.value)
    assert caught.value.exit_code == 78
    assert caught.value.names == {"HOSTAWAY_SYNC_DATABSE_URL"}
    assert load_settings(allowed_names=caught.value.names).egress == "office"


@pytest.mark.parametrize("name", FILE_FIELDS)
def test_names_in_small_letters_are_accepted(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Also of variables that name a file; capital letters come first."""
    Path("file").write_text("https://from.file", encoding="utf-8")
    monkeypatch.setenv(f"hostaway_sync_{name}_file", "file")
    assert getattr(load_settings(), name).get_secret_value() == "https://from.file"
    monkeypatch.setenv(f"hostaway_sync_{name}", "https://small")
    assert getattr(load_settings(), name).get_secret_value() == "https://small"
    monkeypatch.setenv(f"{PREFIX}{name.upper()}", "https://capital")
    assert getattr(load_settings(), name).get_secret_value() == "https://capital"


def test_directory_called_env_holds_no_settings() -> None:
    """It may be a virtual environment."""
    Path(".env").mkdir()
    assert read().values == {}


def test_huge_env_file_is_refused() -> None:
    """It is no file of settings, and would only take memory."""
    with pytest.raises(ConfigurationError, match="larger than a file of settings"):
        read("#" * (1024 * 1024 + 1))


def test_credentials_that_cannot_be_listed_are_named(tmp_path: Path) -> None:
    """The sentence names them, not `.env`."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"CREDENTIALS_DIRECTORY .*file cannot be read: Not a directory"):
        read(CREDENTIALS_DIRECTORY=str(tmp_path / "file"))
