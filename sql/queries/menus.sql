-- name: put_menu(account_id, name, menu)!
INSERT INTO menus (account_id, name, menu) VALUES (:account_id, :name, :menu)
ON CONFLICT (account_id, name) DO UPDATE SET menu = excluded.menu, updated_at = now();

-- name: get_menu(name, account)$
SELECT menus.menu FROM menus JOIN accounts ON accounts.id = menus.account_id
WHERE menus.name = :name AND accounts.name = :account;

-- name: list_menus(account)
SELECT menus.menu FROM menus JOIN accounts ON accounts.id = menus.account_id
WHERE accounts.name = :account ORDER BY menus.name;

-- name: lock_menu(account_id, name)$
-- A campaign that is just being started with it is waited for: share_menu.
SELECT menu FROM menus WHERE account_id = :account_id AND name = :name FOR UPDATE;

-- name: share_menu(name, account_id)$
SELECT menu FROM menus WHERE account_id = :account_id AND name = :name FOR KEY SHARE;

-- name: campaigns_with_menu(name, account_id)
-- That are not over.
SELECT name, queue FROM campaigns
WHERE account_id = :account_id AND target = 'menu' AND menu = :name AND ended_at IS NULL ORDER BY id;

-- name: remove_menu(account_id, name)!
DELETE FROM menus WHERE account_id = :account_id AND name = :name;
