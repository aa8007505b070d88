"""An account as the server sees it: its secret, its world, its lists and its webhooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from hostaway_sync.sandbox.server.filters import FilteredLists
from hostaway_sync.sandbox.server.resource_lists import ResourceLists
from hostaway_sync.sandbox.server.webhooks import WebhookList

if TYPE_CHECKING:
    from hostaway_sync.sandbox.switches import Switches
    from hostaway_sync.sandbox.world.world import World

ACCOUNT_ID = 70001
CLIENT_SECRET = "sandbox-secret-70001"  # noqa: S105 - obviously not one


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """What an account is to look like.

    Attributes:
        id: Hostaway's account id, the `client_id` of the token route.
        client_secret: the one that is right; "" gives `sandbox-secret-{id}`.
        conversations: False for an account without conversations.
        inbox: `closed_threads` gives 403 on every message, `closed` on every conversation, too.
        secret_deleted: the token route answers 401 whatever the secret.
        switches: instead of the sandbox's own.
        same_ids_as_first: let the ids be those of the sandbox's first account, which Hostaway would never do.
    """

    id: int = ACCOUNT_ID
    client_secret: str = ""
    reservations: int = 787
    listings: int = 12
    conversations: bool = True
    inbox: Literal["open", "closed_threads", "closed"] = "open"
    secret_deleted: bool = False
    switches: Switches | None = None
    same_ids_as_first: bool = False

    @property
    def secret(self) -> str:
        """The client secret that is right."""
        return self.client_secret or f"sandbox-secret-{self.id}"


@dataclass(slots=True)
class Account:
    """A running account; `spec` may be replaced while it runs."""

    spec: AccountSpec
    world: World
    hooks: WebhookList = field(default_factory=WebhookList)
    views: FilteredLists = field(init=False)
    others: ResourceLists = field(init=False)

    def __post_init__(self) -> None:
        self.views = FilteredLists(self.world)
        self.others = ResourceLists(self.world)

    def accepts_secret(self, secret: str) -> bool:
        """Return whether a client secret is right."""
        return secret == self.spec.secret and not self.spec.secret_deleted
