"""The map of the sources in docs/explanation.md and the folders are equal, and each folder can be looked over."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.support.project.pages import PACKAGE, ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))
MOST_IN_ROOT = 6
MOST_IN_A_FOLDER = 16


def _first_line(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0]


def _drawn() -> dict[str, str]:
    """Return what the map draws below the package: path → sentence."""
    page = (ROOT / "docs" / "explanation.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^src/hostaway_sync/\n(.*?)^migrations/", page, re.MULTILINE | re.DOTALL)
    found: dict[str, str] = {}
    above: list[str] = []
    for line in block.splitlines():
        indent, name, sentence = re.fullmatch(r"( +)(\S+) +(.+)", line).groups()  # type: ignore[union-attr]  # else it fails
        del above[len(indent) // 2 - 1 :]
        above.append(name)
        found["".join(above)] = sentence
    return found


def test_the_map_shows_every_folder_with_its_own_words() -> None:
    """Folders and files of the root stand in the map with the first line of their docstring, and nothing else does."""
    folders = {
        f"{folder.relative_to(PACKAGE).as_posix()}/": _first_line(folder / "__init__.py")
        for folder in FOLDERS
        if folder != PACKAGE
    }
    files = {path.name: _first_line(path) for path in PACKAGE.glob("*.py")}
    assert _drawn() == folders | files


def test_the_root_holds_few_files() -> None:
    """What is not in a folder is what all folders stand on, and the entry point."""
    assert len(list(PACKAGE.glob("*.py"))) <= MOST_IN_ROOT


def test_no_folder_is_crowded() -> None:
    """A folder holds at most as many files as a reader can look over at once."""
    sizes = {folder.relative_to(PACKAGE).as_posix(): len(list(folder.glob("*.py"))) for folder in FOLDERS}
    assert {name: size for name, size in sizes.items() if size > MOST_IN_A_FOLDER} == {}
