"""Ids of records as callers write them: the source's own id, or the whole key, which names the account, too."""

from __future__ import annotations

from dataclasses import dataclass

from hostaway_sync.model.ids import read_id

_SEPARATOR = ":"


@dataclass(frozen=True, slots=True)
class RecordId:
    """A record, by its number at the source.

    Attributes:
        number: the source's id.
        account_id: whose; None: the caller did not say.
    """

    number: int
    account_id: int | None = None

    @classmethod
    def parse(cls, text: str, source: str) -> RecordId | None:
        """Return the record that a text names; None: no record has such an id.

        Args:
            text: the source's id, or `source:account:id`. Only the form in which rows have it counts.
            source: what whole keys begin with.
        """
        match text.split(_SEPARATOR):
            case [last]:
                number = _read(last)
                return None if number is None else cls(number)
            case [system, account, last] if system == source:
                number, account_id = _read(last), _read(account)
                return None if number is None or account_id is None else cls(number, account_id)
        return None


def _read(text: str) -> int | None:
    number = read_id(text)
    return number if str(number) == text else None
