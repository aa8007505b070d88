from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from hatchling.builders.wheel import WheelBuilder
from tests.support.project.pages import PACKAGE, ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_wheel_has_every_file_of_sql(tmp_path: Path) -> None:
    """Without those of the views, `migrate` would make none and say nothing."""
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as wheel:
        packed = {name for name in wheel.namelist() if name.endswith(".sql")}
    views = {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*.sql")}
    migrations = ROOT / "migrations"
    frozen = {
        f"hostaway_sync/migrations/{path.relative_to(migrations).as_posix()}" for path in migrations.rglob("*.sql")
    }
    assert len(views) > 20
    assert packed == views | frozen
