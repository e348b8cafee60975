-- name: add_dnc_number(number, account_id, reason, source)$
-- Whether it is new on that list.
WITH added AS (
    INSERT INTO dnc_numbers (number, account_id, reason, source) VALUES (:number, :account_id, :reason, :source)
    ON CONFLICT DO NOTHING
    RETURNING number
)
SELECT count(*) = 1 FROM added;

-- name: create_dnc_stage()!
CREATE TEMPORARY TABLE staged_dnc_numbers (number text) ON COMMIT DROP;

-- name: add_staged_dnc_numbers(account_id, reason, source)$
WITH added AS (
    INSERT INTO dnc_numbers (number, account_id, reason, source)
    SELECT DISTINCT number, :account_id::bigint, :reason::text, :source::text FROM staged_dnc_numbers
    ON CONFLICT DO NOTHING
    RETURNING number
)
SELECT count(*) FROM added;

-- name: remove_dnc_number(number, account_id)$
WITH removed AS (
    DELETE FROM dnc_numbers WHERE number = :number AND account_id IS NOT DISTINCT FROM :account_id::bigint
    RETURNING number
)
SELECT count(*) = 1 FROM removed;

-- name: is_listed(number, account_id)$
-- Whether a call of this account to the number is forbidden: by its own list or by the one for everybody.
SELECT EXISTS (SELECT FROM dnc_numbers
               WHERE number = :number AND (account_id IS NULL OR account_id = :account_id::bigint));

-- name: count_dnc_numbers(account_id)$
SELECT count(*) FROM dnc_numbers WHERE account_id IS NOT DISTINCT FROM :account_id::bigint;

-- name: search_dnc_numbers(prefix, after, page)
-- Numbers that begin like this, of every list, after the one that the page before ended with.
SELECT * FROM dnc_numbers
WHERE number >= :prefix AND starts_with(number, :prefix) AND number > :after
ORDER BY number, account_id NULLS FIRST LIMIT :page;
