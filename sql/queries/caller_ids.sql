-- name: get_pool(campaign_id)^
SELECT caller_id_pool(campaigns.id, campaigns.account_id) AS pool, accounts.time_zone, now() AS now
FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE campaigns.id = :campaign_id;

-- name: max_pool(campaign_id)$
SELECT accounts.max_pool FROM campaigns JOIN accounts ON accounts.id = campaigns.account_id
WHERE campaigns.id = :campaign_id;

-- name: empty_pool(campaign_id)
DELETE FROM caller_ids WHERE campaign_id = :campaign_id RETURNING *;

-- name: add_to_pool(campaign_id, number, name, type, uses, turn, daily_cap, resting_until)!
INSERT INTO caller_ids (campaign_id, number, name, type, uses, turn, daily_cap, resting_until)
VALUES (:campaign_id, :number, :name, :type, :uses, :turn, :daily_cap, :resting_until);

-- name: lock_pool_number(campaign_id, number)^
SELECT * FROM caller_ids WHERE campaign_id = :campaign_id AND number = :number FOR NO KEY UPDATE;

-- name: set_daily_cap(campaign_id, number, daily_cap)!
UPDATE caller_ids SET daily_cap = :daily_cap WHERE campaign_id = :campaign_id AND number = :number;

-- name: rest_number(campaign_id, number, until)!
UPDATE caller_ids SET resting_until = :until WHERE campaign_id = :campaign_id AND number = :number;

-- name: judge_campaign_anew(campaign_id)!
-- Leads that had to wait for a number may have one now.
UPDATE campaigns SET judge_anew = true WHERE id = :campaign_id;

-- name: judge_account_anew(account_id)!
UPDATE campaigns SET judge_anew = true WHERE account_id = :account_id AND ended_at IS NULL;

-- --- The account's main numbers --------------------------------------------------------------------------------------

-- name: list_account_numbers(account_id)
SELECT number, name FROM account_numbers WHERE account_id = :account_id ORDER BY number;

-- name: share_account_numbers(campaign_id, numbers)
-- Those of these that are numbers of the campaign's account; none of them is taken away before the transaction ends.
SELECT account_numbers.number, account_numbers.name
FROM account_numbers JOIN campaigns ON campaigns.account_id = account_numbers.account_id
WHERE campaigns.id = :campaign_id AND account_numbers.number = ANY (:numbers::text[])
FOR KEY SHARE OF account_numbers;

-- name: add_account_number(account_id, number, name)!
-- Or rename it: the pools that show it say what the account says.
WITH added AS (
    INSERT INTO account_numbers (account_id, number, name) VALUES (:account_id, :number, :name)
    ON CONFLICT (account_id, number) DO UPDATE SET name = excluded.name
)
UPDATE caller_ids SET name = :name
FROM campaigns
WHERE campaigns.id = caller_ids.campaign_id AND campaigns.account_id = :account_id
  AND caller_ids.type = 'account' AND caller_ids.number = :number;

-- name: lock_account_number(account_id, number)^
SELECT number FROM account_numbers WHERE account_id = :account_id AND number = :number FOR UPDATE;

-- name: campaigns_that_show(account_id, number)
-- As a number of the account, and not over yet.
SELECT campaigns.name
FROM caller_ids JOIN campaigns ON campaigns.id = caller_ids.campaign_id
WHERE campaigns.account_id = :account_id AND campaigns.ended_at IS NULL
  AND caller_ids.type = 'account' AND caller_ids.number = :number
ORDER BY campaigns.id;

-- name: remove_account_number(account_id, number)!
-- Also out of the pools of campaigns that are over: one that is completed can be started again.
WITH forgotten AS (
    DELETE FROM caller_ids USING campaigns
    WHERE campaigns.id = caller_ids.campaign_id AND campaigns.account_id = :account_id
      AND caller_ids.type = 'account' AND caller_ids.number = :number
)
DELETE FROM account_numbers WHERE account_id = :account_id AND number = :number;

-- --- Numbers of queues ------------------------------------------------------------------------------------------------

-- name: list_queue_numbers(account_id)
SELECT queue, number, name FROM queue_numbers WHERE account_id = :account_id ORDER BY queue;

-- name: set_queue_number(account_id, queue, number, name)!
INSERT INTO queue_numbers (account_id, queue, number, name) VALUES (:account_id, :queue, :number, :name)
ON CONFLICT (account_id, queue) DO UPDATE SET number = excluded.number, name = excluded.name;

-- name: remove_queue_number(account_id, queue)^
DELETE FROM queue_numbers WHERE account_id = :account_id AND queue = :queue RETURNING queue;

-- --- Which numbers may be shown where -----------------------------------------------------------------------------------

-- name: get_prefixes(account_id)$
SELECT caller_id_prefixes FROM accounts WHERE id = :account_id;

-- name: set_prefixes(account_id, region, prefixes)$
UPDATE accounts SET caller_id_prefixes = caller_id_prefixes || jsonb_build_object(:region::text, :prefixes::text[])
WHERE id = :account_id RETURNING id;

-- name: clear_prefixes(account_id, region)$
-- Whether the country was listed.
UPDATE accounts SET caller_id_prefixes = caller_id_prefixes - :region::text
WHERE id = :account_id AND caller_id_prefixes ? :region::text RETURNING id;
