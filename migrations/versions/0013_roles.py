"""Guard the rows of each account from readers that are bound to another one. The owner of the tables sees all.

Without a policy nobody else sees a row: `hostaway-sync roles create` makes them, for roles that no migration can make.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

# By the catalog, whichever tables there are by now; a later migration that makes one enables it there.
GUARD = """
DO $$
DECLARE
    place regclass;
BEGIN
    FOR place IN
        SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'account_id'
        WHERE n.nspname = current_schema() AND c.relkind = 'r' ORDER BY c.relname
    LOOP
        EXECUTE 'ALTER TABLE ' || place || ' ENABLE ROW LEVEL SECURITY';
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.create_table(
        "reader_bindings",
        sa.Column("role_name", sa.Text, nullable=False, comment="a role of the server; its members are bound with it"),
        sa.Column("bound_account_id", sa.BigInteger, comment="sees this account; NULL: see bound_customer_id"),
        sa.Column("bound_customer_id", sa.Uuid, comment="sees every account of this customer"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.UniqueConstraint(
            "role_name",
            "bound_account_id",
            "bound_customer_id",
            name="reader_bindings_key",
            postgresql_nulls_not_distinct=True,
        ),
        sa.CheckConstraint(
            "num_nonnulls(bound_account_id, bound_customer_id) = 1", name="reader_bindings_to_one_check"
        ),
        comment="which accounts a reader sees that does not see all",
    )
    op.execute("ALTER TABLE reader_bindings ENABLE ROW LEVEL SECURITY")
    op.execute(GUARD)
