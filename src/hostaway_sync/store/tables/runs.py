"""Tables of runs: history, watermarks, walks, certificates, alarms, leases, outages and the request budget."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Identity,
    Index,
    Integer,
    Interval,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from hostaway_sync.store.tables.metadata import Sentence, Timestamp, account_key, metadata

_RUN_STATES = "('triggered','running','retrying','success','partial','failed','abandoned','skipped')"

sync_runs = Table(
    "sync_runs",
    metadata,
    Column("run_id", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    Column("account_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'triggered'")),
    Column("mode", Text, nullable=False),
    Column("triggered_at", Timestamp, nullable=False, server_default=func.now()),
    Column("started_at", Timestamp),
    Column("finished_at", Timestamp),
    Column("retry_count", Integer, nullable=False, server_default=text("0")),
    Column("max_retries", Integer, nullable=False, server_default=text("0")),
    Column("api_calls", BigInteger, nullable=False, server_default=text("0")),
    Column("error", Sentence),
    PrimaryKeyConstraint("run_id"),
    account_key(),
    CheckConstraint(f"state IN {_RUN_STATES}", name="state_known"),
    CheckConstraint("mode IN ('full','incremental')", name="mode_known"),
    CheckConstraint(
        "(finished_at IS NOT NULL) = (state IN ('success','partial','failed','abandoned','skipped'))",
        name="finished_at_of_final_states",
    ),
)
Index(None, sync_runs.c.account_id, sync_runs.c.triggered_at)
# An account has at most one open run: the lease ensures it, and the index enforces it.
Index(
    "sync_runs_one_open_idx",
    sync_runs.c.account_id,
    unique=True,
    postgresql_where=text("state IN ('running','retrying')"),
)

sync_run_resources = Table(
    "sync_run_resources",
    metadata,
    Column("run_id", Uuid, nullable=False),
    Column("resource", Text, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    *(
        Column(name, BigInteger, nullable=False, server_default=text("0"))
        for name in ("seen", "inserted", "updated", "unchanged", "stale", "quarantined", "missing")
    ),
    Column("cleaned", BigInteger, nullable=False, server_default=text("0"), comment="stored cleaned, bytes kept"),
    Column("misfits", BigInteger, nullable=False, server_default=text("0"), comment="typed columns left NULL"),
    Column("error", Sentence),
    PrimaryKeyConstraint("run_id", "resource"),
    account_key(),
    CheckConstraint("seen = inserted + updated + unchanged + stale + quarantined", name="counts_add_up"),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("resource", Text, nullable=False),
    Column("watermark_at", Timestamp, comment="everything stamped up to here is mirrored; NULL: no stamps"),
    Column("swept_at", Timestamp, comment="start of the last full walk that was whole"),
    Column("hurried_at", Timestamp, comment="start of the last full walk that a suspicion brought forward"),
    Column("accepted_at", Timestamp, comment="when a person last accepted that many rows are gone at once"),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("account_id", "resource"),
    account_key(),
)

walk_pages = Table(
    "walk_pages",
    metadata,
    Column("page_id", BigInteger, Identity(always=True), nullable=False),
    Column("run_id", Uuid, nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("resource", Text, nullable=False),
    Column("record_keys", ARRAY(BigInteger), nullable=False, comment="ids; for a record without one, minus its hash"),
    Column("changes", ARRAY(SmallInteger), nullable=False, comment="rank of the change, one a key"),
    Column("cleaned", Integer, nullable=False, server_default=text("0")),
    Column("misfits", Integer, nullable=False, server_default=text("0")),
    Column("walk_id", Uuid, nullable=False, comment="the walk they belong to, which may outlive its run"),
    PrimaryKeyConstraint("page_id"),
    account_key(),
    comment="what the runs under way have met, page by page, so that their memory stays flat; emptied at their end",
)
Index(None, walk_pages.c.run_id, walk_pages.c.resource)
Index(None, walk_pages.c.walk_id)

verification_notes = Table(
    "verification_notes",
    metadata,
    Column("notes_id", Uuid, nullable=False, comment="the comparison that noted it"),
    Column("page", BigInteger, nullable=False, comment="ascending in the order of reading"),
    Column("account_id", BigInteger, nullable=False),
    Column(
        "fencing_token",
        BigInteger,
        nullable=False,
        comment="of the lease it is written under: its owner lives while that is held",
    ),
    Column("resource", Text, nullable=False, comment="or `threads`: conversations whose thread was read"),
    Column("record_keys", ARRAY(BigInteger), nullable=False, comment="ids; for a record without one, minus its hash"),
    Column("verdicts", ARRAY(Text), nullable=False, comment="one a key"),
    Column(
        "are_newer",
        ARRAY(Boolean),
        nullable=False,
        comment="one a key: the source changed it after the last whole run",
    ),
    PrimaryKeyConstraint("notes_id", "page"),
    account_key(),
    comment="what the verifications under way have compared, page by page; emptied at their end",
)
Index(None, verification_notes.c.notes_id, verification_notes.c.resource)

walks = Table(
    "walks",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("resource", Text, nullable=False),
    Column("walk_id", Uuid, nullable=False, comment="whose pages these are in walk_pages"),
    Column("began_at", Timestamp, nullable=False, comment="start of the run that began it: signpost"),
    Column("watermark_at", Timestamp, comment="the resource's watermark, once the walk is whole"),
    Column("position", Text, nullable=False, comment="where it stands, in the source's own words"),
    Column("updated_at", Timestamp, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("account_id", "resource"),
    account_key(),
    comment="full walks that are under way or were cut",
)

verifications = Table(
    "verifications",
    metadata,
    Column("verification_id", Uuid, nullable=False, server_default=func.gen_random_uuid()),
    Column("account_id", BigInteger, nullable=False),
    Column("verified_at", Timestamp, nullable=False, comment="when its first request was granted"),
    Column("finished_at", Timestamp, nullable=False, server_default=func.now()),
    Column("is_equal", Boolean, nullable=False, comment="no difference was found"),
    Column("is_deep", Boolean, nullable=False, comment="every thread was read"),
    Column("api_calls", BigInteger, nullable=False),
    Column("certificate", JSONB, nullable=False, comment="what `verify --json` printed"),
    PrimaryKeyConstraint("verification_id"),
    account_key(),
    comment="every comparison of a mirror with its source",
)
Index(None, verifications.c.account_id, verifications.c.verified_at)

alarms = Table(
    "alarms",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("kind", Text, nullable=False, comment="`brake`, `partial` or `differs`"),
    Column("resource", Text, nullable=False, comment="empty: all of the account"),
    Column("sentence", Sentence, nullable=False, comment="what is wrong, and what to do"),
    Column("since", Timestamp, nullable=False),
    Column("told_at", Timestamp, comment="when a run last said so"),
    Column(
        "others_told",
        JSONB,
        nullable=False,
        server_default=text("'{}'"),
        comment="when a run last told other causes of the last 24 hours, by SHA-256",
    ),
    Column("needs_sweep", Boolean, nullable=False, comment="only a whole list can show that it is gone"),
    PrimaryKeyConstraint("account_id", "kind", "resource"),
    account_key(),
    CheckConstraint("kind IN ('brake','partial','differs')", name="kind_known"),
    comment="what is wrong with an account until its cause was seen to be gone",
)

leases = Table(
    "leases",
    metadata,
    Column("account_id", BigInteger, nullable=False),
    Column("owner", Text, comment="host, boot, process; NULL: nobody holds it"),
    Column("fencing_token", BigInteger, nullable=False, comment="grows with every new owner"),
    Column("expires_at", Timestamp, nullable=False),
    PrimaryKeyConstraint("account_id"),
    account_key(),
)

source_outages = Table(
    "source_outages",
    metadata,
    Column("egress", Text, nullable=False),
    Column("api_url", Text, nullable=False),
    Column("failures", Integer, nullable=False, comment="in a row, of anybody's requests"),
    Column("failing_since", Timestamp, nullable=False),
    Column("failed_at", Timestamp, nullable=False),
    Column("error", Sentence, nullable=False, comment="of the last one"),
    Column("away_since", Timestamp, comment="nobody asks but one probe in turn; NULL: everybody may"),
    Column("probe_at", Timestamp, comment="from then on"),
    Column("probes", Integer, nullable=False, server_default=text("0"), comment="in vain, or under way"),
    PrimaryKeyConstraint("egress", "api_url"),
    comment="failures that no answer followed; without a row all is well",
)

request_budget = Table(
    "request_budget",
    metadata,
    Column("key", Text, nullable=False),
    Column("slots", ARRAY(Timestamp), nullable=False, server_default=text("'{}'"), comment="granted, ascending"),
    Column("asked_at", Timestamp, comment="clock at the last grant; when it is ahead, the clock was set back"),
    Column("not_before", Timestamp, comment="the source asked for silence until then"),
    Column("lowered_to", Integer, comment="the source named a lower limit than ours"),
    Column("lowered_until", Timestamp),
    Column("pressed_at", Timestamp, comment="when someone last asked who is not patient"),
    Column("lowered_for", Interval, comment="how long it is believed; longer each time that it is met again"),
    PrimaryKeyConstraint("key"),
    postgresql_with={"fillfactor": 25},
)
