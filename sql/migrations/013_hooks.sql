-- Retention: whole months of the activity record go at once.

-- The months that have ended by then. A month that has begun later, or reaches over it, stays.
CREATE FUNCTION whole_activity_months(until timestamptz) RETURNS TABLE (month regclass, lines bigint) LANGUAGE plpgsql STABLE AS $$
BEGIN
    FOR month IN
        SELECT inhrelid FROM pg_inherits WHERE inhparent = 'activity'::regclass
    LOOP
        CONTINUE WHEN month::text !~ '^activity_[0-9]{4}_[0-9]{2}$';
        CONTINUE WHEN (to_date(right(month::text, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' > until;
        EXECUTE format('SELECT count(*) FROM %s', month) INTO lines;
        RETURN NEXT;
    END LOOP;
END $$;

-- Drops them; how many lines were in them.
CREATE FUNCTION drop_activity_months(until timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    gone bigint := 0;
    whole record;
BEGIN
    FOR whole IN SELECT * FROM whole_activity_months(until) LOOP
        EXECUTE format('DROP TABLE %s', whole.month);
        gone := gone + whole.lines;
    END LOOP;
    RETURN gone;
END $$;
