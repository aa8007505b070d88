"""Checks of an installation: gather facts, judge them, report findings.

the machine  ─┐
the database ─┼─ examination → facts ──→ checks → findings
the source   ─┘  I/O, bounded            pure
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hostaway_sync.doctor.findings import Finding
    from hostaway_sync.settings import Settings


def examine(settings: Settings) -> tuple[Finding, ...]:
    """Check everything that a mirror with these settings needs, broken or not, within some seconds.

    Raises:
        ConfigurationError: the settings hide payload fields that the mirror needs.
    """
    from hostaway_sync.app.container import Container, find_keys
    from hostaway_sync.app.resources import VOCABULARY
    from hostaway_sync.doctor.examination import Examination
    from hostaway_sync.doctor.findings import Installation
    from hostaway_sync.settings import SCHEMA
    from hostaway_sync.store.privacy.payload_rule import parse_own_rules

    parse_own_rules(settings.payload_fields, VOCABULARY)
    once = settings.model_copy(update={"retry_attempts": 1})
    examination = Examination(
        Installation(str(settings.data_dir), settings.database_url is None, settings.api_url, settings.read_files),
        address=(settings.egress, settings.rate_limit_ip),
        open_container=lambda: Container(once, application="hostaway-sync doctor"),
        find_keys=lambda: find_keys(settings),
        platform=SCHEMA,
    )
    return examination.findings()
