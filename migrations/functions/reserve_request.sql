-- Takes the next slot that no sliding window objects to, in all keys at once and first come, first served.
-- The clock is this server's. `margin` is kept free after each window, for what the way to the source adds or takes.
-- Answers when the request may be sent, and how long to wait until then.
CREATE FUNCTION reserve_request(
    keys text[], limits integer[], windows interval[], margins interval[],
    OUT granted_at timestamptz, OUT wait interval
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    now_at timestamptz;
    row_of record;
    held timestamptz[];
    allowed integer;
    taken integer;
BEGIN
    -- Makes and locks the rows one after the other, in one order for everyone, so that two callers never wait for each
    -- other. A conflict locks its row although nothing is updated.
    INSERT INTO request_budget (key) SELECT k FROM unnest(keys) AS k ORDER BY k COLLATE "C"
    ON CONFLICT (key) DO UPDATE SET key = excluded.key WHERE false;
    now_at := clock_timestamp();
    -- A clock that was set back takes along what it granted: nothing waits for the old time, and nothing is forgotten.
    UPDATE request_budget
    SET slots = ARRAY(SELECT slot - (asked_at - now_at) FROM unnest(slots) AS slot ORDER BY slot),
        not_before = not_before - (asked_at - now_at)
    WHERE key = ANY (keys) AND asked_at > now_at;
    granted_at := now_at;
    FOR i IN 1 .. cardinality(keys) LOOP
        SELECT * INTO row_of FROM request_budget WHERE key = keys[i];
        allowed := limits[i];
        IF row_of.lowered_until > now_at THEN
            allowed := least(allowed, row_of.lowered_to);
        END IF;
        held := row_of.slots;
        taken := cardinality(held);
        IF taken > 0 THEN
            granted_at := greatest(granted_at, held[taken]);
        END IF;
        IF taken >= allowed THEN
            granted_at := greatest(granted_at, held[taken - allowed + 1] + windows[i] + margins[i]);
        END IF;
        granted_at := greatest(granted_at, row_of.not_before);
    END LOOP;
    FOR i IN 1 .. cardinality(keys) LOOP
        UPDATE request_budget
        SET slots = slots[width_bucket(now_at - windows[i] - margins[i], slots) + 1 :] || granted_at,
            asked_at = now_at
        WHERE key = keys[i];
    END LOOP;
    wait := granted_at - now_at;
END
$$
