-- Guests: one row each; where a system knows guests only inside reservations, one row a reservation.
--
-- guest_id: its id in its system, or that of its reservation
-- guest_key: its key for joins: source:account:id
-- full_name: whole name
-- first_name: first name
-- last_name: last name
-- email: address, often one of the channel that forwards
-- phone: number as the guest wrote it
-- language: of the guest, as the system writes it
-- is_identified: false where the guest exists only inside a reservation: the same person may have several rows
SELECT s.source,
    s.account_id,
    s.guest_id,
    s.guest_key,
    s.full_name,
    s.first_name,
    s.last_name,
    s.email,
    s.phone,
    s.language,
    s.is_identified,
    s.source_created_at,
    s.source_updated_at,
    s.first_seen_at,
    s.observed_at,
    s.missing_since,
    s.raw_payload
FROM {sources} AS s
