"""Whether row-level security keeps callers of the API apart in a database."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiRoleState:
    """The role that transactions of the API become, as a user finds it.

    Attributes:
        user: who asks.
        role: the role of the API; None: it was not made.
        may_become: whether this user can become it.
        grant: what an administrator runs so that this user can; None: there is no such role.
        strangers: log-in roles that can become it, and are no writers: they see every account, whatever they are bound
            to.
        keys: number of API keys that are valid.
    """

    user: str
    role: str | None = None
    may_become: bool = False
    grant: str | None = None
    strangers: tuple[str, ...] = ()
    keys: int = 0
