-- reservation_id: id
-- listing_key: listingMapId
-- unit_key: reservationUnit[0].listingUnitId, the first of several
-- guest_key: same text as reservation_key: a guest exists only inside a reservation
-- channel: channelId, else channelName; a partner, a GDS, Google and Marriott are other
-- channel_raw: channelName, else channelId
-- confirmation_code: confirmationCode
-- status: status
-- status_raw: status
-- status_reason: cancelledBy
-- stay_type: owner where status is ownerStay
-- stay_state: no_show where bookingcomNoShowReportedAt is filled
-- blocks_calendar: by status; an expired one blocks by design
-- booked_at: reservationDate
-- confirmed_at: always null
-- cancelled_at: cancellationDate
-- check_in_date: arrivalDate
-- check_out_date: departureDate
-- check_in_time: checkInTime, whole hours; 0 means none
-- check_out_time: checkOutTime, whole hours; 0 means none
-- nights: nights
-- guest_count: numberOfGuests
-- adults: adults
-- children: children
-- infants: infants
-- pets: pets
-- guest_name: guestName
-- guest_first_name: guestFirstName
-- guest_last_name: guestLastName
-- guest_email: guestEmail
-- guest_phone: phone
-- guest_language: guestLocale
-- currency: currency
-- guest_total: totalPrice
-- accommodation_amount: totalPrice less cleaningFee and taxAmount
-- cleaning_fee: cleaningFee
-- taxes_amount: taxAmount
-- host_fee_amount: channelCommissionAmount
-- host_payout: airbnbExpectedPayoutAmount, known for Airbnb only
-- paid_amount: always null
-- balance_due: remainingBalance
-- unit_count: entries of reservationUnit
-- last_message_at: newest date of its messages with status sent
-- source_created_at: insertedOn
-- source_updated_at: updatedOn
SELECT 'hostaway'::text AS source,
    r.core_account_id AS account_id,
    r.core_id AS reservation_id,
    r.core_key AS reservation_key,
    r.core_listing_key AS listing_key,
    r.core_unit_key AS unit_key,
    r.core_key AS guest_key,
    {core}.hostaway_channel(r.channel_id, p."channelName") AS channel,
    coalesce(p."channelName", r.channel_id::text) AS channel_raw,
    p."confirmationCode" AS confirmation_code,
    CASE
        WHEN r.status IN ('inquiry', 'inquiryPreapproved') THEN 'inquiry'
        WHEN r.status IN ('pending', 'awaitingPayment', 'unconfirmed', 'awaitingGuestVerification') THEN 'pending'
        WHEN r.status IN ('new', 'modified', 'confirmed', 'ownerStay') THEN 'confirmed'
        WHEN r.status = 'cancelled' THEN 'cancelled'
        WHEN r.status IN ('declined', 'inquiryDenied', 'inquiryNotPossible') THEN 'declined'
        WHEN r.status IN ('expired', 'inquiryTimedout', 'inquiryTimeout') THEN 'expired'
        ELSE 'unknown'
    END AS status,
    r.status AS status_raw,
    p."cancelledBy" AS status_reason,
    CASE WHEN r.status = 'ownerStay' THEN 'owner' ELSE 'guest' END AS stay_type,
    coalesce(p."bookingcomNoShowReportedAt", '') <> '' AS is_no_show,
    CASE
        WHEN r.status IN ('new', 'modified', 'confirmed', 'ownerStay', 'pending', 'awaitingPayment', 'unconfirmed',
            'awaitingGuestVerification', 'inquiryPreapproved', 'expired') THEN true
        WHEN r.status IN ('cancelled', 'declined', 'inquiry', 'inquiryDenied', 'inquiryTimedout', 'inquiryTimeout',
            'inquiryNotPossible') THEN false
    END AS blocks_calendar,
    {core}.as_moment(p."reservationDate") AS booked_at,
    NULL::timestamptz AS confirmed_at,
    {core}.as_moment(p."cancellationDate") AS cancelled_at,
    r.arrival_date AS check_in_date,
    r.departure_date AS check_out_date,
    nullif({core}.as_hour(p."checkInTime"), time '00:00') AS check_in_time,
    nullif({core}.as_hour(p."checkOutTime"), time '00:00') AS check_out_time,
    {core}.known_zone(l.time_zone) AS time_zone,
    {core}.as_integer(p.nights) AS nights,
    {core}.as_integer(p."numberOfGuests") AS guest_count,
    {core}.as_integer(p.adults) AS adults,
    {core}.as_integer(p.children) AS children,
    {core}.as_integer(p.infants) AS infants,
    {core}.as_integer(p.pets) AS pets,
    p."guestName" AS guest_name,
    p."guestFirstName" AS guest_first_name,
    p."guestLastName" AS guest_last_name,
    p."guestEmail" AS guest_email,
    p.phone AS guest_phone,
    p."guestLocale" AS guest_language,
    p.currency,
    {core}.as_number(p."totalPrice") AS guest_total,
    {core}.as_number(p."totalPrice") - coalesce({core}.as_number(p."cleaningFee"), 0)
        - coalesce({core}.as_number(p."taxAmount"), 0) AS accommodation_amount,
    {core}.as_number(p."cleaningFee") AS cleaning_fee,
    {core}.as_number(p."taxAmount") AS taxes_amount,
    {core}.as_number(p."channelCommissionAmount") AS host_fee_amount,
    {core}.as_number(p."airbnbExpectedPayoutAmount") AS host_payout,
    NULL::numeric AS paid_amount,
    {core}.as_number(p."remainingBalance") AS balance_due,
    CASE jsonb_typeof(p."reservationUnit")
        WHEN 'array' THEN greatest(jsonb_array_length(p."reservationUnit"), 1) ELSE 1
    END AS unit_count,
    (
        SELECT max(m.sent_at) FROM {tables}.conversation_messages AS m
        WHERE m.account_id = r.account_id AND m.reservation_id = r.id AND m.status = 'sent' AND m.missing_since IS NULL
    ) AS last_message_at,
    {core}.as_moment(p."insertedOn") AS source_created_at,
    r.source_updated_at,
    r.created_at AS first_seen_at,
    r.observed_at,
    r.missing_since,
    r.raw_payload
FROM {tables}.reservations AS r
LEFT JOIN {tables}.listings AS l ON l.account_id = r.account_id AND l.id = r.listing_id
CROSS JOIN LATERAL jsonb_to_record(CASE jsonb_typeof(r.raw_payload) WHEN 'object' THEN r.raw_payload END) AS p (
    "channelName" text, "confirmationCode" text, "cancelledBy" text, "bookingcomNoShowReportedAt" text,
    "reservationDate" text, "cancellationDate" text, "checkInTime" text, "checkOutTime" text, nights text,
    "numberOfGuests" text, adults text, children text, infants text, pets text, "guestName" text,
    "guestFirstName" text, "guestLastName" text, "guestEmail" text, phone text, "guestLocale" text, currency text,
    "totalPrice" text, "cleaningFee" text, "taxAmount" text, "channelCommissionAmount" text,
    "airbnbExpectedPayoutAmount" text, "remainingBalance" text, "insertedOn" text, "reservationUnit" jsonb
)
