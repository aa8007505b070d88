-- Fill the columns that the views of `core` select, whoever writes a row. The schema has the name of the source.
CREATE FUNCTION accounts_core() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.core_account_id := NEW.account_id::text;
    NEW.core_key := TG_TABLE_SCHEMA::text || ':'::text || NEW.account_id::text || ':'::text || NEW.account_id::text;
    RETURN NEW;
END $$;

CREATE FUNCTION listings_core() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.core_account_id := NEW.account_id::text;
    NEW.core_id := NEW.id::text;
    NEW.core_key := TG_TABLE_SCHEMA::text || ':'::text || NEW.account_id::text || ':'::text || NEW.id::text;
    -- The whole payload would be decompressed for each reservation of the listing.
    NEW.time_zone := NEW.raw_payload ->> 'timeZoneName'::text;
    NEW.currency := NEW.raw_payload ->> 'currencyCode'::text;
    RETURN NEW;
END $$;

CREATE FUNCTION reservations_core() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    prefix CONSTANT text := TG_TABLE_SCHEMA::text || ':'::text || NEW.account_id::text || ':'::text;
BEGIN
    NEW.core_account_id := NEW.account_id::text;
    NEW.core_id := NEW.id::text;
    NEW.core_key := prefix || NEW.id::text;
    NEW.core_listing_key := prefix || NEW.listing_id::text;
    NEW.core_unit_key := prefix || (NEW.raw_payload #>> '{reservationUnit,0,listingUnitId}'::text[]);
    RETURN NEW;
END $$;

CREATE FUNCTION conversations_core() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    prefix CONSTANT text := TG_TABLE_SCHEMA::text || ':'::text || NEW.account_id::text || ':'::text;
BEGIN
    NEW.core_account_id := NEW.account_id::text;
    NEW.core_id := NEW.id::text;
    NEW.core_key := prefix || NEW.id::text;
    NEW.core_listing_key := prefix || NEW.listing_id::text;
    NEW.core_reservation_key := prefix || NEW.reservation_id::text;
    RETURN NEW;
END $$;

CREATE FUNCTION conversation_messages_core() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    prefix CONSTANT text := TG_TABLE_SCHEMA::text || ':'::text || NEW.account_id::text || ':'::text;
BEGIN
    NEW.core_account_id := NEW.account_id::text;
    NEW.core_id := NEW.id::text;
    NEW.core_key := prefix || NEW.id::text;
    NEW.core_conversation_key := prefix || NEW.conversation_id::text;
    NEW.core_reservation_key := prefix || NEW.reservation_id::text;
    RETURN NEW;
END $$;

CREATE FUNCTION calendar_days_core() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.core_account_id := NEW.account_id::text;
    NEW.core_listing_key := TG_TABLE_SCHEMA::text || ':'::text || NEW.account_id::text || ':'::text || NEW.listing_id::text;
    RETURN NEW;
END $$;
