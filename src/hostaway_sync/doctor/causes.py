"""One cause, one finding: what follows from a trouble that was found already is not checked. Pure: no I/O."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hostaway_sync.doctor.findings import Finding, Grade
from hostaway_sync.model.health import format_count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from hostaway_sync.doctor.findings import AccountCheck

KEY_RING = "key ring"
"""The cause of all accounts whose secrets do not open."""
SOURCE_AWAY = "source, which is away"
"""The cause of all accounts while no request is sent to the source."""


def not_checked(check: str, because: str) -> Finding:
    """Return the finding for a check that was left out because something else is broken."""
    return Finding(check, Grade.HINT, f"not looked at: {because}")


def has_trouble(findings: Iterable[Finding], check: str) -> bool:
    """Whether a check found trouble."""
    return any(one.check == check and one.grade is Grade.TROUBLE for one in findings)


def drop_explained(findings: Iterable[Finding], checks: Collection[str], because: str) -> list[Finding]:
    """Return findings without the troubles of some checks that follow from another; each check says so once."""
    found = list(findings)
    rest = [one for one in found if one.check not in checks or one.grade is not Grade.TROUBLE]
    return rest + [not_checked(check, because) for check in checks if has_trouble(found, check)]


def group_by_cause(proofs: Iterable[AccountCheck], explained: Collection[str] = ()) -> list[list[AccountCheck]]:
    """Return the failed checks by cause, without explained causes; one without a cause is alone."""
    groups: dict[object, list[AccountCheck]] = {}
    for proof in proofs:
        if proof.trouble is not None and proof.cause not in explained:
            groups.setdefault(proof.cause or proof.account_id, []).append(proof)
    return list(groups.values())


def list_not_checked(check: str, proofs: Iterable[AccountCheck], explained: Collection[str]) -> Iterator[Finding]:
    """Yield a finding for each explained cause: how many accounts were not checked because of it."""
    causes = Counter(proof.cause for proof in proofs if proof.trouble is not None)
    for cause in sorted(explained):
        if causes[cause]:
            yield not_checked(check, f"{format_count(causes[cause], 'account')}, because of the {cause}")
