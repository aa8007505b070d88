"""Personal data: guests who are to be forgotten, and which fields of payloads a database hides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.errors import AccountError, UsageError
from hostaway_sync.model.redaction import Redaction, parse_rules, require_needed_fields
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.privacy import forget as forget_guests
from hostaway_sync.store.privacy import mail_addresses, payload_rewrite, payload_rule

if TYPE_CHECKING:
    from collections.abc import Collection

    from hostaway_sync.app.container import Container
    from hostaway_sync.store.privacy.forget import ForgetResult


class Privacy:
    """The guests of one mirror.

    Args:
        container: names the database, and knows how mail addresses are hidden.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    def forget_guests(
        self, account_id: int, reservations: Collection[int], emails: Collection[str], *, dry_run: bool = False
    ) -> ForgetResult:
        """Erase the guests who have these reservations or mail addresses; see `store.privacy.forget`.

        Raises:
            AccountError: the account is unknown.
            UsageError: a mail address is not one.
            SecretError: addresses are stored as hashes, and the secret of the hashes does not open.
        """
        if account_queries.find_account(self._database, account_id) is None:
            raise AccountError.unknown(account_id)
        sought = [mail_addresses.addresses_in(email) for email in emails]
        if not all(sought):
            raise UsageError("a mail address is incomplete: give each as name@host")
        redaction = self._container.redaction() if sought else None
        addresses: dict[str, list[str]] = {}
        for email, found in zip(emails, sought, strict=True):
            for address in found:
                spellings = mail_addresses.list_spellings(address, email) if redaction else ()
                addresses.setdefault(address, []).extend(redaction.hash_text(one) for one in spellings if redaction)
        wanted = forget_guests.ForgetRequest(reservations, addresses)
        return (forget_guests.preview_forgetting if dry_run else forget_guests.forget_guests)(
            self._database, account_id, wanted, self._container.vocabulary
        )


class PayloadFields:
    """The rule of one database: which fields of payloads it hides, whatever the settings of a process say.

    Args:
        container: names the database, and opens the secret that fields are hashed with.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    @property
    def rule(self) -> str | None:
        """The rule, spelt as the setting; empty: no field is hidden. None: no process has set a rule yet."""
        return payload_rule.read_rule(self._database).text

    def set_rule(self, rule: str) -> str:
        """Make this the rule of the database, even where it hides less than before; return it as it is stored.

        Raises:
            UsageError: the rule cannot be read, or hides what the mirror needs.
            SecretError: the secret that fields are hashed with does not open.
        """
        vocabulary = self._container.vocabulary
        try:
            rules = parse_rules(rule)
            require_needed_fields(rules, vocabulary)
        except ValueError as error:
            raise UsageError(f"the rule {error}") from None
        redaction = None
        if rules:
            secret = payload_rewrite.get_or_create_secret(self._database, self._container.vault())
            redaction = Redaction(rules, secret, vocabulary)
        payload_rule.replace_rule(self._database, redaction)
        return self.rule or ""
