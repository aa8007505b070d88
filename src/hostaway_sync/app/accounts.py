"""The accounts that are mirrored: add, update, enable, disable, remove.

add           the credentials are checked at the source first; nothing is stored that does not work
update        the same; the old secret stays until the new one has worked
enable        from then on runs, deliveries and messages are worked
disable       from then on no record is stored; a run under way ends with its next page
remove        disabled, run awaited, webhook and token removed at the source, secrets erased, rows kept or purged
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import AccountError, LeaseHeld, SecretError, SecretsUnavailable, SourceError
from hostaway_sync.store import account_purge, audit_log
from hostaway_sync.store.accounts import changes as account_changes
from hostaway_sync.store.accounts import queries as account_queries
from hostaway_sync.store.accounts.changes import AccountChanges
from hostaway_sync.store.webhooks import credentials as webhook_credentials
from hostaway_sync.sync.lease import hold_lease

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from pydantic import SecretStr

    from hostaway_sync.app.container import Container
    from hostaway_sync.model.callers import Access
    from hostaway_sync.model.records import AccessToken
    from hostaway_sync.store.accounts.changes import FieldValue
    from hostaway_sync.store.accounts.queries import Account
    from hostaway_sync.store.audit_log import AuditEntry
    from hostaway_sync.store.runs.leases import Lease

# Longer than the lease of a run that was killed on another machine.
_LONGEST_WAIT: Final = 120.0
_POLL_INTERVAL: Final = 0.25


class AddOutcome(StrEnum):
    """What `add_or_update` did with an account."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Removal:
    """What removing an account did.

    Attributes:
        account_id: which account.
        webhooks_removed: how many of our webhooks were removed at the source; None: the source refused.
        token_revoked: whether its token is revoked, or there was none.
        rows_deleted: by table; empty where rows were kept.
        troubles: what failed at the source, as sentences; a person may do it there.
    """

    account_id: int
    webhooks_removed: int | None = 0
    token_revoked: bool = True
    rows_deleted: Mapping[str, int] = field(default_factory=dict)
    troubles: tuple[str, ...] = ()


