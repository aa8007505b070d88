"""The facts that an examination gathers, and the findings that are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta


class Grade(StrEnum):
    """How much a finding matters; ordered from the worst."""

    TROUBLE = "trouble"
    """Something does not work, or soon will not."""
    HINT = "hint"
    """Everything works; an operator should still know this."""
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked.

    Attributes:
        check: what was checked, in a word or two.
        grade: how much it matters.
        says: the result, as a sentence for a person; never a secret.
        advice: what to do about it; None: nothing.
        account_id: the account it is about; None: all.
    """

    check: str
    grade: Grade
    says: str
    advice: str | None = None
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a mirror is installed, as the settings say.

    Attributes:
        data_dir: of the key file, and of the embedded database.
        is_embedded: the database is the embedded one, in `data_dir`.
        api_url: where the source is.
        files: files that settings and secrets came from, with their permissions.
    """

    data_dir: str
    is_embedded: bool
    api_url: str
    files: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """The key ring, and what is sealed.

    Attributes:
        source: where the keys come from, as an operator calls it.
        known: keys in the ring; 0: there are none yet, and nothing is sealed either.
        values: sealed values; None: the database could not be asked.
        lost: those of them whose key is not in the ring.
        plain: values that should be sealed and are not.
    """

    source: str
    known: int
    values: int | None = None
    lost: int = 0
    plain: int = 0


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """One answer of the source to a request without a token.

    Attributes:
        status: HTTP status of the answer.
        seconds: from sending the request to the end of the answer.
        machine_is_ahead: by how much this machine's clock is ahead of the source's; None: the answer named no time.
        database_is_ahead: the same of the database's clock; None also when the database could not be asked.
    """

    status: int
    seconds: float
    machine_is_ahead: timedelta | None = None
    database_is_ahead: timedelta | None = None


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """Space on the file system of a directory, in bytes; `is_writable` None: the directory does not exist."""

    path: str
    free: int
    total: int
    is_writable: bool | None


@dataclass(frozen=True, slots=True)
class AccountCheck:
    """Whether something of an account works.

    Attributes:
        account_id: which account.
        trouble: what is wrong; None: it works.
        is_for_now: it passes without a repair.
        cause: what may be wrong with other accounts, too; None: it is about this account alone.
    """

    account_id: int
    trouble: str | None = None
    is_for_now: bool = False
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class AccountChecks:
    """The checks of many accounts; `unasked` counts the accounts for which there was no time."""

    asked: tuple[AccountCheck, ...]
    unasked: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Where on this machine a run is started from.

    Attributes:
        places: crontabs, files and timers that start runs.
        unread: files that may start runs, and that this user may not read.
    """

    places: tuple[str, ...]
    unread: tuple[str, ...] = ()
