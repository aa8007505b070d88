from __future__ import annotations

from hostaway_sync.doctor import checks
from hostaway_sync.doctor.causes import KEY_RING, drop_explained, group_by_cause, has_trouble, not_checked
from hostaway_sync.doctor.findings import AccountCheck, AccountChecks, Finding, Grade


def test_findings_with_one_cause_are_one() -> None:
    """Fifty accounts whose secrets do not open are one trouble, and a new secret does not cure it."""
    proofs = [AccountCheck(number, f"account {number}: the key is not there", cause=KEY_RING) for number in range(50)]
    (finding,) = checks.check_tokens(AccountChecks(tuple(proofs)))
    assert (finding.grade, finding.advice, finding.account_id) == (Grade.TROUBLE, None, None)
    assert finding.says == "account 0: the key is not there; 49 accounts more"


def test_accounts_with_a_known_cause_are_not_checked() -> None:
    """Accounts with other causes are judged as usual, one finding a cause."""
    found = (
        AccountCheck(1, "account 1: the key is not there", cause=KEY_RING),
        AccountCheck(2, "account 2: refused"),
        AccountCheck(3, "account 3: the key is not there", cause=KEY_RING),
        AccountCheck(4, "account 4: refused"),
        AccountCheck(5),
    )
    findings = list(checks.check_tokens(AccountChecks(found), {KEY_RING}))
    assert [one.grade for one in findings] == [Grade.TROUBLE, Grade.TROUBLE, Grade.HINT, Grade.OK]
    assert findings[2] == not_checked("token", "2 accounts, because of the key ring")
    assert [one.account_id for one in findings[:2]] == [2, 4]


def test_unreachable_receiver_is_one_trouble() -> None:
    """All accounts share it, and the advice is the same."""
    (finding,) = checks.check_webhooks(
        AccountChecks(
            tuple(AccountCheck(number, f"account {number}'s receiver: no", cause="host: no") for number in (7, 8))
        )
    )
    assert finding.advice is not None
    assert "webhooks check 7" in finding.advice
    assert finding.says == "account 7's receiver: no; 1 account more"


def test_troubles_that_follow_from_another_are_left_out_once() -> None:
    """A check without such troubles is unchanged, and so is a hint."""
    trouble = Finding("runs", Grade.TROUBLE, "never synced", None, 1)
    hint, other = Finding("runs", Grade.HINT, "no account"), Finding("queue", Grade.TROUBLE, "no worker")
    found = drop_explained([trouble, hint, other, trouble], ["runs", "budget"], "the source is away")
    assert found == [hint, other, not_checked("runs", "the source is away")]
    assert has_trouble(found, "queue")
    assert not has_trouble(found, "runs")
    assert group_by_cause([AccountCheck(1)]) == []
