"""Register the receiver of an account with the platform, and keep the registration as it should be.

renew the credentials, committed   the platform probes them while it is being asked
  | find our own registration      by id, by path secret, by address
  | update it, or create one       sent once; where the outcome is not known, the list tells
  | confirm                        from then on the old credentials expire
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

OLD_VALID_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class ListedHook:
    """A registration as it may be shown.

    Attributes:
        hook_id: the platform's id.
        address: without its path, which may be a secret.
        kind: `ours`, `foreign` or `legacy`.
        is_enabled: whether the platform sends deliveries there.
    """

    hook_id: int
    address: str
    kind: str
    is_enabled: bool


@dataclass(frozen=True, slots=True)
class RegistrationResult:
    """The registration that `register` made or changed, whether it is new, and which others there are."""

    hook_id: int
    address: str
    is_new: bool
    others: tuple[ListedHook, ...]


@dataclass(frozen=True, slots=True)
class HookCheck:
    """Whether deliveries of an account arrive: all is well when there are no `problems`.

    Attributes:
        account_id: the account.
        is_registered: whether the platform has a registration of ours.
        is_enabled: whether the platform sends deliveries to it.
        problems: sentences for a person.
        others: registrations that are not ours.
        audit: the comparison of the platform's log with what arrived; None when nothing is registered, or it could not
            be read.
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
        database: with the inbox and the registration.
        vault: stores and opens the credentials.
        webhook_api: the account's registrations at the platform.
        account_id: the account.
        platform: its name, a part of the path of deliveries.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault | SecretWriter,
        webhook_api: WebhookApi,
        account_id: int,
        *,
        platform: str,
    ) -> None:
        self._database = database
        self._vault = vault
        self._webhook_api = webhook_api
        self._account_id = account_id
        self._platform = platform

    def register(self, base: str) -> RegistrationResult:
        """Register the receiver behind the public address `base`, with new credentials.

        Raises:
            RequestRejected: the platform cannot reach the receiver there.
            SourceError: the platform does not answer.
        """
        work = partial(store.renew_credentials, account_id=self._account_id, url=base)
        credentials = run_secret_transaction(self._database, self._vault, self._account_id, work)
        own, others = self._list_hooks()
        settings = self._build_settings(base, credentials)
        hook = self._update(own[0], settings) if own else self._create(settings)
        self._confirm(hook)
        for extra in own[1:]:
            self._webhook_api.delete(extra.hook_id)
        return RegistrationResult(hook.hook_id, mask_url(hook.url), not own, others)

    def unregister(self) -> int:
        """Delete our registrations, and return how many there were; deliveries on their way are still accepted."""
        own, _ = self._list_hooks()
        for hook in own:
            self._webhook_api.delete(hook.hook_id)
        work = partial(store.retire_credentials, account_id=self._account_id, good_for=OLD_VALID_FOR)
        run_secret_transaction(self._database, self._vault, self._account_id, work)
        return len(own)

    def listed(self) -> tuple[ListedHook, ...]:
        """Return every registration of the account, ours first."""
        own, others = self._list_hooks()
        return (*(_to_listed(hook, "ours") for hook in own), *others)

    def check(self) -> HookCheck:
        """Check whether deliveries arrive, as far as that can be known without one."""
        stored, own, others = self._read_stored(), *self._list_hooks()
        problems = list(self._find_problems(stored, own))
        if not problems and stored.url is not None:
            (current, *_) = stored.open(self._vault)
            if (trouble := run_self_test(self._build_url(stored.url, current), current)) is not None:
                problems.append(f"the receiver is not reached at {mask_url(stored.url)}: {trouble}")
        audit, trouble = self._try_audit()
        problems += [trouble] if trouble is not None else []
        is_enabled = bool(own) and own[0].is_enabled
        return HookCheck(self._account_id, bool(own), is_enabled, tuple(problems), others, audit)

    def keep_enabled(self) -> str | None:
        """Enable our registration again if the source disabled it, in one call where all is well.

        Returns:
            A sentence on what was wrong and what was done about it; None: all is well, or nothing is registered.
        """
        stored = self._read_stored()
        if stored.login is None or stored.url is None:
            return None
        own = self._select_own(self._webhook_api.list_webhooks(why="webhook: is it still enabled?"), stored)
        problems = self._find_problems(stored, own)
        if len(own) != 1 or own[0].is_enabled or not self._leads_here(own[0], stored):
            return "; ".join(problems) or None
        self._confirm(self._update(own[0], self._build_settings(stored.url, stored.open(self._vault)[0])))
        return f"the webhook of account {self._account_id} was disabled at the source: it is enabled again"

    def audit_deliveries(self) -> DeliveryAudit | None:
        """Find lost deliveries, and defer jobs that read their objects again; None when nothing is registered.

        Raises:
            SourceError: the platform's log cannot be read now.
        """
        stored = self._read_stored()
        if stored.login is None or stored.url is None:
            return None
        prefix = build_delivery_url(stored.url, self._platform, self._account_id, "")
        return delivery_audit.audit_deliveries(self._database, self._webhook_api, stored, prefix)

    def _find_problems(self, stored: StoredHook, own: list[Webhook]) -> tuple[str, ...]:
        command = f"run `hostaway-sync webhooks register {self._account_id} --url …`"
        if stored.login is None:
            return (f"account {self._account_id} has no webhook: {command}",)
        if not own:
            return (f"the webhook of account {self._account_id} is gone at the source: {command}",)
        found = []
        if not stored.is_confirmed:
            found.append(f"the last registration of account {self._account_id} was not completed: {command}")
        elif not self._leads_here(own[0], stored):
            found.append(f"the webhook of account {self._account_id} leads elsewhere or has another login: {command}")
        if not own[0].is_enabled:
            found.append(f"the webhook of account {self._account_id} is disabled at the source")
        if len(own) > 1:
            found.append(f"account {self._account_id} has {len(own)} webhooks that lead here: {command}")
        return tuple(found)

    def _try_audit(self) -> tuple[DeliveryAudit | None, str | None]:
        try:
            audit = self.audit_deliveries()
        except SourceUnavailable as error:
            return None, f"the deliveries to account {self._account_id} could not be audited: {error}"
        if audit is None or not audit.lost:
            return audit, None
        lost = f"{audit.lost} of {audit.announced} objects that were announced to account {self._account_id}"
        return audit, f"{lost} did not arrive, and are read again"

    def _leads_here(self, hook: Webhook, stored: StoredHook) -> bool:
        current = stored.open(self._vault)[0]
        return hook.url == self._build_url(stored.url or "", current) and hook.login in (None, current.login)

    def _list_hooks(self) -> tuple[list[Webhook], tuple[ListedHook, ...]]:
        hooks = self._webhook_api.list_webhooks()
        own = self._select_own(hooks, self._read_stored())
        known = {hook.hook_id for hook in own}
        foreign = (_to_listed(hook, "foreign") for hook in hooks if hook.hook_id not in known)
        legacy = (_to_listed(hook, "legacy") for hook in self._webhook_api.list_legacy_webhooks())
        return own, (*foreign, *legacy)

    def _select_own(self, hooks: list[Webhook], stored: StoredHook) -> list[Webhook]:
        prefixes = () if stored.url is None else (build_delivery_url(stored.url, self._platform, self._account_id, ""),)
        return select_own_hooks(hooks, stored.open(self._vault), stored.hook_id, prefixes)

    def _read_stored(self) -> StoredHook:
        stored = self._database.transaction(partial(store.find_stored_hooks, account_id=self._account_id))
        if self._account_id not in stored:
            raise AccountError(f"account {self._account_id} is not known here")
        return stored[self._account_id]

    def _create(self, settings: WebhookSettings) -> Webhook:
        try:
            return self._webhook_api.create(settings)
        except SourceUnavailable:
            # The registration may exist all the same; a second one would make every delivery arrive twice.
            for hook in self._webhook_api.list_webhooks():
                if hook.url == settings.url:
                    return self._update(hook, settings)
            raise

    def _update(self, hook: Webhook, settings: WebhookSettings) -> Webhook:
        return self._webhook_api.update(hook.hook_id, settings)

    def _confirm(self, hook: Webhook) -> None:
        work = partial(
            store.confirm_credentials,
            account_id=self._account_id,
            hook_id=hook.hook_id,
            old_ones_for=OLD_VALID_FOR,
        )
        self._database.transaction(work)

    def _build_settings(self, base: str, credentials: Credentials) -> WebhookSettings:
        return WebhookSettings(self._build_url(base, credentials), credentials.login, credentials.password)

    def _build_url(self, base: str, credentials: Credentials) -> str:
        return build_delivery_url(base, self._platform, self._account_id, credentials.path_secret.get_secret_value())


def _to_listed(hook: Webhook, kind: str) -> ListedHook:
    return ListedHook(hook.hook_id, mask_url(hook.url), kind, hook.is_enabled)
