"""No two modules need each other, neither to run nor to be typed."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import pytest
from tests.support.project.pages import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def imports_of(root: Path) -> dict[str, set[str]]:
    """Return which modules of `root` each module there imports anywhere in its text."""
    files = {_module(root, path): path for path in root.rglob("*.py")}
    return {name: _imported(path.read_text(encoding="utf-8"), files) - {name} for name, path in files.items()}


def circle_in(imports: Mapping[str, set[str]]) -> list[str]:
    """Return the modules of one circle, the first one again at its end; empty where there is none."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _module(root: Path, path: Path) -> str:
    parts = [root.name, *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(text: str, known: Mapping[str, Path]) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            # What is no module is a name in the module that it is imported from.
            found |= {name if name in known else node.module for name in names}
    return found & known.keys()


def test_no_modules_import_each_other() -> None:
    """Imports for the type checker alone count, too: a reader follows them as well."""
    imports = imports_of(PACKAGE)
    assert len(imports) > 300
    assert circle_in(imports) == []


@pytest.mark.parametrize("indent", ["", "if TYPE_CHECKING:\n    ", "def late():\n    "])
def test_a_circle_of_modules_is_found(tmp_path: Path, indent: str) -> None:
    """Wherever in a module the import stands that closes it."""
    package = tmp_path / "house"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text("from house import two")
    (package / "two.py").write_text("from house.three import name")
    (package / "three.py").write_text(f"{indent}import house.one")
    assert set(circle_in(imports_of(package))) == {"house.one", "house.two", "house.three"}
