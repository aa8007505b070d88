from __future__ import annotations

import pytest

from hostaway_sync import errors
from hostaway_sync.api.problems import ProblemKind
from hostaway_sync.api.refusals import problem_of


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.UsageError("x"), ProblemKind.INVALID),
        (errors.AmbiguousRecord("a listing 5", [1, 2]), ProblemKind.AMBIGUOUS),
        (errors.AccountError("x"), ProblemKind.CONFLICT),
        (errors.LeaseHeld("x"), ProblemKind.CONFLICT),
        (errors.CredentialsRejected("x"), ProblemKind.INVALID),
        (errors.NotFound("x"), ProblemKind.NOT_FOUND),
        (errors.SourceUnavailable("x"), ProblemKind.SOURCE),
        (errors.RunIncomplete("x"), ProblemKind.CONFLICT),
    ],
)
def test_an_error_of_the_program_keeps_its_sentence(error: errors.HostawaySyncError, kind: ProblemKind) -> None:
    """It was written for people, and holds no secret."""
    problem = problem_of(error)
    assert (problem.kind, problem.detail, problem.headers) == (kind, str(error), {})


@pytest.mark.parametrize(
    ("error", "kind", "headers"),
    [
        (errors.StoreUnavailable("server on 10.0.0.7"), ProblemKind.UNAVAILABLE, {"Retry-After": "5"}),
        (errors.StoreBusy("table x"), ProblemKind.UNAVAILABLE, {"Retry-After": "5"}),
        (errors.SecretError("no key"), ProblemKind.UNAVAILABLE, {"Retry-After": "5"}),
        (errors.SecretsUnavailable("x"), ProblemKind.UNAVAILABLE, {"Retry-After": "5"}),
        (errors.StoreError("permission denied for x"), ProblemKind.INTERNAL, {}),
    ],
)
def test_an_error_of_the_installation_stays_in_the_log(
    error: errors.HostawaySyncError, kind: ProblemKind, headers: dict[str, str]
) -> None:
    """Addresses, tables and users are none of a caller's business."""
    problem = problem_of(error)
    assert (problem.kind, problem.detail, problem.headers) == (kind, None, headers)
