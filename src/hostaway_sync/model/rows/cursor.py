"""Where a page of rows ended, as a text that means nothing to a caller and counts for one list alone.

A cursor only says where to go on. What a caller may see is asked anew for each page, so a forged cursor shows nothing
that a first page would not show.
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import UsageError

if TYPE_CHECKING:
    from hostaway_sync.model.rows.lists import RowFilters, RowList

_DIGEST_BYTES: Final = 6
_ACCOUNT_BYTES: Final = 8
_MOST_KEY_BYTES: Final = 80
_MOST_CHARACTERS: Final = 4 * (_DIGEST_BYTES + _ACCOUNT_BYTES + _MOST_KEY_BYTES + 2) // 3
_FORM: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{_MOST_CHARACTERS}}}", re.ASCII)
_KEY: Final = re.compile(rf"[0-9A-Za-z:.+/-]{{1,{_MOST_KEY_BYTES}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class RowCursor:
    """A place in a list, between two rows.

    Attributes:
        question: of the list and its filters; see `digest_question`.
        account_id: the account of the row before it.
        key: that row's key inside its account, as text.
    """

    question: bytes
    account_id: int
    key: str

    def __str__(self) -> str:
        whole = self.question + self.account_id.to_bytes(_ACCOUNT_BYTES, "big") + self.key.encode()
        return urlsafe_b64encode(whole).decode().rstrip("=")

    @classmethod
    def parse(cls, text: str) -> RowCursor:
        """Return the cursor that was written as this text.

        Raises:
            UsageError: no cursor is written so.
        """
        if _FORM.fullmatch(text) is not None:
            try:
                whole = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            except Error:
                raise refuse_cursor() from None
            question, rest = whole[:_DIGEST_BYTES], whole[_DIGEST_BYTES:]
            account, key = rest[:_ACCOUNT_BYTES], rest[_ACCOUNT_BYTES:].decode("latin-1")
            if _KEY.fullmatch(key):
                cursor = cls(question, int.from_bytes(account, "big"), key)
                # Of the texts that are read alike one counts.
                if cursor.account_id < 1 << 63 and str(cursor) == text:
                    return cursor
        raise refuse_cursor()

    def require_question(self, question: bytes) -> None:
        """Raise UsageError unless the cursor is of this list with these filters."""
        if self.question != question:
            raise UsageError(
                "the cursor is of another list, or of other filters: repeat the filters of the page that gave it, or "
                "leave it out to begin anew"
            )


def digest_question(wanted: RowList, filters: RowFilters) -> bytes:
    """Return what tells cursors of one list and its filters from those of others."""
    given = {name: str(value) for name, value in filters.given().items()}
    return sha256(json.dumps([wanted.value, given], sort_keys=True).encode()).digest()[:_DIGEST_BYTES]


def refuse_cursor() -> UsageError:
    """Return the error of a text that is no cursor of a list."""
    return UsageError("that is no cursor of this list: give `next` of a page as it was, or leave it out to begin anew")
