from __future__ import annotations

import ast
import re
import tomllib
from typing import TYPE_CHECKING

from tests.support.project.pages import PACKAGE, ROOT, own_files

from hostaway_sync.store.tables import metadata
from hostaway_sync.store.tables.metadata import Sentence

if TYPE_CHECKING:
    from pathlib import Path

MODULES = sorted(PACKAGE.rglob("*.py"))
TEST_FILES = sorted((ROOT / "tests").rglob("test_*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Where Hostaway may be spoken of: these folders and files are about it.
OF_THE_VENDOR = {"platforms", "cli", "sandbox", "settings.py"}
# Where its name stands for something of ours instead, or for the platform that is opened.
OUR_OWN_NAMES = {
    "__init__.py": "Mirror Hostaway accounts|Hostaway API →",  # says what the package is
    "app": r"platforms\.hostaway|Hostaway",  # opens the platform, and speaks to operators
    "doctor": r"platforms\.hostaway",  # asks whether the platform answers
    "doctor/checks.py": r"hostaway\[-_\]sync",  # looks for our command in crontabs
    "store/embedded/location.py": "hostaway-pg",  # the system user that runs root's embedded server
}
NOTHING = r"(?!)"
# What of a platform is not pure: it sends, or waits, or shares something between threads.
NOT_PURE = {
    "calendar.writing",
    "client",
    "http.api",
    "http.config",
    "http.connection_state",
    "http.pacing",
    "http.probe",
    "http.retrying",
    "http.token",
    "http.transport",
    "http.transport_errors",
    "kinds.reading",
    "messages.sending",
    "paging.page_stream",
    "webhooks.registration",
}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_helpers_of_tests_live_in_one_place() -> None:
    """No test imports another test or a conftest: a changed test breaks no other, and a helper has one home."""
    pattern = re.compile(r"^\s*(?:from|import) (tests\.(?!support\b)\S+|\S*\bconftest\b)", re.MULTILINE)
    tests = sorted((ROOT / "tests").rglob("*.py"))
    found = {_name(path): pattern.findall(_text(path)) for path in tests}
    assert {name: modules for name, modules in found.items() if modules} == {}


def test_every_module_says_what_it_is_for() -> None:
    """Every module has a docstring."""
    assert [_name(path) for path in MODULES if not ast.get_docstring(ast.parse(_text(path)))] == []


def test_modules_stay_small() -> None:
    """No module has more than 300 lines."""
    assert [_name(path) for path in MODULES if len(_text(path).splitlines()) > 300] == []


def test_what_is_printed_passes_the_gate() -> None:
    """Only `terminal.echo` prints lines, without what a terminal obeys, and `--version`, which prints no other text."""
    printing = [_name(path) for path in MODULES if "typer.echo(" in _text(path)]
    assert printing == ["src/hostaway_sync/cli/main.py", "src/hostaway_sync/cli/ui/terminal.py"]


def test_what_says_why_something_failed_is_a_sentence() -> None:
    """Whichever table has a column for it: what is written there passes the gate."""
    columns = [column for table in metadata.tables.values() for column in table.c]
    saying = {str(column) for column in columns if re.search("error|traceback|why|sentence", column.name)}
    assert saying == {str(column) for column in columns if isinstance(column.type, Sentence)}
    assert len(saying) > 8


def test_vendor_stays_in_its_rooms() -> None:
    """Outside the rooms that are about Hostaway, the word stands only in names of our own."""
    found = []
    for path in MODULES:
        place = path.relative_to(PACKAGE)
        if place.parts[0] in OF_THE_VENDOR:
            continue
        allowed = OUR_OWN_NAMES.get(place.as_posix()) or OUR_OWN_NAMES.get(place.parts[0], NOTHING)
        ours = re.compile(rf"hostaway[-_]sync|HostawaySyncError|{allowed}", re.IGNORECASE)
        found += [f"{place}: {line}" for line in _text(path).splitlines() if "hostaway" in ours.sub("", line).lower()]
    assert found == []


def test_every_test_is_one_sentence() -> None:
    """The docstring of each test function is one line that ends like a sentence."""
    found = []
    for path in TEST_FILES:
        for node in ast.walk(ast.parse(_text(path))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                sentence = ast.get_docstring(node) or ""
                if not sentence.endswith(".") or "\n" in sentence:
                    found.append(f"{_name(path)}: {node.name}")
    assert found == []


def test_new_modules_of_a_platform_are_declared_pure_or_not() -> None:
    """Each module of the platform is in the contract of pure modules, tested to the last branch, or named here."""
    contracts = PROJECT["tool"]["importlinter"]["contracts"]
    (pure,) = (contract["source_modules"] for contract in contracts if contract["name"].startswith("Pure modules"))
    root = "hostaway_sync.platforms.hostaway."
    declared = {name.removeprefix(root) for name in pure if name.startswith(root)}
    home = PACKAGE / "platforms" / "hostaway"
    modules = {path.relative_to(home).with_suffix("").as_posix().replace("/", ".") for path in home.rglob("*.py")}
    assert declared | NOT_PURE == {name for name in modules if not name.endswith("__init__")}
    assert not declared & NOT_PURE


def test_security_rules_hold_in_all_sources() -> None:
    """No security rule of the linter is switched off for a file of the program; a line that is excused says why."""
    rules = PROJECT["tool"]["ruff"]["lint"]
    security = re.compile(r"S\d+")
    assert not [rule for rule in rules["ignore"] if security.fullmatch(rule)]
    switched_off = {
        files for files, ignored in rules["per-file-ignores"].items() if any(map(security.fullmatch, ignored))
    }
    assert switched_off == {"tests/**", "benchmarks/**"}
    bare = re.compile(r"# noqa(?:: (?:[A-Z]+\d+, )*S\d+(?:, [A-Z]+\d+)*)?\s*$")
    assert [_name(path) for path in MODULES if any(bare.search(line) for line in _text(path).splitlines())] == []


def test_nothing_names_a_machine_or_a_registry() -> None:
    """No file of the project holds a path of somebody's machine or the host of a package registry."""
    homes = r"work|farm|root|(?:home|Users)/(?!somebody\b)\w+"
    hosts = r"(?:pypi|pythonhosted|npmjs|debian)\.(?:org|com)"
    telling = re.compile(rf"(?<![\w.$}}])/(?:{homes})/|{hosts}")
    found = [
        f"{_name(path)}: {line.strip()}"
        for path in [*own_files(), *ROOT.glob("*.lock")]
        for line in _text(path).splitlines()
        if telling.search(line)
    ]
    assert found == []
