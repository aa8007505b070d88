-- Gives the earliest moment, from `moment` on, that makes no stretch of less than `span` hold more than `allowed` slots.
-- `held` is ascending. Any `allowed` slots in a row that lie within a span leave no room from the last one less the span
-- to the first one plus the span, both excluded.
CREATE FUNCTION free_moment(held timestamptz[], allowed integer, span interval, moment timestamptz) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE
AS $$
BEGIN
    -- Slots that are over by then share no span with it.
    FOR first_of IN width_bucket(moment - span, held) + 1 .. cardinality(held) - allowed + 1 LOOP
        EXIT WHEN held[first_of + allowed - 1] - span >= moment;
        CONTINUE WHEN held[first_of + allowed - 1] - held[first_of] >= span;
        moment := greatest(moment, held[first_of] + span);
    END LOOP;
    RETURN moment;
END
$$
