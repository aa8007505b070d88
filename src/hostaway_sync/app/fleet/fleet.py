"""What an operator sees of the accounts of a key: how each does, what waits for a person, whether anything moved."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import HostawaySyncError
from hostaway_sync.model.callers import Access
from hostaway_sync.model.messages import IntentState
from hostaway_sync.store import dead_letters
from hostaway_sync.store.messages import listing as message_listing
from hostaway_sync.store.status import fleet

if TYPE_CHECKING:
    from hostaway_sync.app.container import Container
    from hostaway_sync.model.messages import Intent
    from hostaway_sync.model.status import Overview, RunSummary
    from hostaway_sync.store.callers.scoped_reads import ScopedReads
    from hostaway_sync.store.dead_letters import DeadLetter

SHOWN_RUNS: Final = 30
_MOST_MESSAGES: Final = 200


class Fleet:
    """The accounts of callers, as an operator watches them; whose account something is decides who sees it.

    Args:
        container: names the database, and knows the limits.
        reads: finds the accounts of a caller.
    """

    def __init__(self, container: Container, reads: ScopedReads) -> None:
        self._container = container
        self._database = container.database
        self._reads = reads

    def list_accounts(self, access: Access) -> list[int]:
        """Return the ids of the accounts of a caller, in order."""
        return self._reads.transaction(access, lambda _, account_ids: list(account_ids))

    def overview(self, access: Access, account_id: int | None = None) -> Overview:
        """Return what the tables know of the accounts of a caller, or of one of them; of another's, nothing.

        What all accounts share (the limit of the address, the feed) only a caller of all accounts sees.
        """
        mine = set(self.list_accounts(access))
        wanted = mine if account_id is None else mine & {account_id}
        only = next(iter(wanted)) if len(wanted) == 1 else None
        found = self._container.overview(only)
        chosen = tuple(facts for facts in found.accounts if facts.account_id in wanted)
        if access == Access.everything():
            return replace(found, accounts=chosen)
        return replace(found, accounts=chosen, address=None, stall=None, new_words=())

    def list_runs(self, access: Access, *, runs: int = SHOWN_RUNS) -> dict[int, list[RunSummary]]:
        """Return the last finished runs of each account of a caller, oldest first."""
        return self._reads.transaction(access, partial(fleet.read_recent_runs, runs=runs))

    def version(self, access: Access) -> str:
        """Return a text that is another one when something that a caller sees has moved."""
        read = partial(fleet.read_version, account_ids=self.list_accounts(access))
        return self._database.transaction(read)

    def list_dead_letters(self, access: Access) -> list[DeadLetter]:
        """Return the dead letters of the accounts of a caller that wait for a person, oldest first."""
        mine = set(self.list_accounts(access))
        only = next(iter(mine)) if len(mine) == 1 else None
        found = dead_letters.list_dead_letters(self._database, account_id=only, resolved_too=False)
        return [letter for letter in found if letter.account_id in mine]

    def find_dead_letter(self, access: Access, dead_letter_id: int) -> DeadLetter | None:
        """Return a dead letter; None: it is not there, or another's."""
        try:
            letter = dead_letters.get_dead_letter(self._database, dead_letter_id)
        except HostawaySyncError:
            return None
        return letter if letter.account_id in self.list_accounts(access) else None

    def list_waiting_messages(self, access: Access) -> list[Intent]:
        """Return the newest messages to guests of a caller's accounts that are not settled, newest first."""
        states = (IntentState.OUTCOME_UNKNOWN, IntentState.SENDING, IntentState.PENDING)
        found = [
            intent
            for account_id in self.list_accounts(access)
            for intent in self._database.transaction(
                partial(message_listing.list_newest, states=states, account_id=account_id, limit=_MOST_MESSAGES)
            )
        ]
        return sorted(found, key=lambda intent: (not intent.waits_for_person, -intent.intent_id))
