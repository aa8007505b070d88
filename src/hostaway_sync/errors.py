"""All errors of the program, as one tree: each has a retry advice, an exit code and a message that says what to do.

HostawaySyncError                advice       exit code
├── UsageError                   permanent    2    an argument that can never be right
│   └── AmbiguousRecord          permanent    2    several accounts have a record with this id: name the account
├── ConfigurationError           permanent    78   settings
│   ├── SchemaOutdated           permanent    78   run `hostaway-sync migrate`
│   ├── UnknownSettings          permanent    78   names with our prefix that are no settings, mostly misspelt
│   ├── UntrustedFile            permanent    78   a file that another user created, or may change
│   └── SecretError              permanent    78   key ring: unknown key id, damaged value
│       ├── KeyMissing           permanent    78   there is no key
│       └── SecretGone           permanent    78   the secrets store does not hold the secret
├── SourceError
│   ├── SourceUnavailable        retry        1    network, timeout, 5xx, an unexpected body
│   │   └── SourceAway           retry        1    the circuit is open: requests are stopped for a while
│   ├── RateLimited              snooze       1    429: wait for the window; counts as no attempt
│   ├── CredentialsRejected      permanent    1    the id or the secret is wrong
│   ├── TokenRejected            retry        1    401 or 403: renew the token once
│   ├── Forbidden                skip         1    the token is valid, but must not read this object
│   ├── NotFound                 skip         1    404
│   └── RequestRejected          permanent    1    any other 4xx
├── StoreError
│   ├── StoreUnavailable         retry        1    connection lost, server restarting, serialization
│   └── StoreBusy                retry        1    another program holds a lock for too long
├── SecretsUnavailable           retry        1    the secrets store is down, or limits our requests
├── OutboundError                permanent    1    a consumer of an automation was not told
│   ├── AddressRefused           permanent    2    an address that may not be asked: not public, or not https
│   └── TargetUnavailable        retry        1    no connection, no answer in time, a certificate that is not trusted
├── AccountError                 permanent    1    exists already, is unknown, disabled or removed
├── AutomationError              permanent    1    exists already, is unknown, or may not be asked for so
├── ApiKeyError                  permanent    1    exists already, is unknown, or has expired
├── MessageRefused               permanent    1    a guard forbids sending a message
├── MessageUnsettled             permanent    1    whether a message was sent is unknown
├── WriteRefused                 permanent    1    a calendar must not be written, or changed meanwhile
├── WriteUnsettled               permanent    1    whether a calendar was written is unknown
├── LeaseHeld                    snooze       75   another run works on this account
├── LeaseLost                    permanent    1    this run was paused so long that another took over
└── RunIncomplete                permanent    1    a part of a run failed; the message names it
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Self

from hostaway_sync.safe_text import hide_private, join_lines

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import timedelta


class Advice(StrEnum):
    """What the caller should do after an error."""

    RETRY = "retry"
    SNOOZE = "snooze"
    SKIP = "skip"
    PERMANENT = "permanent"


class HostawaySyncError(Exception):
    """Root of the tree. The message is one sentence that an operator can act on; it never holds a secret.

    Its text passes `join_lines` and `hide_private` when it is made: screens, logs, tables and pings hold one text.
    """

    advice: ClassVar[Advice] = Advice.PERMANENT
    exit_code: ClassVar[int] = 1

    def __init__(self, *words: object) -> None:
        super().__init__(*(hide_private(join_lines(word)) if isinstance(word, str) else word for word in words))


class UsageError(HostawaySyncError):
    """An argument that can never be right."""

    exit_code = 2


class AmbiguousRecord(UsageError):
    """Several accounts that the caller may see have a record with this id."""


class ConfigurationError(HostawaySyncError):
    """The settings do not describe something that can run."""

    exit_code = 78


class SchemaOutdated(ConfigurationError):
    """The database is behind (or ahead of) this program."""


class UnknownSettings(ConfigurationError):
    """Variables have the prefix of the settings, but are none; most are misspelt.

    Attributes:
        names: the names of these variables.
    """

    def __init__(self, message: str, names: Collection[str]) -> None:
        super().__init__(message)
        self.names = frozenset(names)


class UntrustedFile(ConfigurationError):
    """A file or directory that another user created, or may change."""


class SecretError(ConfigurationError):
    """A sealed value cannot be opened, or there is no key to seal with."""


class KeyMissing(SecretError):
    """There is no key. That is no loss before the first secret is sealed, and the loss of all secrets after that."""


class SecretGone(SecretError):
    """An external secrets store does not hold a secret that a row names: it was replaced, or deleted by hand."""


class SourceError(HostawaySyncError):
    """A request to the platform's API failed."""


class SourceUnavailable(SourceError):
    """The network, the API or its answer is broken for now."""

    advice = Advice.RETRY


