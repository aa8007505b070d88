"""One cause, one finding: what follows from a trouble that was found already is not looked at. Pure: no I/O."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hostaway_sync.doctor.findings import Finding, Grade
from hostaway_sync.model.health import format_count

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from hostaway_sync.doctor.findings import Proof

KEY_RING = "key ring"
"""The cause of all accounts whose secrets do not open."""
SOURCE_AWAY = "source, which is away"
"""The cause of all accounts that nobody asks for a while."""


def left_out(check: str, because: str) -> Finding:
    """Return the finding for something that could not be looked at because something else is broken."""
    return Finding(check, Grade.HINT, f"not looked at: {because}")


def has_trouble(findings: Iterable[Finding], check: str) -> bool:
    """Whether a check found trouble."""
    return any(one.check == check and one.grade is Grade.TROUBLE for one in findings)


def explained(findings: Iterable[Finding], checks: Collection[str], because: str) -> list[Finding]:
    """Return findings without the troubles of some checks, which follow from another one; each says so once."""
    found = list(findings)
    rest = [one for one in found if one.check not in checks or one.grade is not Grade.TROUBLE]
    return rest + [left_out(check, because) for check in checks if has_trouble(found, check)]


def by_cause(proofs: Iterable[Proof], explained: Collection[str] = ()) -> list[list[Proof]]:
    """Return what went wrong but for what is explained, what has one cause together; one without a cause is alone."""
    groups: dict[object, list[Proof]] = {}
    for proof in proofs:
        if proof.trouble is not None and proof.cause not in explained:
            groups.setdefault(proof.cause or proof.account_id, []).append(proof)
    return list(groups.values())


def left_out_for(check: str, proofs: Iterable[Proof], explained: Collection[str]) -> Iterator[Finding]:
    """Give a finding for each cause that has one elsewhere, with how many accounts it keeps from being looked at."""
    causes = Counter(proof.cause for proof in proofs if proof.trouble is not None)
    for cause in sorted(explained):
        if causes[cause]:
            yield left_out(check, f"{format_count(causes[cause], 'account')}, because of the {cause}")
