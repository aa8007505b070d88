-- Arrivals: confirmed stays of guests and owners that the system still has, one row each, past and future; ask for a range of check_in_date.
--
-- check_in_date: day of arrival, by the listing's clock
-- check_in_time: by the listing's clock
-- check_in_at: moment of arrival; null where its time or the listing's zone is unknown
-- check_out_date: day of departure, by the listing's clock
-- nights: number of nights; may be 0
-- channel: where it was booked, as in core.reservations
-- confirmation_code: code that the channel gave the guest
-- stay_type: guest, or owner for a stay of the owner
-- stay_state: upcoming, in_house, departed or no_show
-- guest_name: as the system has it; may be empty
-- guest_email: often an address of the channel
-- guest_phone: as the system has it
-- guest_language: as the system has it
-- guest_count: persons, infants not always included
-- adults: number of them
-- children: number of them
-- infants: number of them
-- pets: number of them
-- guest_total: what the guest pays in all
-- balance_due: what of it is not paid; null where the system does not say
-- last_message_at: newest message of its conversation
SELECT r.source,
    r.account_id,
    r.listing_key,
    r.unit_key,
    r.reservation_key,
    r.guest_key,
    r.check_in_date,
    r.check_in_time,
    r.check_in_at,
    r.check_out_date,
    r.nights,
    r.channel,
    r.confirmation_code,
    r.stay_type,
    r.stay_state,
    r.guest_name,
    r.guest_email,
    r.guest_phone,
    r.guest_language,
    r.guest_count,
    r.adults,
    r.children,
    r.infants,
    r.pets,
    r.guest_total,
    r.balance_due,
    r.currency,
    r.last_message_at
FROM {core}.reservations AS r
WHERE r.status = 'confirmed' AND r.missing_since IS NULL
