-- Reservations: one row each, inquiries, cancelled ones and stays of owners included.
--
-- reservation_id: its id in its system
-- reservation_key: its key for joins: source:account:id
-- listing_key: listing that is booked, as in core.listings
-- channel: where it was booked: airbnb, vrbo, booking_com, expedia, direct, manual, ical or other
-- channel_raw: channel in the system's own word
-- confirmation_code: code that the channel gave the guest
-- status: what is agreed: inquiry, pending, confirmed, cancelled, declined, expired, withdrawn or unknown
-- status_raw: status in the system's own word
-- status_reason: why or by whom it was ended, in the system's words
-- stay_type: guest, or owner for a stay of the owner
-- stay_state: of a confirmed stay: upcoming, in_house, departed or no_show; by its dates and the listing's clock (UTC where its zone is unknown), or reported
-- blocks_calendar: whether it takes its days from the calendar; null where the status is unknown
-- booked_at: when the guest booked or asked
-- confirmed_at: when it was confirmed
-- cancelled_at: when it was cancelled
-- check_in_date: first night, by the listing's clock
-- check_out_date: morning after the last night, by the listing's clock
-- check_in_time: by the listing's clock
-- check_out_time: by the listing's clock
-- check_in_at: moment of arrival; null where its time or the listing's zone is unknown
-- check_out_at: moment of departure; null where its time or the listing's zone is unknown
-- nights: number of nights; may be 0
-- guest_count: persons, infants not always included
-- adults: number of them
-- children: number of them
-- infants: number of them
-- pets: number of them
-- guest_name: whole name
-- guest_first_name: first name
-- guest_last_name: last name
-- guest_email: address, often one of the channel that forwards
-- guest_phone: number as the guest wrote it
-- guest_language: of the guest, as the system writes it
-- guest_total: what the guest pays, taxes and fees included
-- accommodation_amount: of it, for the nights alone
-- cleaning_fee: of it, for cleaning
-- taxes_amount: of it, taxes
-- host_fee_amount: what the channel keeps from the host
-- host_payout: what the channel pays the host
-- paid_amount: what the guest has paid so far
-- balance_due: what the guest has still to pay
-- unit_count: units of the listing that it takes; 1 where the system names none
-- last_message_at: newest sent message of its threads
SELECT s.source,
    s.account_id,
    s.reservation_id,
    s.reservation_key,
    s.listing_key,
    s.unit_key,
    s.guest_key,
    s.channel,
    s.channel_raw,
    s.confirmation_code,
    s.status,
    s.status_raw,
    s.status_reason,
    s.stay_type,
    CASE WHEN s.status = 'confirmed' THEN
        CASE
            WHEN s.is_no_show THEN 'no_show'
            WHEN s.check_in_date > (now() AT TIME ZONE coalesce(s.time_zone, 'UTC'))::date THEN 'upcoming'
            WHEN s.check_out_date > (now() AT TIME ZONE coalesce(s.time_zone, 'UTC'))::date THEN 'in_house'
            WHEN s.check_in_date IS NOT NULL AND s.check_out_date IS NOT NULL THEN 'departed'
        END
    END AS stay_state,
    s.blocks_calendar,
    s.booked_at,
    s.confirmed_at,
    s.cancelled_at,
    s.check_in_date,
    s.check_out_date,
    s.check_in_time,
    s.check_out_time,
    (s.check_in_date + s.check_in_time) AT TIME ZONE s.time_zone AS check_in_at,
    (s.check_out_date + s.check_out_time) AT TIME ZONE s.time_zone AS check_out_at,
    coalesce(s.nights, s.check_out_date - s.check_in_date) AS nights,
    s.guest_count,
    s.adults,
    s.children,
    s.infants,
    s.pets,
    s.guest_name,
    s.guest_first_name,
    s.guest_last_name,
    s.guest_email,
    s.guest_phone,
    s.guest_language,
    s.currency,
    s.guest_total,
    s.accommodation_amount,
    s.cleaning_fee,
    s.taxes_amount,
    s.host_fee_amount,
    s.host_payout,
    s.paid_amount,
    s.balance_due,
    s.unit_count,
    s.last_message_at,
    s.source_created_at,
    s.source_updated_at,
    s.first_seen_at,
    s.observed_at,
    s.missing_since,
    s.raw_payload
FROM {sources} AS s
