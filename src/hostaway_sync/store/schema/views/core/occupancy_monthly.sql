-- Occupancy and revenue of each listing by month: one row a listing, month and currency.
-- A listing has a row for each month from its creation to a year from now, archived ones only for months with stays.
-- Where a month has stays in several currencies, it has a row for each: the first one, with most nights, has the nights of the listing, the others have only what was booked in their currency. So sums over rows are right: the occupancy of many listings is sum(nights_booked) / sum(nights_available).
--
-- month: first day of the month
-- nights_total: days of the month times units of the listing; 0 in the rows of further currencies
-- nights_available: nights_total less nights_owner and less nights that the calendar closes without a stay; days that the calendar does not know count as open; 0 in the rows of further currencies
-- nights_booked: nights of guests in this currency
-- nights_owner: nights of owners; 0 in the rows of further currencies
-- occupancy: nights of guests in all currencies / nights_available, 1 is full, more is overbooked; null without available nights, and in the rows of further currencies
-- revenue: sum of core.nights.revenue; 0 without nights of guests, null where no amount of them is known
-- accommodation_revenue: sum of core.nights.accommodation_revenue; 0 without nights of guests, null where no amount of them is known
-- currency: of the amounts, ISO 4217; the listing's own where nothing was booked
-- adr: accommodation_revenue / nights of guests whose amount is known, to the currency's smallest unit
-- revpar: accommodation_revenue / nights_available of the listing, to the currency's smallest unit
SELECT s.source,
    s.account_id,
    s.listing_key,
    s.month,
    CASE WHEN s.place = 1 THEN s.nights_total ELSE 0 END AS nights_total,
    CASE WHEN s.place = 1 THEN s.nights_available ELSE 0 END AS nights_available,
    s.nights_booked,
    CASE WHEN s.place = 1 THEN s.nights_owner ELSE 0 END AS nights_owner,
    CASE WHEN s.place = 1 THEN round(s.nights_guest / nullif(s.nights_available, 0)::numeric, 4) END AS occupancy,
    CASE WHEN s.nights_booked = 0 THEN 0 ELSE s.revenue END AS revenue,
    CASE WHEN s.nights_booked = 0 THEN 0 ELSE s.accommodation_revenue END AS accommodation_revenue,
    s.currency,
    round(s.accommodation_revenue / nullif(s.nights_priced, 0), s.currency_digits) AS adr,
    round(
        CASE WHEN s.nights_booked = 0 THEN 0 ELSE s.accommodation_revenue END / nullif(s.nights_available, 0),
        s.currency_digits
    ) AS revpar