class SourceAway(SourceUnavailable):
    """The circuit is open after many failed requests, of all processes: an immediate retry is useless."""


class RateLimited(SourceError):
    """The API answered 429.

    Attributes:
        retry_in: how long to wait, already limited; None if the answer does not tell.
        limit: allowed requests per window; None if the answer does not tell.
        scope: the limit that was hit, in the API's words (`account`, `ip`, `endpoint`); None if it does not tell.
    """

    advice = Advice.SNOOZE

    def __init__(
        self, message: str, *, retry_in: timedelta | None = None, limit: int | None = None, scope: str | None = None
    ) -> None:
        super().__init__(message)
        self.retry_in, self.limit, self.scope = retry_in, limit, scope


class CredentialsRejected(SourceError):
    """The account id or the client secret is wrong, or the key was deleted."""


class TokenRejected(SourceError):
    """The API refused the access token, or the request made with it; the answer does not tell which."""

    advice = Advice.RETRY


class Forbidden(SourceError):
    """A token that is valid for other requests must not read this object."""

    advice = Advice.SKIP


class NotFound(SourceError):
    """The platform has no such object."""

    advice = Advice.SKIP


class RequestRejected(SourceError):
    """The API refused the request with another 4xx status."""


class StoreError(HostawaySyncError):
    """PostgreSQL refused a statement."""


class StoreUnavailable(StoreError):
    """PostgreSQL is down, restarting, or aborted a transaction that may be repeated."""

    advice = Advice.RETRY


class StoreBusy(StoreError):
    """Another program holds a lock of the database, and did not release it within the timeout."""

    advice = Advice.RETRY


class SecretsUnavailable(HostawaySyncError):
    """An external secrets store does not answer for now."""

    advice = Advice.RETRY


class OutboundError(HostawaySyncError):
    """A consumer of an automation was not told."""


class AddressRefused(OutboundError):
    """An address that may not be asked: it is not public, or not https, and the settings do not name it."""

    exit_code = 2


class TargetUnavailable(OutboundError):
    """A target did not answer in time, or the connection to it failed."""

    advice = Advice.RETRY


class AccountError(HostawaySyncError):
    """The account exists already, is unknown, disabled or removed."""

    @classmethod
    def exists(cls, account_id: int) -> Self:
        """Return the error for adding an account that exists."""
        return cls(f"account {account_id} exists already: `hostaway-sync sync {account_id}` brings it up to date")

    @classmethod
    def unknown(cls, account_id: int) -> Self:
        """Return the error for using an account that was never added."""
        return cls(f"account {account_id} is not known here: add it with `hostaway-sync account add {account_id}`")

    @classmethod
    def removed(cls, account_id: int) -> Self:
        """Return the error for using an account that was removed."""
        return cls(
            f"account {account_id} was removed: `hostaway-sync account add {account_id}` brings it back, with its rows"
        )

    @classmethod
    def disabled(cls, account_id: int) -> Self:
        """Return the error for working on an account that is disabled."""
        return cls(f"account {account_id} is disabled: `hostaway-sync account enable {account_id}` has it synced again")


class AutomationError(HostawaySyncError):
    """The automation exists already, or is unknown."""

    @classmethod
    def exists(cls, name: str) -> Self:
        """Return the error for adding an automation of a name that is taken."""
        return cls(f"there is an automation {name!r} already: remove it first, or choose another name")

    @classmethod
    def unknown(cls, name: str) -> Self:
        """Return the error for using an automation that is not there."""
        return cls(f"there is no automation {name!r}: `hostaway-sync automation list` shows all")


class ApiKeyError(HostawaySyncError):
    """The API key exists already, is unknown, or has expired."""


class MessageRefused(HostawaySyncError):
    """A guard or the ledger of messages forbids sending a message."""


class MessageUnsettled(HostawaySyncError):
    """Whether a message was sent is unknown; it is not sent again until that is settled."""


class WriteRefused(HostawaySyncError):
    """A calendar must not be written now: it changed meanwhile, or another process writes it."""


class WriteUnsettled(HostawaySyncError):
    """Whether a calendar was written is unknown, until its days are read."""


class LeaseHeld(HostawaySyncError):
    """Another run works on this account."""

    advice = Advice.SNOOZE
    exit_code = 75


class LeaseLost(HostawaySyncError):
    """Another run took over the account; this run's unfinished work was not written."""


class RunIncomplete(HostawaySyncError):
    """A run, or the run of one of several accounts, was incomplete.

    Attributes:
        unreported: the part of the message that no earlier run reported; None if all of it was reported lately.
    """

    def __init__(self, message: str, *, is_reported: bool = False, unreported: str | None = None) -> None:
        super().__init__(message)
        self.unreported = None if is_reported else hide_private(join_lines(unreported or message))
