"""Which lines the log has, and what is in them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from hostaway_sync.observability.logging_setup import configure_logging

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def own_logging() -> Iterator[None]:
    """Put the root logger back as it was."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.mark.usefixtures("own_logging")
def test_debug_log_excludes_libraries() -> None:
    """What libraries have to say at INFO is not."""
    configure_logging("DEBUG")
    assert logging.getLogger("hostaway_sync.sync").isEnabledFor(logging.DEBUG)
    for library in ("alembic.runtime.migration", "httpx", "httpcore.http11"):
        assert not logging.getLogger(library).isEnabledFor(logging.INFO)


@pytest.mark.usefixtures("own_logging")
@pytest.mark.parametrize("style", ["console", "json"])
def test_a_traceback_in_the_log_shows_lines_and_no_variables(capsys: pytest.CaptureFixture[str], style: str) -> None:
    """Where a bug is must be seen in either style; what is in variables may be a secret."""
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