FROM (
    WITH months AS NOT MATERIALIZED (
        -- Plain columns, so that a condition on the month reaches the indexes of dates.
        SELECT series.month, series.next_month, series.earliest FROM unnest(
            ARRAY(SELECT make_date(2000 + n / 12, mod(n, 12) + 1, 1) FROM generate_series(0, 599) AS n),
            ARRAY(SELECT make_date(2000 + n / 12, mod(n, 12) + 1, 1) FROM generate_series(1, 600) AS n),
            ARRAY(SELECT make_date(2000 + n / 12, mod(n, 12) + 1, 1) - 1096 FROM generate_series(0, 599) AS n)
        ) AS series (month, next_month, earliest)
    ),
    -- Nights of stays; days that the calendar closes; and each month of each listing, so that none is left out.
    cells AS (
        SELECT n.source, n.account_id, n.listing_key, m.month, m.next_month, n.check_in_date + night.number AS date,
            CASE WHEN n.stay_type = 'guest' THEN n.currency END AS currency,
            CASE WHEN n.stay_type = 'guest' THEN n.currency_digits END AS currency_digits,
            CASE WHEN n.stay_type = 'guest' THEN n.unit_count ELSE 0 END AS guest,
            CASE WHEN n.stay_type = 'guest' THEN 0 ELSE n.unit_count END AS owner,
            CASE WHEN night.number < n.nights - 1 THEN n.revenue_per_night ELSE n.revenue_last_night END AS revenue,
            CASE
                WHEN night.number < n.nights - 1 THEN n.accommodation_per_night
                ELSE n.accommodation_last_night
            END AS accommodation_revenue,
            false AS is_closed, false AS is_listed
        FROM months AS m
        JOIN {core}.stays AS n
            ON n.check_in_date < m.next_month AND n.check_in_date >= m.earliest AND n.check_out_date > m.month
        CROSS JOIN LATERAL generate_series(
            greatest(m.month, n.check_in_date) - n.check_in_date,
            least(m.next_month, n.check_out_date) - n.check_in_date - 1
        ) AS night (number)
        UNION ALL
        SELECT l.source, l.account_id, l.listing_key, m.month, m.next_month, c.date,
            l.currency, NULL, 0, 0, NULL, NULL, c.date IS NOT NULL, l.is_listed
        FROM (
            -- Grouped by its key, so that the payload of a listing is opened once, and not once a month.
            SELECT source, account_id, listing_key, max(currency) AS currency,
                bool_or(status IS DISTINCT FROM 'archived') AS is_listed,
                min((coalesce(source_created_at, first_seen_at) AT TIME ZONE 'UTC')::date) AS first_day,
                max(coalesce((missing_since AT TIME ZONE 'UTC')::date, current_date + 365)) AS last_day
            FROM {core}.listings
            GROUP BY source, account_id, listing_key
        ) AS l
        JOIN months AS m ON m.next_month > l.first_day AND m.month <= l.last_day
        LEFT JOIN LATERAL (
            SELECT d.date
            FROM {core}.calendar_days AS d
            WHERE d.listing_key = l.listing_key AND d.date >= m.month AND d.date < m.next_month
                AND NOT d.is_available AND d.reason IS DISTINCT FROM 'reserved'
            OFFSET 0 -- read by the index of listing and date, month by month
        ) AS c ON true
    ),
    weighed AS (
        SELECT cells.*, coalesce(u.units, 1) AS units,
            CASE WHEN cells.is_closed THEN greatest(coalesce(u.units, 1) - sum(cells.guest + cells.owner) OVER (
                PARTITION BY cells.source, cells.account_id, cells.listing_key, cells.month, cells.date
            ), 0) ELSE 0 END AS closed
        FROM cells
        LEFT JOIN (SELECT listing_key, count(*) AS units FROM {core}.units GROUP BY listing_key) AS u
            ON u.listing_key = cells.listing_key
    ),
    summed AS (
        SELECT w.source, w.account_id, w.listing_key, w.month, w.currency,
            coalesce(max(w.currency_digits), 2) AS currency_digits,
            sum(w.guest) AS nights_booked,
            sum(w.guest) FILTER (WHERE w.accommodation_revenue IS NOT NULL) AS nights_priced,
            sum(w.revenue) AS revenue,
            sum(w.accommodation_revenue) AS accommodation_revenue,
            (w.next_month - w.month) * max(max(w.units)) OVER listing AS nights_total,
            (sum(sum(w.guest)) OVER listing)::bigint AS nights_guest,
            (sum(sum(w.owner)) OVER listing)::bigint AS nights_owner,
            (sum(sum(w.closed)) OVER listing)::bigint AS nights_closed,
            bool_or(bool_or(w.is_listed)) OVER listing AS is_listed,
            row_number() OVER (
                PARTITION BY w.source, w.account_id, w.listing_key, w.month ORDER BY sum(w.guest) DESC, w.currency
            ) AS place
        FROM weighed AS w
        GROUP BY w.source, w.account_id, w.listing_key, w.month, w.next_month, w.currency
        WINDOW listing AS (PARTITION BY w.source, w.account_id, w.listing_key, w.month)
    )
    SELECT summed.*, greatest(nights_total - nights_owner - nights_closed, 0) AS nights_available
    FROM summed
    WHERE nights_booked > 0 OR place = 1 AND (is_listed OR nights_owner > 0)
) AS s
