-- Inquiries: guests who asked and have not booked, one row each.
--
-- inquiry_id: its id in its system
-- inquiry_key: its key for joins: source:account:id
-- reservation_key: where the system keeps it among reservations, the same as in core.reservations
-- asked_at: when the guest asked
SELECT r.source,
    r.account_id,
    r.reservation_id AS inquiry_id,
    r.reservation_key AS inquiry_key,
    r.reservation_key,
    r.listing_key,
    r.guest_key,
    r.channel,
    r.channel_raw,
    r.status_raw,
    r.booked_at AS asked_at,
    r.check_in_date,
    r.check_out_date,
    r.nights,
    r.guest_count,
    r.guest_name,
    r.guest_email,
    r.guest_phone,
    r.guest_language,
    r.currency,
    r.guest_total,
    r.last_message_at,
    r.source_created_at,
    r.source_updated_at,
    r.first_seen_at,
    r.observed_at,
    r.missing_since,
    r.raw_payload
FROM {core}.reservations AS r
WHERE r.status = 'inquiry'
