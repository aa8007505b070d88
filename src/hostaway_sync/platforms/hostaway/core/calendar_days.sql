-- listing_key: listing that was asked for
-- date: date
-- is_available: isAvailable
-- reason: status; pending is reserved
-- reservation_key: always null: it is not asked for, and stays have rows of their own
-- price: price
-- currency: currencyCode of the listing
-- min_nights: minimumStay
-- is_closed_to_arrival: closedOnArrival
-- is_closed_to_departure: closedOnDeparture
-- note: note
-- source_created_at: always null
-- source_updated_at: always null
-- missing_since: always null: a day stays
SELECT 'hostaway'::text AS source,
    d.core_account_id AS account_id,
    d.listing_id::text || '/' || to_char(d.date, 'YYYY-MM-DD') AS calendar_day_id,
    d.core_listing_key || '/' || to_char(d.date, 'YYYY-MM-DD') AS calendar_day_key,
    d.core_listing_key AS listing_key,
    d.date,
    d.is_available,
    CASE
        WHEN d.is_available THEN NULL
        WHEN d.status IN ('reserved', 'mreserved', 'conflicted', 'pending') THEN 'reserved'
        WHEN d.status IN ('blocked', 'mblocked', 'hardBlock') THEN 'blocked'
        WHEN d.is_available IS NOT NULL THEN 'other'
    END AS reason,
    NULL::text AS reservation_key,
    d.price,
    l.currency,
    least(greatest(d.minimum_stay, 0), 2147483647)::integer AS min_nights,
    d.closed_on_arrival AS is_closed_to_arrival,
    d.closed_on_departure AS is_closed_to_departure,
    d.note,
    NULL::timestamptz AS source_created_at,
    NULL::timestamptz AS source_updated_at,
    d.created_at AS first_seen_at,
    d.observed_at,
    NULL::timestamptz AS missing_since,
    d.raw_payload
FROM {tables}.calendar_days AS d
LEFT JOIN {tables}.listings AS l ON l.account_id = d.account_id AND l.id = d.listing_id
