-- Takes the earliest moment that no sliding window objects to, in all keys at once. It may lie before slots that others
-- were given for later, so every window around it is looked at. The clock is this server's. `margin` is kept free after
-- each window, for what the way to the source adds or takes.
--
-- urgent   the whole limit
-- usual    leaves half a per cent of it to the urgent, for whom there is always room soon
-- patient  like usual, but evenly once half of it is taken, and three quarters while others ask: whoever comes next
--          finds room at once, or within a moment, and never has to wait for the end of a window that is full
--
-- Among equals, first come is first served. Answers when the request may be sent, and how long to wait until then.
CREATE FUNCTION reserve_request(
    keys text[], limits integer[], windows interval[], margins interval[], priority text,
    OUT granted_at timestamptz, OUT wait interval
)
LANGUAGE plpgsql
SET search_path FROM CURRENT
AS $$
DECLARE
    now_at timestamptz;
    last_moment timestamptz;
    row_of record;
    span interval;
    held timestamptz[];
    taken integer;
    allowed integer;
BEGIN
    -- Makes and locks the rows one after the other, in one order for everyone, so that two callers never wait for each
    -- other. A conflict locks its row although nothing is updated.
    INSERT INTO request_budget (key) SELECT k FROM unnest(keys) AS k ORDER BY k COLLATE "C"
    ON CONFLICT (key) DO UPDATE SET key = excluded.key WHERE false;
    now_at := clock_timestamp();
    -- A clock that was set back takes along what it granted: nothing waits for the old time, and nothing is forgotten.
    UPDATE request_budget
    SET slots = ARRAY(SELECT slot - (asked_at - now_at) FROM unnest(slots) AS slot ORDER BY slot),
        not_before = not_before - (asked_at - now_at),
        pressed_at = pressed_at - (asked_at - now_at)
    WHERE key = ANY (keys) AND asked_at > now_at;
    SELECT greatest(now_at, max(not_before)) INTO granted_at FROM request_budget WHERE key = ANY (keys);
    -- One key may object to the moment that another one moved it to. It only ever moves on, past slots that are there.
    LOOP
        last_moment := granted_at;
        FOR i IN 1 .. cardinality(keys) LOOP
            SELECT * INTO row_of FROM request_budget WHERE key = keys[i];
            span := windows[i] + margins[i];
            held := row_of.slots;
            taken := cardinality(held);
            allowed := limits[i];
            IF row_of.lowered_until > now_at THEN
                allowed := least(allowed, row_of.lowered_to);
            END IF;
            IF priority <> 'urgent' AND allowed >= 20 THEN
                allowed := allowed - ceil(allowed * 0.005);
            END IF;
            IF priority = 'patient' THEN
                IF row_of.pressed_at > now_at - span THEN
                    allowed := greatest(1, allowed * 3 / 4);
                END IF;
                IF taken > allowed / 2 THEN
                    -- A little faster than the limit, which makes up for moments in which nobody asked.
                    granted_at := free_moment(held, 1, 0.9 * span / allowed, granted_at);
                END IF;
            END IF;
            IF taken >= allowed THEN
                granted_at := free_moment(held, allowed, span, granted_at);
            END IF;
        END LOOP;
        EXIT WHEN granted_at = last_moment;
    END LOOP;
    FOR i IN 1 .. cardinality(keys) LOOP
        UPDATE request_budget
        SET slots = slots[width_bucket(now_at - windows[i] - margins[i], slots) + 1 : width_bucket(granted_at, slots)]
                || granted_at || slots[width_bucket(granted_at, slots) + 1 :],
            asked_at = now_at,
            pressed_at = CASE WHEN priority = 'patient' THEN pressed_at ELSE now_at END
        WHERE key = keys[i];
    END LOOP;
    wait := granted_at - now_at;
END
$$
