from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.dialects import postgresql
from tests.support.project.pages import DOCS, README, REFERENCE, ROOT, rows

from hostaway_sync import errors
from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.model.records import RunState
from hostaway_sync.platforms.hostaway.webhooks import events
from hostaway_sync.settings import PREFIX, RateLimit, Settings, list_known_variables
from hostaway_sync.store.tables import metadata

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Dialect

POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it untyped
ENV_EXAMPLE = ROOT / ".env.example"
SETTINGS = {f"{PREFIX}{name}".upper(): field for name, field in Settings.model_fields.items()}
ERRORS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, HostawaySyncError)]


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^### (\w+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


TABLES_PAGE = _sections((REFERENCE / "tables.md").read_text(encoding="utf-8"))


def test_every_table_has_its_place_on_the_page() -> None:
    """The page of tables has all of them and the view, and no other."""
    assert set(TABLES_PAGE) == {*metadata.tables, "messages"}


@pytest.mark.parametrize("name", metadata.tables)
def test_documented_columns_are_the_tables_own(name: str) -> None:
    """The page of tables has each column, in order, with its type, and says which may be NULL."""
    columns = [
        (f"`{column.name}`", column.type.compile(dialect=POSTGRESQL), "yes" if column.nullable else "")
        for column in metadata.tables[name].columns
    ]
    shown = [tuple(row[:3]) for row in rows(TABLES_PAGE[name])]
    assert shown == [
        (column, kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ"), null) for column, kind, null in columns
    ]


def test_documented_columns_are_the_views_own() -> None:
    """The page of tables has each column of the view `messages`, in order."""
    sql = (ROOT / "migrations" / "views" / "messages.sql").read_text(encoding="utf-8")
    selected = sql.partition("SELECT")[2].partition("FROM")[0]
    names = [re.findall(r"\w+", line)[-1] for line in selected.strip().splitlines()]
    assert [f"`{name}`" for name in names] == [row[0] for row in rows(TABLES_PAGE["messages"])]


def test_readme_names_every_table() -> None:
    """The README's overview leaves out no table."""
    readme = README.read_text(encoding="utf-8")
    assert [name for name in [*metadata.tables, "messages"] if f"`{name}`" not in readme] == []


@pytest.mark.parametrize("page", [README, ENV_EXAMPLE, *DOCS], ids=lambda page: page.name)
def test_settings_on_a_page_exist(page: Path) -> None:
    """No page names a setting that the program does not know."""
    named = set(re.findall(rf"{PREFIX}[A-Z_]+", page.read_text(encoding="utf-8")))
    assert named <= list_known_variables()


def test_reference_has_every_name_that_means_something() -> None:
    """And none that means nothing."""
    named = set(re.findall(rf"{PREFIX}[A-Z_]+", (REFERENCE / "settings.md").read_text(encoding="utf-8")))
    assert named == list_known_variables()


@pytest.mark.parametrize("page", [README, ENV_EXAMPLE, REFERENCE / "settings.md"], ids=lambda page: page.name)
def test_page_about_settings_has_them_all(page: Path) -> None:
    """README, `.env.example` and the reference know every setting."""
    named = set(re.findall(rf"{PREFIX}[A-Z_]+", page.read_text(encoding="utf-8")))
    assert named >= set(SETTINGS)


def test_documented_defaults_are_the_programs_own() -> None:
    """The reference shows each default as one would write it, and none where it depends on the machine."""
    shown = {
        row[0].strip("`"): row[1].strip("`") for row in rows((REFERENCE / "settings.md").read_text(encoding="utf-8"))
    }
    for name, field in SETTINGS.items():
        default = field.default
        if field.default_factory is not None or default is None:
            assert shown[name] == ""
        elif isinstance(default, RateLimit):
            assert shown[name] == f"{default.requests}/{default.window.total_seconds():.0f}"
        elif isinstance(default, tuple):
            assert shown[name] == ",".join(default)
        else:
            assert shown[name] == str(default)


def test_example_environment_changes_nothing() -> None:
    """Every setting in `.env.example` is commented out: copying it as it is does no harm."""
    lines = ENV_EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_documented_errors_are_the_trees_own() -> None:
    """The page of exit codes has each error with its code and its advice."""
    page = (REFERENCE / "exit-codes.md").read_text(encoding="utf-8").partition("## Errors")[2]
    shown = {(row[0].strip("`"), row[1], row[2]) for row in rows(page)}
    assert shown == {(kind.__name__, str(kind.exit_code), kind.advice.value) for kind in ERRORS}


@pytest.mark.parametrize("page", [README, REFERENCE / "exit-codes.md"], ids=lambda page: page.name)
def test_every_exit_code_is_explained(page: Path) -> None:
    """README and reference explain each code that an error has, and those of signals."""
    explained = {code for row in rows(page.read_text(encoding="utf-8")) for code in row[0].split(", ")}
    assert explained >= {"0", "129", "130", "143"} | {str(kind.exit_code) for kind in ERRORS}


def test_error_tree_is_drawn_whole() -> None:
    """The drawing in `errors` has each error, with its advice and code where it is raised as such."""
    drawing = inspect.getdoc(errors) or ""
    for kind in ERRORS:
        line = next(line for line in drawing.splitlines() if re.search(rf"\b{kind.__name__}\b", line))
        words = line.split(kind.__name__)[1].split()
        if words and kind is not HostawaySyncError:
            assert words[:2] == [kind.advice.value, str(kind.exit_code)]


def test_states_of_a_run_are_drawn_whole() -> None:
    """The explanation draws each state that a run can have."""
    page = (ROOT / "docs" / "explanation.md").read_text(encoding="utf-8")
    drawing = page.partition("## The states of a run")[2].partition("```text")[2].partition("```")[0]
    assert set(RunState) <= set(re.findall(r"\w+", drawing))


def test_documented_events_are_the_programs_own() -> None:
    """The page of events has each, what it is about and where its id may stand; and each reason to ignore one."""
    shown, reasons = (rows(part) for part in (REFERENCE / "events.md").read_text(encoding="utf-8").split("Every other"))
    assert [(row[0].strip("`"), row[1], row[2]) for row in shown] == [
        (
            name,
            ", ".join(dict.fromkeys(place.resource.value for place in places)),
            ", ".join(f"`{place.key}`" for place in places),
        )
        for name, places in events.ID_LOCATIONS.items()
    ]
    bodies = (b"", b"[]", b'{"accountId": 2}', b"{}", b'{"event": "x"}', b'{"event": "listing.created"}')
    found = [events.read_event(body, account_id=1)[0].ignored for body in bodies]
    assert [row[0].strip("`") for row in reasons] == found
