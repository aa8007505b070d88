-- The calendar: one row a listing and day, from the day on which it was mirrored first.
--
-- calendar_day_id: id of the listing, a slash, and the date
-- calendar_day_key: its key for joins: source:account:id; rows are found faster by listing_key and date
-- date: by the listing's clock
-- is_available: whether it can be booked
-- reason: why it cannot be booked: reserved, blocked, owner, closed or other; null where it can
-- price: of the night
-- currency: of the price, ISO 4217
-- min_nights: shortest stay
-- is_closed_to_arrival: whether no stay may begin on it
-- is_closed_to_departure: whether no stay may end on it
-- note: what the host wrote to it
SELECT s.source,
    s.account_id,
    s.calendar_day_id,
    s.calendar_day_key,
    s.listing_key,
    s.date,
    s.is_available,
    s.reason,
    s.reservation_key,
    s.price,
    s.currency,
    s.min_nights,
    s.is_closed_to_arrival,
    s.is_closed_to_departure,
    s.note,
    s.source_created_at,
    s.source_updated_at,
    s.first_seen_at,
    s.observed_at,
    s.missing_since,
    s.raw_payload
FROM {sources} AS s
