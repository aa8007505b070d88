-- Gives a value without the queries of the URLs in it, which are new in every answer.
CREATE FUNCTION unsigned_urls(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
AS $$
    SELECT regexp_replace(value::text, '(https?://[^"\\\s?]*)\?[^"\\\s]*', '\1', 'g')::jsonb
$$
