"""Tells the source where deliveries of an account go, and keeps it so.

renew the credentials, committed   the source probes them while it is being asked
  | find our own registration      by id, by path secret, by address
  | update it, or create one       sent once; where the outcome is not known, the list tells
  | confirm                        from then on the old credentials have an end
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from hostaway_sync.errors import AccountError, SourceUnavailable
from hostaway_sync.model.deliveries import WebhookSettings
from hostaway_sync.store.secrets.vault import run_secret_transaction
from hostaway_sync.store.webhooks import credentials as store
from hostaway_sync.webhooks.registration import delivery_audit
from hostaway_sync.webhooks.registration.public_url import build_delivery_url, mask_url, select_own_hooks
from hostaway_sync.webhooks.registration.self_test import run_self_test

if TYPE_CHECKING:
    from hostaway_sync.model.deliveries import DeliveryAudit, Webhook, WebhookApi
    from hostaway_sync.secrets import SecretWriter
    from hostaway_sync.store.postgres.database import Database
    from hostaway_sync.store.secrets.vault import Vault
    from hostaway_sync.store.webhooks.credentials import Credentials, StoredHook

OLD_ONES_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ListedHook:
    """A registration as it may be shown.

    Attributes:
        hook_id: the source's id.
        address: without path: that may be a secret.
        kind: `ours`, `foreign` or `legacy`.
        is_enabled: False: the source sends nothing there.
    """

    hook_id: int
    address: str
    kind: str
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class RegistrationResult:
    """What `register` did: whether a registration was added, and which others there are."""

    hook_id: int
    address: str
    is_new: bool
    others: tuple[ListedHook, ...]


@dataclass(frozen=True, slots=True)
class HookCheck:
    """Whether deliveries of an account arrive: all is well when there are no `problems`.

    Attributes:
        problems: sentences for a person.
        others: registrations that are not ours.
        audit: what came of what the source says it delivered; None when nothing is registered, or it could not be read.
    """

    account_id: int
    is_registered: bool
    is_enabled: bool
    problems: tuple[str, ...]
    others: tuple[ListedHook, ...]
    audit: DeliveryAudit | None


class Registrar:
    """The registration of one account.

    Args:
        database: where the credentials are.
        safe: where they lie.
        registrar: the account's registrations at the source.
        account_id: whose.
        platform: a piece of the path.
    """

    def __init__(
        self, database: Database, safe: Vault | SecretWriter, registrar: WebhookApi, account_id: int, *, platform: str
    ) -> None:
        self._database = database
        self._safe = safe
        self._registrar = registrar
        self._account_id = account_id
        self._platform = platform

    def register(self, base: str) -> RegistrationResult:
        """Have deliveries sent to the receiver behind the public address `base`, with new credentials.

        Raises:
            RequestRejected: the source cannot reach the receiver there.
            SourceError: the source cannot be asked.
        """
        work = partial(store.renew_credentials, account_id=self._account_id, url=base)
        credentials = run_secret_transaction(self._database, self._safe, self._account_id, work)
        own, others = self._sorted()
        wish = self._wish(base, credentials)
        hook = self._updated(own[0], wish) if own else self._created(wish)
        self._confirm(hook)
        for extra in own[1:]:
            self._registrar.delete(extra.hook_id)
        return RegistrationResult(hook.hook_id, mask_url(hook.url), not own, others)

    def unregister(self) -> int:
        """Take our registrations away, and say how many there were; deliveries on their way are still accepted."""
        own, _ = self._sorted()
        for hook in own:
            self._registrar.delete(hook.hook_id)
        work = partial(store.retire_credentials, account_id=self._account_id, good_for=OLD_ONES_FOR)
        run_secret_transaction(self._database, self._safe, self._account_id, work)
        return len(own)

    def listed(self) -> tuple[ListedHook, ...]:
        """Give every registration of the account, ours first."""
        own, others = self._sorted()
        return (*(_listed(hook, "ours") for hook in own), *others)

    def check(self) -> HookCheck:
        """Find out whether deliveries arrive, as far as that can be known without one."""
        stored, own, others = self._stored(), *self._sorted()
        problems = list(self._problems(stored, own))
        if not problems and stored.url is not None:
            (current, *_) = stored.open(self._safe)
            if (trouble := run_self_test(self._url(stored.url, current), current)) is not None:
                problems.append(f"the receiver is not reached at {mask_url(stored.url)}: {trouble}")
        audit, trouble = self._audited()
        problems += [trouble] if trouble is not None else []
        is_enabled = bool(own) and own[0].is_enabled
        return HookCheck(self._account_id, bool(own), is_enabled, tuple(problems), others, audit)

    def keep_enabled(self) -> str | None:
        """Enable our registration again if the source disabled it, in one call where all is well.

        Returns:
            What was wrong, and what was done about it, as a sentence; None: nothing was, or nothing is registered.
        """
        stored = self._stored()
        if stored.login is None or stored.url is None:
            return None
        own = self._own(self._registrar.list_webhooks(why="webhook: is it still enabled?"), stored)
        problems = self._problems(stored, own)
        if len(own) != 1 or own[0].is_enabled or not self._leads_here(own[0], stored):
            return "; ".join(problems) or None
        self._confirm(self._updated(own[0], self._wish(stored.url, stored.open(self._safe)[0])))
        return f"the webhook of account {self._account_id} was disabled at the source: it is enabled again"

    def audit_deliveries(self) -> DeliveryAudit | None:
        """Find deliveries that did not come, and have their objects read again; None when nothing is registered.

        Raises:
            SourceError: what was delivered cannot be read now.
        """
        stored = self._stored()
        if stored.login is None or stored.url is None:
            return None
        prefix = build_delivery_url(stored.url, self._platform, self._account_id, "")
        return delivery_audit.audit_deliveries(self._database, self._registrar, stored, prefix)

    def _problems(self, stored: StoredHook, own: list[Webhook]) -> tuple[str, ...]:
        again = f"run `hostaway-sync webhooks register {self._account_id} --url …`"
        if stored.login is None:
            return (f"account {self._account_id} has no webhook: {again}",)
        if not own:
            return (f"the webhook of account {self._account_id} is gone at the source: {again}",)
        found = []
        if not stored.is_confirmed:
            found.append(f"the last registration of account {self._account_id} did not come to an end: {again}")
        elif not self._leads_here(own[0], stored):
            found.append(f"the webhook of account {self._account_id} leads elsewhere or has another login: {again}")
        if not own[0].is_enabled:
            found.append(f"the webhook of account {self._account_id} is disabled at the source")
        if len(own) > 1:
            found.append(f"account {self._account_id} has {len(own)} webhooks that lead here: {again}")
        return tuple(found)

    def _audited(self) -> tuple[DeliveryAudit | None, str | None]:
        try:
            audit = self.audit_deliveries()
        except SourceUnavailable as error:
            return None, f"what was delivered to account {self._account_id} cannot be told: {error}"
        if audit is None or not audit.lost:
            return audit, None
        lost = f"{audit.lost} of {audit.announced} objects that were announced to account {self._account_id}"
        return audit, f"{lost} did not arrive, and are read again"

    def _leads_here(self, hook: Webhook, stored: StoredHook) -> bool:
        current = stored.open(self._safe)[0]
        return hook.url == self._url(stored.url or "", current) and hook.login in (None, current.login)

    def _sorted(self) -> tuple[list[Webhook], tuple[ListedHook, ...]]:
        hooks = self._registrar.list_webhooks()
        own = self._own(hooks, self._stored())
        known = {hook.hook_id for hook in own}
        foreign = (_listed(hook, "foreign") for hook in hooks if hook.hook_id not in known)
        legacy = (_listed(hook, "legacy") for hook in self._registrar.list_legacy_webhooks())
        return own, (*foreign, *legacy)

    def _own(self, hooks: list[Webhook], stored: StoredHook) -> list[Webhook]:
        prefixes = () if stored.url is None else (build_delivery_url(stored.url, self._platform, self._account_id, ""),)
        return select_own_hooks(hooks, stored.open(self._safe), stored.hook_id, prefixes)

    def _stored(self) -> StoredHook:
        stored = self._database.transaction(partial(store.find_stored_hooks, account_id=self._account_id))
        if self._account_id not in stored:
            raise AccountError(f"account {self._account_id} is not known here")
        return stored[self._account_id]

    def _created(self, wish: WebhookSettings) -> Webhook:
        try:
            return self._registrar.create(wish)
        except SourceUnavailable:
            # It may be there all the same; adding another would have everything delivered twice.
            for hook in self._registrar.list_webhooks():
                if hook.url == wish.url:
                    return self._updated(hook, wish)
            raise

    def _updated(self, hook: Webhook, wish: WebhookSettings) -> Webhook:
        return self._registrar.update(hook.hook_id, wish)

    def _confirm(self, hook: Webhook) -> None:
        work = partial(
            store.confirm_credentials, account_id=self._account_id, hook_id=hook.hook_id, old_ones_for=OLD_ONES_FOR
        )
        self._database.transaction(work)

    def _wish(self, base: str, credentials: Credentials) -> WebhookSettings:
        return WebhookSettings(self._url(base, credentials), credentials.login, credentials.password)

    def _url(self, base: str, credentials: Credentials) -> str:
        return build_delivery_url(base, self._platform, self._account_id, credentials.path_secret.get_secret_value())


def _listed(hook: Webhook, kind: str) -> ListedHook:
    return ListedHook(hook.hook_id, mask_url(hook.url), kind, hook.is_enabled)
