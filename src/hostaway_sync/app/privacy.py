"""The door to guests: one who is to be forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hostaway_sync.errors import AccountError, UsageError
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.privacy import forget as forget_guests
from hostaway_sync.store.privacy import mail_addresses

if TYPE_CHECKING:
    from collections.abc import Collection

    from hostaway_sync.app.container import Container
    from hostaway_sync.store.privacy.forget import Erasure


class Guests:
    """The guests of one mirror.

    Args:
        container: names the database, and knows how addresses are hidden.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    def forget(
        self, account_id: int, reservations: Collection[int], emails: Collection[str], *, dry_run: bool = False
    ) -> Erasure:
        """Erase the guests who have these reservations or addresses; see `store.forgetting`.

        Raises:
            AccountError: the account is unknown.
            UsageError: an address is none.
            SecretError: addresses are stored as hashes, and the secret of these does not open.
        """
        if account_queries.find_account(self._database, account_id) is None:
            raise AccountError.unknown(account_id)
        sought = [mail_addresses.addresses_in(email) for email in emails]
        if not all(sought):
            raise UsageError("a mail address has a name, an @ and a host: one that was given has not")
        redaction = self._container.redaction() if sought else None
        addresses = {
            address: [redaction.hashed(one) for one in mail_addresses.spellings(address)] if redaction else []
            for address in frozenset().union(*sought)
        }
        wanted = forget_guests.Wanted(reservations, addresses)
        return (forget_guests.rehearse if dry_run else forget_guests.forget)(
            self._database, account_id, wanted, self._container.words
        )
