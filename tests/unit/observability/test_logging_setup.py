"""Which lines the log has, and their content."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.observability.logging_setup import configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Restore the root logger after the test."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.mark.usefixtures("own_logging")
def test_debug_log_excludes_libraries() -> None:
    """Lines of libraries at INFO are left out."""
    configure_logging("DEBUG")
    assert logging.getLogger("hostaway_sync.sync").isEnabledFor(logging.DEBUG)
    for library in ("alembic.runtime.migration", "httpx", "httpcore.http11"):
        assert not logging.getLogger(library).isEnabledFor(logging.INFO)


@pytest.mark.usefixtures("own_logging")
@pytest.mark.parametrize("style", ["console", "json"])
def test_logged_traceback_shows_lines_and_no_variables(capsys: pytest.CaptureFixture[str], style: str) -> None:
    """Both formats show where an error is; variables may hold a secret."""
    configure_logging("WARNING", style)
    held = "variable".upper()
    try:
        _ = held.index("nowhere")
    except ValueError:
        logging.getLogger("hostaway_sync.queue").exception("a bug")
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "held.index(" in said
    assert held not in said