class Accounts:
    """The accounts of one mirror.

    Args:
        container: opens clients and secrets, and names the database.
    """

    def __init__(self, container: Container) -> None:
        self._container = container
        self._database = container.database

    def list_all(self) -> list[Account]:
        """Return all accounts, by id; a removed one as long as rows of it may be stored."""
        return account_queries.list_accounts(self._database)

    def read_details(self, account_id: int, *, entries: int = 10) -> tuple[Account, list[AuditEntry]]:
        """Return what may be shown of an account, removed or not, and the last changes of it, newest first.

        Raises:
            AccountError: the account is unknown.
        """
        return self._get(account_id), audit_log.list_last_entries(self._database, account_id, limit=entries)

    def add(self, account_id: int, client_secret: SecretStr, *, name: str | None, customer_id: UUID | None) -> None:
        """Check the credentials with the source, and only then store the account; a removed one comes back.

        Raises:
            AccountError: the account exists already.
            CredentialsRejected: the id or the secret is wrong.
            SourceError: the source does not answer.
            LeaseHeld: its rows are being purged.
            ConfigurationError: the settings hide less of payloads than this database does.
        """
        self._container.require_payload_rule()
        known = account_queries.find_account(self._database, account_id)
        if known is not None and known.removed_at is None:
            raise AccountError.exists(account_id)
        token = self._check_credentials(account_id, client_secret)
        with ExitStack() as stack:
            if known is not None:
                stack.enter_context(hold_lease(self._database, account_id))
            account_changes.insert_account(
                self._database,
                self._container.vault(),
                account_id,
                client_secret,
                token,
                name=name,
                customer_id=customer_id,
            )

    def add_for(
        self, access: Access, account_id: int, client_secret: SecretStr, *, name: str | None, customer_id: UUID | None
    ) -> None:
        """Add an account for a caller; whether one exists that the caller cannot see, only its secret tells.

        Raises:
            HostawaySyncError: as `add`.
        """
        known = account_queries.find_account(self._database, account_id)
        if known is not None and not access.includes(known.account_id, known.customer_id):
            self._check_credentials(account_id, client_secret)
            raise AccountError(f"account {account_id} exists already, and belongs to others: ask who runs this mirror")
        self.add(account_id, client_secret, name=name, customer_id=customer_id)

    def update(
        self, account_id: int, fields: Mapping[str, FieldValue], client_secret: SecretStr | None = None
    ) -> tuple[str, ...]:
        """Change `name`, `customer_id`, `resource_sets` and the secret of an account, where given and different.

        Returns:
            The names of what changed.

        Raises:
            AccountError: the account is unknown, or was removed.
            CredentialsRejected: the new secret does not work; the old one stays.
            SourceError: the source does not answer.
        """
        if self._get(account_id).removed_at is not None:
            raise AccountError.removed(account_id)
        token = self._check_credentials(account_id, client_secret) if client_secret is not None else None
        wishes = AccountChanges(fields, client_secret, token)
        return account_changes.change_account(self._database, self._container.vault(), account_id, wishes)

    def add_or_update(
        self, account_id: int, client_secret: SecretStr, fields: Mapping[str, str | UUID | None]
    ) -> tuple[AddOutcome, tuple[str, ...]]:
        """Add an account, or update it to this secret and these fields, after a check at the source.

        Returns:
            What was done, and the names of what changed.

        Raises:
            HostawaySyncError: nothing was changed.
        """
        known = account_queries.find_account(self._database, account_id)
        if known is None or known.removed_at is not None:
            wanted = {"name": None, "customer_id": None, **fields}
            self.add(account_id, client_secret, **wanted)  # type: ignore[arg-type]  # the values of each are its own
            return AddOutcome.ADDED, (
                *(name for name, value in wanted.items() if value is not None),
                account_changes.SECRET,
            )
        if self._has_secret(account_id, client_secret):
            # The stored token suffices for the check; a new one is not issued each time.
            with self._container.source(account_id) as source:
                source.check_credentials()
            changed = self.update(account_id, fields)
        else:
            changed = self.update(account_id, fields, client_secret)
        return AddOutcome.UPDATED if changed else AddOutcome.UNCHANGED, changed

    def enable(self, account_id: int) -> bool:
        """Enable an account; return False when it is already. Raise AccountError when it is unknown or was removed."""
        return account_changes.set_active(self._database, account_id, active=True)

    def disable(self, account_id: int) -> bool:
        """Disable an account: no sync, delivery or message of it is worked; return False when it is already.

        Raises:
            AccountError: the account is unknown, or was removed.
        """
        return account_changes.set_active(self._database, account_id, active=False)

    def remove(
        self, account_id: int, *, purge: bool = False, progress: Callable[[str, int], object] | None = None
    ) -> Removal:
        """Remove an account at the source and here; with `purge` delete its rows, those of an earlier removal, too.

        What fails at the source is reported, and stops nothing here.

        Args:
            account_id: which.
            purge: delete every row of it, and the account; after a kill, call it again.
            progress: called with each table and how many of its rows were deleted, batch by batch.

        Raises:
            AccountError: the account is unknown, or was removed and is not to be purged, or a run of it does not end.
        """
        account = self._get(account_id)
        if account.removed_at is not None and not purge:
            raise AccountError(f"account {account_id} was removed before: --purge deletes its rows")
        if account.removed_at is None:
            self.disable(account_id)
        with ExitStack() as stack:
            lease = self._wait_for_lease(account_id, stack)
            removal = Removal(account_id)
            if account.removed_at is None:
                removal = self._remove_at_source(account_id)
                account_changes.remove_account(self._database, self._container.vault(), account_id)
            if not purge:
                return removal
            rows = account_purge.purge_account(self._database, lease, progress or _ignore_progress)
        return Removal(account_id, removal.webhooks_removed, removal.token_revoked, rows, removal.troubles)

    def _remove_at_source(self, account_id: int) -> Removal:
        troubles: list[str] = []
        webhooks: int | None = None
        revoked = False
        try:
            webhooks = self._unregister(account_id)
        except (SourceError, SecretError, SecretsUnavailable) as error:
            troubles.append(f"the webhook of account {account_id} may still be registered: {error}")
        try:
            self._revoke_token(account_id)
            revoked = True
        except (SourceError, SecretError, SecretsUnavailable) as error:
            troubles.append(f"the token of account {account_id} may still be good: {error}")
        return Removal(account_id, webhooks, revoked, troubles=tuple(troubles))

    def _unregister(self, account_id: int) -> int:
        stored = self._database.transaction(
            lambda connection: webhook_credentials.find_stored_hooks(connection, account_id)
        )
        hook = stored[account_id]
        if hook.login is None and hook.hook_id is None:
            return 0
        with self._container.source(account_id) as source:
            return self._container.registrar(source, account_id).unregister()

    def _revoke_token(self, account_id: int) -> None:
        token = account_queries.StoredToken(self._database, self._container.vault(), account_id).load()
        if token is not None:
            with self._container.source(account_id) as source:
                source.revoke_token(token)

    def _get(self, account_id: int) -> Account:
        account = account_queries.find_account(self._database, account_id)
        if account is None:
            raise AccountError.unknown(account_id)
        return account

    def _has_secret(self, account_id: int, client_secret: SecretStr) -> bool:
        try:
            return (
                account_queries.open_client_secret(self._database, self._container.vault(), account_id) == client_secret
            )
        except SecretError:
            return False

    def _check_credentials(self, account_id: int, client_secret: SecretStr) -> AccessToken | None:
        vault = account_queries.InMemoryToken()
        with closing(self._container.client(account_id, client_secret, vault, force_probe=True)) as client:
            client.check_credentials()
        return vault.token

    def _wait_for_lease(self, account_id: int, stack: ExitStack) -> Lease:
        """Wait for the lease of a disabled account: its holder gives it back soon."""
        until = time.monotonic() + _LONGEST_WAIT
        while True:
            try:
                return stack.enter_context(hold_lease(self._database, account_id))
            except LeaseHeld as error:
                if time.monotonic() > until:
                    raise AccountError(
                        f"account {account_id} is disabled now, but another command works on it and does not end: "
                        f"try again when it has ({error})"
                    ) from None
            time.sleep(_POLL_INTERVAL)


def _ignore_progress(table: str, rows: int) -> None:
    del table, rows
