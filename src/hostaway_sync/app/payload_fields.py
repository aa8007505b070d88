"""The door to the rule of a database: which fields of payloads are hidden, whatever a process is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.errors import UsageError
from hostaway_sync.model.redaction import Redaction, parse, require_needed
from hostaway_sync.store.privacy import payload_rewrite, payload_rule

if TYPE_CHECKING:
    from hostaway_sync.app.container import Container


class PayloadFields:
    """The rule of one database.

    Args:
        container: names it, and opens the secret that fields are hashed with.
    """

    def __init__(self, container: Container) -> None:
        self._container = container

    @property
    def rule(self) -> str | None:
        """The fields, as the setting would name them; empty: none is hidden. None: no process has set a rule yet."""
        return payload_rule.read(self._container.database).text

    def set(self, rule: str) -> str:
        """Make a rule that of the database, whatever it shows; return it as it is kept.

        Raises:
            UsageError: it is none.
            SecretError: the secret that fields are hashed with does not open.
        """
        try:
            rules = parse(rule)
            require_needed(rules, self._container.words)
        except ValueError as error:
            raise UsageError(f"the rule {error}") from None
        database = self._container.database
        new = (
            Redaction(rules, payload_rewrite.secret_of(database, self._container.safe()), self._container.words)
            if rules
            else None
        )
        payload_rule.replace(database, new)
        return self.rule or ""
