-- Nights: one row for each night of each stay. Sums of revenue are right for one currency at a time.
-- revenue is guest_total through the nights, cut after the currency's smallest unit; the last night has the rest, so that the nights of a stay add up to its total.
--
-- date: of the evening, by the listing's clock
-- channel: where the stay was booked, as in core.reservations
-- stay_type: guest, or owner for a stay of the owner
-- unit_count: units of the listing that the stay takes
-- revenue: this night's part of guest_total; null for owners, and where the total is unknown
-- accommodation_revenue: this night's part of accommodation_amount, which is without cleaning and taxes; null as revenue
SELECT s.source,
    s.account_id,
    s.listing_key,
    s.check_in_date + night.number AS date,
    s.reservation_key,
    s.unit_key,
    s.channel,
    s.stay_type,
    s.unit_count,
    CASE WHEN night.number < s.nights - 1 THEN s.revenue_per_night ELSE s.revenue_last_night END AS revenue,
    CASE
        WHEN night.number < s.nights - 1 THEN s.accommodation_per_night
        ELSE s.accommodation_last_night
    END AS accommodation_revenue,
    s.currency
FROM {core}.stays AS s
CROSS JOIN LATERAL generate_series(0, s.nights - 1) AS night (number)
