-- Accounts that are mirrored, removed ones included: one row an account.
--
-- account_id: account, by its id in its system
-- account_key: its key for joins: source:account:account
-- name: as the operator of the mirror calls it
-- time_zone: of the whole account, IANA name
-- currency: of the whole account, ISO 4217
-- observed_at: always null: an account is no object that is asked for
-- missing_since: since when its secrets are erased and it is not mirrored any more
-- raw_payload: always null
SELECT s.source,
    s.account_id,
    s.account_key,
    s.name,
    s.time_zone,
    s.currency,
    s.source_created_at,
    s.source_updated_at,
    s.first_seen_at,
    s.observed_at,
    s.missing_since,
    s.raw_payload
FROM {sources} AS s
