"""The secrets stores outside the database, by kind; each is imported only where secrets lie there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hostaway_sync.secrets.protocols import SecretsStore


def _aws(mirror: str) -> SecretsStore:
    from hostaway_sync.secrets.aws import AwsSecrets

    return AwsSecrets(mirror)


def _vault(mirror: str) -> SecretsStore:
    from hostaway_sync.secrets.vault import VaultSecrets

    return VaultSecrets(mirror)


OUTSIDE_STORES: Final[Mapping[str, Callable[[str], SecretsStore]]] = {"aws": _aws, "vault": _vault}
"""Each opens the store for the mirror of an id, which begins the names of its secrets."""
