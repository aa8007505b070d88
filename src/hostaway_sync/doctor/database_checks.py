"""What is wrong with the database itself: rights, revision, and what other roles may do. Pure: no I/O, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hostaway_sync.doctor.findings import Finding, Grade
from hostaway_sync.model.history.stall import GRAVE_AFTER
from hostaway_sync.model.history.stall_sentences import advise_on_stall, describe_stall
from hostaway_sync.model.kinds.new_words import describe_new_words
from hostaway_sync.store.schema.move_mark import SENTENCES, MoveMark

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hostaway_sync.doctor.findings import Installation
    from hostaway_sync.model.callers.api_role import ApiRoleState
    from hostaway_sync.model.status import DatabaseServer, Overview

_MOST_NAMES: Final = 3


def list_database_troubles(found: DatabaseServer, installation: Installation) -> Iterator[tuple[str, str]]:
    """Yield what stops programs from working, each with what to do."""
    if found.missing_rights:
        advice = "grant them to this user, or connect as the one who ran `hostaway-sync migrate`"
        if found.replaced_by_role is not None:
            advice = (
                f"grant them to role {found.replaced_by_role!r}, which a setting `role` puts in place of this user, or "
                "remove that setting: `ALTER DATABASE ... RESET role`, `ALTER ROLE ... RESET role`"
            )
        yield f"rights are missing on {'; '.join(found.missing_rights)}", advice
    elif mark := MoveMark.parse(found.revision):
        says, _, cure = SENTENCES[mark.kind].partition(": ")
        yield says, cure
    elif not found.is_current:
        has, needs = found.revision or "none", found.wanted_revision
        is_newer = found.revision is not None and found.revision > found.wanted_revision
        cure = "install the newer program on this machine, too" if is_newer else "run `hostaway-sync migrate`"
        if installation.is_embedded and not is_newer:
            cure = "any other command migrates it"
        yield f"its schema is at revision {has}, this program needs {needs}", cure
    if found.is_read_only:
        yield (
            "it is read-only: nothing can be mirrored into it",
            "connect to the primary server, or turn default_transaction_read_only off",
        )


def check_feed(found: Overview) -> Iterator[Finding]:
    """Judge whether the feed of changes waits for a transaction that does not end."""
    if found.stall is not None:
        is_grave = found.now - found.stall.waiting_since > GRAVE_AFTER
        grade = Grade.TROUBLE if is_grave else Grade.HINT
        yield Finding("changes", grade, describe_stall(found.stall, found.now), advise_on_stall(found.stall))


def check_open_schemas(found: DatabaseServer) -> Iterator[Finding]:
    """Judge schemas in which every role may create functions that replace the server's, or ours."""
    for name in found.open_schemas:
        advice = f'have its owner run `REVOKE CREATE ON SCHEMA "{name}" FROM PUBLIC`'
        if name == "public":
            says = "every role may create functions in schema public: programs never look there, sessions of psql do"
            yield Finding("schemas", Grade.HINT, says, advice)
        else:
            says = f"every role may create functions in schema {name}, and the worker would call them"
            yield Finding("schemas", Grade.TROUBLE, says, advice)


def check_api_role(found: ApiRoleState) -> Iterator[Finding]:
    """Judge whether row-level security keeps callers of the API apart, where there are any."""
    for stranger in found.strangers:
        yield Finding(
            "api role",
            Grade.TROUBLE,
            f"{stranger} can become {found.role}, and so sees every account, but is no writer",
            f"have `REVOKE {found.role} FROM {stranger}` run: only the log-in role of the API needs it",
        )
    if not found.keys or found.may_become:
        return
    alone = "callers of the API are kept apart by its questions alone"
    if found.role is None:
        advice = "run `hostaway-sync roles create` as the owner of the tables, and the grant that it prints"
        yield Finding("api role", Grade.HINT, f"{alone}: there is no role for it", advice)
    else:
        yield Finding(
            "api role", Grade.HINT, f"{alone}: {found.user} cannot become {found.role}", f"have `{found.grant}` run"
        )


def check_core_views(outdated: Sequence[str]) -> Iterator[Finding]:
    """Judge the views of `core`, without which everything else works."""
    if outdated:
        names = ", ".join(outdated[:_MOST_NAMES]) + (", …" if len(outdated) > _MOST_NAMES else "")
        advice = "run `hostaway-sync migrate` as the owner of the tables: it makes them, or says what is in its way"
        yield Finding("core", Grade.HINT, f"views of core are missing, or those of another release: {names}", advice)


def check_new_words(found: Overview) -> Iterator[Finding]:
    """Judge the words of the source that are newer than this release."""
    if found.new_words:
        advice = "upgrade hostaway-sync; until then ask for `status_raw` and `channel_raw`"
        yield Finding("core", Grade.HINT, describe_new_words(found.new_words), advice)
