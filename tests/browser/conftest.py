from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHROMIUM = "chromium"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Return Debian's Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="`nox -s browser` installs Playwright")
    program = shutil.which(_CHROMIUM)
    if program is None:
        pytest.skip("there is no Chromium here: install Debian's package `chromium`")
    with playwright.sync_playwright() as driver:
        # The tests may run as root, in a container, where Chromium has no sandbox of its own.
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return where pictures of the page go."""
    chosen = Path(os.environ.get("HOSTAWAY_SYNC_TEST_PICTURES", tmp_path / "pictures"))
    chosen.mkdir(parents=True, exist_ok=True)
    return chosen
