-- The channel that Hostaway's number of a channel or its name of it stands for; `other` for a new one, NULL for none.
CREATE OR REPLACE FUNCTION {core}.hostaway_channel(number bigint, name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN number = 2018 THEN 'airbnb'
    WHEN number IN (2002, 2009, 2010) THEN 'vrbo'
    WHEN number = 2005 THEN 'booking_com'
    WHEN number = 2007 THEN 'expedia'
    WHEN number IN (2000, 2013, 2017) THEN 'direct'
    WHEN number IN (2015, 2016) THEN 'ical'
    WHEN lower(name) IN ('airbnb', 'airbnb2', 'airbnbofficial') THEN 'airbnb'
    WHEN lower(name) IN ('homeaway', 'homeawayical', 'vrbo', 'vrboical') THEN 'vrbo'
    WHEN lower(name) IN ('bookingcom', 'booking') THEN 'booking_com'
    WHEN lower(name) = 'expedia' THEN 'expedia'
    WHEN lower(name) IN ('direct', 'bookingengine', 'wordpress') THEN 'direct'
    WHEN lower(name) = 'manual' THEN 'manual'
    WHEN lower(name) IN ('customical', 'tripadvisorical') THEN 'ical'
    WHEN number IS NOT NULL OR name <> '' THEN 'other'
END;
