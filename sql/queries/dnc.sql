-- name: add_dnc_number(number, account_id, reason, source, added_by, expires_at)$
-- Whether it is new on that list.
WITH added AS (
    INSERT INTO dnc_numbers (number, account_id, reason, source, added_by, expires_at)
    VALUES (:number, :account_id, :reason, :source, :added_by, :expires_at)
    ON CONFLICT DO NOTHING
    RETURNING number
)
SELECT count(*) = 1 FROM added;

-- name: prolong_dnc_number(number, account_id, reason, source, added_by, expires_at)$
-- An entry that ends earlier than this one is replaced by it; whether there was such a one.
WITH prolonged AS (
    UPDATE dnc_numbers
    SET reason = :reason, source = :source, added_by = :added_by, expires_at = :expires_at, added_at = now()
    WHERE number = :number AND account_id IS NOT DISTINCT FROM :account_id::bigint
      AND expires_at < coalesce(:expires_at::timestamptz, 'infinity')
    RETURNING number
)
SELECT count(*) = 1 FROM prolonged;

-- name: create_dnc_stage()!
CREATE TEMPORARY TABLE staged_dnc_numbers (
    number     text COLLATE "C",
    reason     text,
    source     text,
    expires_at timestamptz
) ON COMMIT DROP;

-- name: count_dnc_stage()!
-- Tell the planner how much there is: without that it takes ten million numbers for two hundred.
ANALYZE staged_dnc_numbers;

-- name: add_staged_dnc_numbers(account_id, added_by)^
-- Of several rows with one number the one that lasts longest counts.
WITH added AS (
    INSERT INTO dnc_numbers (number, account_id, reason, source, added_by, expires_at)
    SELECT DISTINCT ON (number) number, :account_id::bigint, reason, source, :added_by::text, expires_at
    FROM staged_dnc_numbers
    ORDER BY number, expires_at DESC NULLS FIRST
    ON CONFLICT DO NOTHING
    RETURNING 1
)
SELECT (SELECT count(*) FROM staged_dnc_numbers) AS staged, (SELECT count(*) FROM added) AS added;

-- name: prolong_staged_dnc_numbers(added_by, account_id)^
-- Entries that end earlier than the staged ones are replaced by these; how many. After add_staged_dnc_numbers, in a statement of its
-- own: so it also sees what others have added while that one ran.
WITH prolonged AS (
    UPDATE dnc_numbers
    SET reason = staged.reason, source = staged.source, added_by = :added_by::text, expires_at = staged.expires_at, added_at = now()
    FROM (SELECT DISTINCT ON (number) * FROM staged_dnc_numbers ORDER BY number, expires_at DESC NULLS FIRST) AS staged
    WHERE dnc_numbers.number = staged.number AND dnc_numbers.account_id IS NOT DISTINCT FROM :account_id::bigint
      AND dnc_numbers.expires_at < coalesce(staged.expires_at, 'infinity')
    RETURNING 1
)
SELECT count(*) AS prolonged FROM prolonged;

-- name: remove_dnc_number(number, account_id)$
WITH removed AS (
    DELETE FROM dnc_numbers WHERE number = :number AND account_id IS NOT DISTINCT FROM :account_id::bigint
    RETURNING number
)
SELECT count(*) = 1 FROM removed;

-- name: is_listed(number, account_id)$
-- Whether a call of this account to the number is forbidden: by its own list or by the one for everybody.
SELECT EXISTS (SELECT FROM dnc_numbers
               WHERE number = :number AND (account_id IS NULL OR account_id = :account_id::bigint)
                 AND (expires_at IS NULL OR expires_at > now()));

-- name: entries_in_force(number, account_id)
-- What forbids a call of this account to the number: nothing, an entry, or one on either list.
SELECT number, account_id, reason, source, added_by, added_at, expires_at FROM dnc_numbers
WHERE number = :number AND (account_id IS NULL OR account_id = :account_id::bigint)
  AND (expires_at IS NULL OR expires_at > now())
ORDER BY account_id NULLS FIRST;

-- name: count_dnc_numbers(account_id)$
SELECT count(*) FROM dnc_numbers WHERE account_id IS NOT DISTINCT FROM :account_id::bigint;

-- name: search_dnc_numbers(prefix, below, after, wanted, account_id, page)
-- Of the account's list and of everybody's: numbers that begin with the prefix, which are all below `below`, after the one that the
-- page before ended with. Where both lists have the page's last number, both entries are on it.
-- The limits inside, more than a page may have, let the planner see that a few rows of an index are enough: it does not know :page.
-- A text is looked for entry by entry.
SELECT number, account_id, reason, source, added_by, added_at, expires_at
FROM ((SELECT * FROM dnc_numbers
       WHERE account_id IS NULL AND number >= :prefix AND number < :below AND number > :after
         AND (:wanted::text = '' OR strpos(lower(reason || chr(10) || source), (SELECT lower(:wanted))) > 0)
       ORDER BY number LIMIT 10001)
      UNION ALL
      (SELECT * FROM dnc_numbers
       WHERE account_id = :account_id::bigint AND number >= :prefix AND number < :below AND number > :after
         AND (:wanted::text = '' OR strpos(lower(reason || chr(10) || source), (SELECT lower(:wanted))) > 0)
       ORDER BY number LIMIT 10001)) AS entries
ORDER BY number
FETCH FIRST (:page::bigint) ROWS WITH TIES;

-- name: list_dnc_numbers(account_id, after, page)
-- Exactly that list, by number, expired entries too. Limits: see search_dnc_numbers.
SELECT number, account_id, reason, source, added_by, added_at, expires_at
FROM ((SELECT * FROM dnc_numbers WHERE account_id IS NULL AND :account_id::bigint IS NULL AND number > :after
       ORDER BY number LIMIT 10000)
      UNION ALL
      (SELECT * FROM dnc_numbers WHERE account_id = :account_id::bigint AND number > :after
       ORDER BY number LIMIT 10000)) AS entries
ORDER BY number LIMIT :page;

-- name: purge_dnc_numbers(account_id, after, page)^
-- Remove what has expired among the next numbers of exactly that list: how many, and the page's last number (NULL: it was the end).
-- Limits: see search_dnc_numbers.
WITH page AS (
    SELECT number
    FROM ((SELECT number FROM dnc_numbers WHERE account_id IS NULL AND :account_id::bigint IS NULL AND number > :after
           ORDER BY number LIMIT 10000)
          UNION ALL
          (SELECT number FROM dnc_numbers WHERE account_id = :account_id::bigint AND number > :after
           ORDER BY number LIMIT 10000)) AS entries
    ORDER BY number LIMIT :page
), purged AS (
    DELETE FROM dnc_numbers USING page
    WHERE dnc_numbers.number = page.number AND account_id IS NOT DISTINCT FROM :account_id::bigint AND expires_at <= now()
    RETURNING 1
)
SELECT (SELECT max(number) FROM page) AS last, (SELECT count(*) FROM purged) AS purged;
