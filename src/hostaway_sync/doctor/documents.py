"""The document of `doctor`, written out key by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hostaway_sync.doctor.findings import Finding


def examination_document(findings: Iterable[Finding], *, state: str) -> dict[str, Any]:
    """Return what an examination found."""
    return {
        "state": state,
        "findings": [
            {
                "check": finding.check,
                "grade": finding.grade.value,
                "says": finding.says,
                "advice": finding.advice,
                "account_id": finding.account_id,
            }
            for finding in findings
        ],
    }
