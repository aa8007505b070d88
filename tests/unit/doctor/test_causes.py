from __future__ import annotations

from hostaway_sync.doctor import checks
from hostaway_sync.doctor.causes import KEY_RING, by_cause, explained, has_trouble, left_out
from hostaway_sync.doctor.findings import Finding, Grade, Proof, Proofs


def test_what_has_one_cause_is_one_finding() -> None:
    """Fifty accounts whose secrets do not open are one trouble, and a new secret is no cure for it."""
    proofs = [Proof(number, f"account {number}: the key is not there", cause=KEY_RING) for number in range(50)]
    (finding,) = checks.of_tokens(Proofs(tuple(proofs)))
    assert (finding.grade, finding.advice, finding.account_id) == (Grade.TROUBLE, None, None)
    assert finding.says == "account 0: the key is not there; 49 accounts more"


def test_what_was_found_already_is_not_looked_at() -> None:
    """And what has other causes is judged as ever, one finding a cause."""
    found = (
        Proof(1, "account 1: the key is not there", cause=KEY_RING),
        Proof(2, "account 2: refused"),
        Proof(3, "account 3: the key is not there", cause=KEY_RING),
        Proof(4, "account 4: refused"),
        Proof(5),
    )
    findings = list(checks.of_tokens(Proofs(found), {KEY_RING}))
    assert [one.grade for one in findings] == [Grade.TROUBLE, Grade.TROUBLE, Grade.HINT, Grade.OK]
    assert findings[2] == left_out("token", "2 accounts, because of the key ring")
    assert [one.account_id for one in findings[:2]] == [2, 4]


def test_a_receiver_that_is_away_is_one_trouble() -> None:
    """All accounts share it, and what to do is the same."""
    (finding,) = checks.of_round_trips(
        Proofs(tuple(Proof(number, f"account {number}'s receiver: no", cause="host: no") for number in (7, 8)))
    )
    assert finding.advice is not None
    assert "webhooks check 7" in finding.advice
    assert finding.says == "account 7's receiver: no; 1 account more"


def test_troubles_that_follow_from_another_are_left_out_once() -> None:
    """A check that found none is not touched, and neither is a hint."""
    trouble = Finding("runs", Grade.TROUBLE, "never synced", None, 1)
    hint, other = Finding("runs", Grade.HINT, "no account"), Finding("queue", Grade.TROUBLE, "no worker")
    found = explained([trouble, hint, other, trouble], ["runs", "budget"], "the source is away")
    assert found == [hint, other, left_out("runs", "the source is away")]
    assert has_trouble(found, "queue")
    assert not has_trouble(found, "runs")
    assert by_cause([Proof(1)]) == []
