-- Gives a payload without what does not describe its object: volatile keys, and the queries of signed URLs.
CREATE FUNCTION comparable_payload(payload jsonb, volatile_keys text[], signed_keys text[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    SELECT CASE
        WHEN jsonb_typeof(payload) <> 'object' THEN '{}'
        WHEN signed_keys = '{}' OR NOT payload ?| signed_keys THEN payload - volatile_keys
        ELSE (payload - volatile_keys) || (
            SELECT jsonb_object_agg(key, unsigned_urls(payload -> key))
            FROM unnest(signed_keys) AS key WHERE payload ? key
        )
    END
$$
