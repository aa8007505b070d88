"""What an examination found out, as plain values, and the findings that are made of them."""

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
    """All works; an operator should know nevertheless."""
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: what was looked at, in a word or two.
        grade: how it is.
        says: what that means, a sentence for a person; never a secret.
        advice: what to do about it; None when nothing is to be done.
        account_id: whose; None: everybody's.
    """

    check: str
    grade: Grade
    says: str
    advice: str | None = None
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Installation:
    """Where a mirror lives, as the settings say.

    Attributes:
        data_dir: of the key file, and of the embedded database.
        is_embedded: the database is ours, in `data_dir`.
        api_url: where the source is.
        files: settings and secrets came from, with their permissions.
    """

    data_dir: str
    is_embedded: bool
    api_url: str
    files: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """The key ring, and what is sealed.

    Attributes:
        source: where the keys come from, by the name an operator knows.
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
    """One answer of the source.

    Attributes:
        status: of the answer.
        seconds: it took, from the request's departure on.
        machine_is_ahead: of the source's clock, by so much; None: the answer named no time.
        database_is_ahead: likewise; None also when the database could not be asked.
    """

    status: int
    seconds: float
    machine_is_ahead: timedelta | None = None
    database_is_ahead: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """Room on the file system of a directory, in bytes; `is_writable` None: the directory is not there."""

    path: str
    free: int
    total: int
    is_writable: bool | None


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether something of an account works.

    Attributes:
        account_id: which account.
        trouble: what is wrong; None: it works.
        is_for_now: it passes by itself.
        cause: what is wrong with other accounts as well, if anything; None: it is wrong with this one alone.
    """

    account_id: int
    trouble: str | None = None
    is_for_now: bool = False
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class Proofs:
    """Those of many accounts; `unasked` are the accounts for which there was no time."""

    asked: tuple[Proof, ...]
    unasked: int = 0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Where on this machine a run is started from.

    Attributes:
        places: files and crontabs with a line of ours.
        unread: those that may have one, and may not be read.
    """

    places: tuple[str, ...]
    unread: tuple[str, ...] = ()
