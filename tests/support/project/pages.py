"""Every page of the project as text, and the blocks and tables in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import run_program

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT / "src"
PACKAGE = SOURCES / "hostaway_sync"
README = ROOT / "README.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
REFERENCE = ROOT / "docs" / "reference"
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [README, CONTRIBUTING, ROOT / "CHANGELOG.md", *DOCS]

_ROOMS = ("src", "tests", "migrations", "docs", "benchmarks", "deploy", ".ci", ".github")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CELLS = re.compile(r"(?<!\\)\|")


class Block(NamedTuple):
    """A fenced block of a page."""

    page: Path
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """Return every block in these languages, of all pages."""
    return [
        Block(page, language, text)
        for page in PAGES
        for language, text in _BLOCK.findall(page.read_text(encoding="utf-8"))
        if language in languages
    ]


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of the Markdown tables in `text`, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads = {number - 1 for number, line in enumerate(lines) if line.startswith("|---")}
    bodies = (line for number, line in enumerate(lines) if number not in heads and not line.startswith("|---"))
    return [[cell.strip() for cell in _CELLS.split(line)[1:-1]] for line in bodies]


def own_files() -> list[Path]:
    """Return every text file that belongs to the project."""
    files = [path for path in ROOT.iterdir() if path.is_file()]
    files += [path for room in _ROOMS for path in (ROOT / room).rglob("*") if path.is_file()]
    private = {".env", ".git"}
    skipped = (".pyc", ".lock")
    return [
        path
        for path in files
        if path.name not in private
        and not path.name.startswith(".coverage")
        and path.suffix not in skipped
        # Caches and other output of tools lie in directories that begin so.
        and not any(room.startswith(".") for room in path.relative_to(ROOT).parent.parts[1:])
    ]


def program(*words: str) -> subprocess.CompletedProcess[str]:
    """Run hostaway-sync with an empty environment, forked: an interpreter takes ten times as long to start."""
    return run_program({}, *words)


def python(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, with almost no environment."""
    return _run("-c", code, *words)


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    measured = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, *words],
        cwd=SOURCES,
        env=measured,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
