"""How a command gets its mirror."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from hostaway_sync.cli.ui import output
from hostaway_sync.errors import UnknownSettings
from hostaway_sync.observability.log_redaction import hide_private
from hostaway_sync.observability.tracing.setup import start_tracing

if TYPE_CHECKING:
    from hostaway_sync.app.mirror import Mirror
    from hostaway_sync.settings import Settings

log = logging.getLogger(__name__)


def known_settings() -> Settings:
    """Read the settings, and set up logging as they say; a name that the database knows of a newer release is no error.

    Raises:
        ConfigurationError: they cannot be right.
    """
    from hostaway_sync.settings import load_settings

    try:
        settings = load_settings()
    except UnknownSettings as error:
        from hostaway_sync.app.database import remembered_settings

        output.configure_logging(tolerant := load_settings(also_known=error.names))
        settings = load_settings(also_known=error.names & remembered_settings(tolerant))
        log.warning("%s: of a newer release, this one does not know it", ", ".join(sorted(settings.ignored_names)))
    output.configure_logging(settings)
    return settings


def read_settings() -> Settings:
    """Read the settings, set up logging as they say, and spans as OpenTelemetry's own variables do."""
    settings = known_settings()
    start_tracing(os.environ, hide_private)
    return settings


def open_mirror(
    *, check_schema: bool = True, settings: Settings | None = None, connections: int | None = None
) -> Mirror:
    """Open the mirror that the settings describe; they are read unless they were before.

    `connections` is how many it may take of the database at most, where that is not the usual number.
    """
    from hostaway_sync.app.mirror import Mirror

    # What the server shows of a connection: an operator sees which command holds it.
    application = " ".join(("hostaway-sync", *sys.argv[1:2]))
    return Mirror(
        settings or read_settings(), check_schema=check_schema, application=application, connections=connections
    )
