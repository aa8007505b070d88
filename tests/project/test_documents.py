from __future__ import annotations

import re
import shlex
import subprocess

import pytest
from tests.support.project.pages import (
    CONTRIBUTING,
    PAGES,
    README,
    ROOT,
    Block,
    blocks,
    program,
    python,
)

from hostaway_sync import __version__

HELPS = [block for block in blocks("text") if block.text.startswith("$ hostaway-sync")]
SCRIPTS = blocks("sh")
TYPED = [line for block in SCRIPTS for line in block.text.splitlines()]
MENTIONED = [
    words for page in PAGES for words in re.findall(r"`(hostaway-sync [^`]+)`", page.read_text(encoding="utf-8"))
]
COMMANDS = sorted(
    {
        command.partition("<")[0].strip()
        for line in TYPED + MENTIONED
        for command in line.split("&&")
        if command.startswith("hostaway-sync")
    }
)


def _title(block: Block) -> str:
    return f"{block.page.name}: {block.text.splitlines()[0]}"


@pytest.mark.parametrize("block", HELPS, ids=_title)
def test_help_on_a_page_is_what_the_program_prints(block: Block) -> None:
    """Every `--help` that a page shows is what the program prints, to the letter."""
    command, _, shown = block.text.partition("\n")
    assert program(*shlex.split(command)[2:]).stdout.strip() == shown.strip()


def test_every_command_has_its_help_on_the_reference_page() -> None:
    """The reference shows the help of each command that the program's own help names."""
    shown = {block.text.splitlines()[0] for block in HELPS if block.page.name == "commands.md"}
    groups = (
        "account",
        "api-key",
        "automation",
        "calendar",
        "database",
        "database payload-fields",
        "dead-letters",
        "keys",
        "messages",
        "roles",
        "show",
        "webhooks",
    )
    for group in ("", *groups):
        listed = program(*group.split(), "--help").stdout.partition("Commands:\n")[2]
        for name in re.findall(r"^  ([\w-]+)  ", listed, re.MULTILINE):
            command = f"{group} {name}".strip()
            if command not in groups:
                assert f"$ hostaway-sync {command} --help" in shown


@pytest.mark.parametrize("block", SCRIPTS, ids=_title)
def test_shell_on_a_page_is_shell(block: Block) -> None:
    """Every block of shell parses."""
    parsed = subprocess.run(["/bin/sh", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert parsed.returncode == 0, parsed.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_command_on_a_page_exists(command: str) -> None:
    """Every command that a page tells the reader to type is one that the program knows, with its options."""
    words = shlex.split(command)[1:]
    answer = program(*words, "--help")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("Usage: hostaway-sync " + words[0])


def test_ci_runs_what_the_readme_says() -> None:
    """CI, README and CONTRIBUTING run the tests by the same line."""
    steps = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    test_line = next(line for line in steps if line.endswith("/nox"))
    for page in (README, CONTRIBUTING):
        assert any(block.page == page and block.text.strip() == test_line for block in SCRIPTS)


def test_readme_begins_with_two_commands() -> None:
    """The first two blocks of shell in the README are one line each: the demo, then the tests."""
    demo, tests = [block.text for block in SCRIPTS if block.page == README][:2]
    assert demo.count("\n") == tests.count("\n") == 1
    assert demo.endswith("/hostaway-sync demo\n")
    assert tests.endswith("/nox\n")


def test_links_between_pages_lead_somewhere() -> None:
    """Every link that stays inside the project names a file that exists and a heading that it has."""
    for page in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" in link:
                continue
            name, _, heading = link.partition("#")
            target = (page.parent / name).resolve() if name else page
            assert target.is_file(), f"{page.name}: {link}"
            if heading:
                headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
                assert heading in {re.sub(r"[^\w-]", "", text.lower().replace(" ", "-")) for text in headings}


def test_tests_that_a_page_names_exist() -> None:
    """A page that says which test holds a claim names one that is there."""
    for page in PAGES:
        for name, test in re.findall(r"`([\w/]+\.py)::(\w+)`", page.read_text(encoding="utf-8")):
            assert f"\ndef {test}(" in (ROOT / "tests" / name).read_text(encoding="utf-8"), f"{page.name}: {test}"


def test_changelog_speaks_of_this_version() -> None:
    """The changelog has a place for what is not out yet, and mentions the version that the program prints."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "## [Unreleased]" in changelog
    assert __version__ in changelog
    assert program("--version").stdout.strip() == f"hostaway-sync {__version__}"


def test_help_needs_neither_rich_nor_a_database() -> None:
    """`--help` imports nothing heavy."""
    heavy = {"rich", "sqlalchemy", "psycopg", "alembic", "httpx", "pydantic_settings", "cryptography", "structlog"}
    heavy |= {"boto3", "botocore", "starlette", "uvicorn", "prometheus_client", "procrastinate"}
    code = (
        "import sys, atexit; atexit.register(lambda: sys.stderr.write(' '.join(sys.modules)));"
        "sys.argv = ['hostaway-sync', '--help'];"
        "from hostaway_sync.__main__ import main; main()"
    )
    answer = python(code)
    assert "Usage: hostaway-sync" in answer.stdout
    assert heavy.isdisjoint(answer.stderr.split())
