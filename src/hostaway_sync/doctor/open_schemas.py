"""What it means that every role may make functions in a schema. Pure: no I/O, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.doctor.facts import Finding, Grade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hostaway_sync.store.facts import Server


def of_open_schemas(found: Server) -> Iterator[Finding]:
    """Judge where every role may make functions that take the place of the server's, or of ours."""
    for name in found.open_schemas:
        advice = f'have its owner run `REVOKE CREATE ON SCHEMA "{name}" FROM PUBLIC`'
        if name == "public":
            says = "every role may create functions in schema public: programs never look there, sessions of psql do"
            yield Finding("schemas", Grade.HINT, says, advice)
        else:
            says = f"every role may create functions in schema {name}, and the worker would call them"
            yield Finding("schemas", Grade.TROUBLE, says, advice)
