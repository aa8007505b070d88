"""Everything that can go wrong, as one tree; each error says what to do about it.

HostawaySyncError                what to do   exit code
├── UsageError                   permanent    2    an argument that can never be right
├── ConfigurationError           permanent    78   settings
│   ├── SchemaOutdated           permanent    78   run `hostaway-sync migrate`
│   ├── UnknownSettings          permanent    78   names with our prefix that are no settings: misspelt, most often
│   ├── UntrustedFile            permanent    78   a file that another user placed, or may change
│   └── SecretError              permanent    78   key ring: unknown key id, damaged value
│       ├── KeyMissing           permanent    78   there is no key at all
│       └── SecretGone           permanent    78   the store of secrets does not hold it (any more)
├── SourceError
│   ├── SourceUnavailable        retry        1    network, timeout, 5xx, a body that is not what was asked for
│   │   └── SourceAway           retry        1    so many failures in a row that nobody asks for a while
│   ├── RateLimited              snooze       1    429: waits for its window, is no attempt
│   ├── CredentialsRejected      permanent    1    the id or the secret is wrong
│   ├── TokenRejected            retry        1    401 or 403 on a call: renew the token once
│   ├── Forbidden                skip         1    the token works, this object is not ours to read
│   ├── NotFound                 skip         1    404
│   └── RequestRejected          permanent    1    any other 4xx
├── StoreError
│   ├── StoreUnavailable         retry        1    connection lost, server restarting, serialization
│   └── StoreBusy                retry        1    another program holds a lock, and did not give it back in time
├── SecretsUnavailable           retry        1    the store of secrets is away or wants less asked of it
├── AccountError                 permanent    1    exists already, is unknown, disabled or removed
├── MessageRefused               permanent    1    a guard rail keeps a message from a guest
├── MessageUnsettled             permanent    1    whether a guest got a message is not known
├── LeaseHeld                    snooze       75   another run works on this account
├── LeaseLost                    permanent    1    this run was paused so long that another took over
└── RunIncomplete                permanent    1    something of a run failed; its message names what
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Self

from hostaway_sync.safe_text import hide_private, join_lines

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta


class Advice(StrEnum):
    """What whoever catches an error should do."""

    RETRY = "retry"
    SNOOZE = "snooze"
    SKIP = "skip"
    PERMANENT = "permanent"


class HostawaySyncError(Exception):
    """Root of the tree. The message is one sentence an operator can act on; it never holds a secret.

    Its text passes `join_lines` and `hide_private` of `safe_text` when it is made, so a screen, a log, a table and a
    ping hold the same text.
    """

    advice: ClassVar[Advice] = Advice.PERMANENT
    exit_code: ClassVar[int] = 1

    def __init__(self, *words: object) -> None:
        super().__init__(*(hide_private(join_lines(word)) if isinstance(word, str) else word for word in words))


class UsageError(HostawaySyncError):
    """An argument that can never be right."""

    exit_code = 2


class ConfigurationError(HostawaySyncError):
    """The settings do not describe something that can run."""

    exit_code = 78


class SchemaOutdated(ConfigurationError):
    """The database is behind (or ahead of) this program."""


class UnknownSettings(ConfigurationError):
    """Names have the prefix of our settings and are none: most often a known one is misspelt.

    Attributes:
        names: those names.
    """

    def __init__(self, message: str, names: Collection[str]) -> None:
        super().__init__(message)
        self.names = frozenset(names)


class UntrustedFile(ConfigurationError):
    """A file or directory that another user placed, or may change."""


class SecretError(ConfigurationError):
    """A sealed value cannot be opened, or there is no key to seal with."""


class KeyMissing(SecretError):
    """There is no key at all: all is well where nothing was ever sealed, and all is lost where something was."""


class SecretGone(SecretError):
    """A store outside the database does not hold a secret that a row names: it was replaced, or deleted by hand."""


class SourceError(HostawaySyncError):
    """The source did not give what was asked of it."""


class SourceUnavailable(SourceError):
    """The network, the source or its answer is broken for now."""

    advice = Advice.RETRY


class SourceAway(SourceUnavailable):
    """So many requests of anybody failed in a row that nobody asks for a while: an immediate retry is no use."""


class RateLimited(SourceError):
    """The source answered 429.

    Attributes:
        retry_in: how long to wait, already clamped; None when the source did not say.
        limit: requests per window that the source says it allows; None when it did not say.
        scope: which limit was hit, in the source's words (`account`, `ip`, `endpoint`); None when it did not say.
    """

    advice = Advice.SNOOZE

    def __init__(
        self, message: str, *, retry_in: timedelta | None = None, limit: int | None = None, scope: str | None = None
    ) -> None:
        super().__init__(message)
        self.retry_in = retry_in
        self.limit = limit
        self.scope = scope


class CredentialsRejected(SourceError):
    """The account id or the client secret is wrong, or the key was deleted."""


class TokenRejected(SourceError):
    """The source refused the access token, or what it was used for; the answer does not say which."""

    advice = Advice.RETRY


class Forbidden(SourceError):
    """A token that works elsewhere may not read this."""

    advice = Advice.SKIP


class NotFound(SourceError):
    """The source has no such object."""

    advice = Advice.SKIP


class RequestRejected(SourceError):
    """The source understood the request and says no."""


class StoreError(HostawaySyncError):
    """PostgreSQL refused something."""


class StoreUnavailable(StoreError):
    """PostgreSQL is away, restarting, or asks to try again."""

    advice = Advice.RETRY


class StoreBusy(StoreError):
    """Another program holds a lock of the database: it was waited for as long as is worth it."""

    advice = Advice.RETRY


class SecretsUnavailable(HostawaySyncError):
    """A store of secrets outside the database does not answer now."""

    advice = Advice.RETRY


class AccountError(HostawaySyncError):
    """The account exists already, is unknown, disabled or removed."""

    @classmethod
    def exists(cls, account_id: int) -> Self:
        """Return the error for an account that is to be added a second time."""
        return cls(f"account {account_id} exists already: `hostaway-sync sync {account_id}` brings it up to date")

    @classmethod
    def unknown(cls, account_id: int) -> Self:
        """Return the error for an account that is to be used and was never added."""
        return cls(f"account {account_id} is not known here: add it with `hostaway-sync account add {account_id}`")

    @classmethod
    def removed(cls, account_id: int) -> Self:
        """Return the error for an account that is to be used and was removed."""
        return cls(
            f"account {account_id} was removed: `hostaway-sync account add {account_id}` brings it back, with its rows"
        )

    @classmethod
    def disabled(cls, account_id: int) -> Self:
        """Return the error for an account that is to be worked on and is disabled."""
        return cls(
            f"account {account_id} is disabled: `hostaway-sync account enable {account_id}` has it worked on again"
        )


class MessageRefused(HostawaySyncError):
    """A message is not sent, because a guard rail or the ledger says so."""


class MessageUnsettled(HostawaySyncError):
    """Whether a message was sent is not known; it is not sent again before that."""


class LeaseHeld(HostawaySyncError):
    """Another run works on this account."""

    advice = Advice.SNOOZE
    exit_code = 75


class LeaseLost(HostawaySyncError):
    """Another run took over; whatever this one still had in hand was not written."""


class RunIncomplete(HostawaySyncError):
    """A run, or one account of many, was not whole.

    Attributes:
        unreported: the part of the message that no earlier run reported; None if all of it was reported lately.
    """

    def __init__(self, message: str, *, is_reported: bool = False, unreported: str | None = None) -> None:
        super().__init__(message)
        self.unreported = None if is_reported else hide_private(join_lines(unreported or message))
