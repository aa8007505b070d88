"""Opening the app for a command: settings, logging, tracing, mirror."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from hostaway_sync.errors import UnknownSettings
from hostaway_sync.observability.log_redaction import hide_private
from hostaway_sync.observability.logging_setup import configure_logging
from hostaway_sync.observability.tracing.setup import start_tracing

if TYPE_CHECKING:
    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.settings import Settings

log = logging.getLogger(__name__)


def load_known_settings() -> Settings:
    """Read the settings, and set up logging by them.

    A name that the database knows of a newer release is no error: machines are upgraded one after the other.

    Raises:
        ConfigurationError: the settings cannot be right.
    """
    from hostaway_sync.settings import load_settings

    try:
        settings = load_settings()
    except UnknownSettings as error:
        from hostaway_sync.app.database import remembered_settings

        tolerant = load_settings(allowed_names=error.names)
        configure_logging(tolerant.log_level, tolerant.log_format)
        settings = load_settings(allowed_names=error.names & remembered_settings(tolerant))
        log.warning("%s: of a newer release, this one does not know it", ", ".join(sorted(settings.ignored_names)))
    configure_logging(settings.log_level, settings.log_format)
    return settings


def read_settings() -> Settings:
    """Read the settings, set up logging by them, and tracing by OpenTelemetry's own variables."""
    settings = load_known_settings()
    start_tracing(os.environ, hide_private)
    return settings


def open_mirror(
    *, check_schema: bool = True, settings: Settings | None = None, connections: int | None = None, beside: int = 0
) -> Mirror:
    """Open the mirror of these settings, or of those that are read now.

    Args:
        check_schema: refuse an outdated schema.
        settings: None: read them.
        connections: the most that the mirror takes of the database at once, unless the settings say otherwise; None:
            the usual number.
        beside: how many more a receiver or a worker in this process will take.
    """
    from hostaway_sync.app.mirror import Mirror

    # The server lists connections under this name: an operator sees which command holds one.
    application = " ".join(("hostaway-sync", *sys.argv[1:2]))
    return Mirror(
        settings or read_settings(),
        check_schema=check_schema,
        application=application,
        connections=connections,
        beside=beside,
    )
