-- Stays: confirmed reservations whose dates make nights, one row each; what core.nights and core.occupancy_monthly count.
-- Left out: what Hostaway no longer has, departures that do not lie behind their arrival, dates outside 2000 to 2049, and stays of more than 1,096 nights.
--
-- channel: where it was booked, as in core.reservations
-- stay_type: guest, or owner for a stay of the owner
-- check_in_date: first night, by the listing's clock
-- check_out_date: morning after the last night, by the listing's clock
-- nights: check_out_date less check_in_date
-- unit_count: units of the listing that it takes
-- revenue_per_night: guest_total through nights, cut after the currency's smallest unit; null for owners
-- revenue_last_night: what of guest_total the other nights leave for the last one; null for owners
-- accommodation_per_night: accommodation_amount through nights, cut after the currency's smallest unit; null for owners
-- accommodation_last_night: what of accommodation_amount the other nights leave for the last one; null for owners
-- currency_digits: digits of the currency after the point: 0 for JPY and its like, 3 for KWD and its like, else 2
SELECT s.source,
    s.account_id,
    s.listing_key,
    s.unit_key,
    s.reservation_key,
    s.channel,
    s.stay_type,
    s.check_in_date,
    s.check_out_date,
    s.nights,
    s.unit_count,
    trunc(s.revenue / s.nights, s.currency_digits) AS revenue_per_night,
    s.revenue - trunc(s.revenue / s.nights, s.currency_digits) * (s.nights - 1) AS revenue_last_night,
    trunc(s.accommodation / s.nights, s.currency_digits) AS accommodation_per_night,
    s.accommodation - trunc(s.accommodation / s.nights, s.currency_digits) * (s.nights - 1) AS accommodation_last_night,
    s.currency,
    s.currency_digits
FROM (
    SELECT r.source,
        r.account_id,
        r.listing_key,
        r.unit_key,
        r.reservation_key,
        r.channel,
        r.stay_type,
        r.check_in_date,
        r.check_out_date,
        r.check_out_date - r.check_in_date AS nights,
        r.unit_count,
        CASE WHEN r.stay_type = 'guest' THEN r.guest_total END AS revenue,
        CASE WHEN r.stay_type = 'guest' THEN r.accommodation_amount END AS accommodation,
        r.currency,
        CASE
            WHEN r.currency IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI',
                'VND', 'VUV', 'XAF', 'XOF', 'XPF') THEN 0
            WHEN r.currency IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
            ELSE 2
        END AS currency_digits
    FROM {core}.reservations AS r
    WHERE r.status = 'confirmed' AND r.missing_since IS NULL
        -- A mistaken year must not make a million nights.
        AND r.check_in_date >= '2000-01-01' AND r.check_out_date <= '2050-01-01'
        AND r.check_out_date > r.check_in_date AND r.check_out_date - r.check_in_date <= 1096
) AS s
