-- Words that later migrations use: Postgres wants a new word of an enum committed before it is used.

ALTER TYPE lead_state ADD VALUE 'deleted';
ALTER TYPE outcome ADD VALUE 'voicemail' AFTER 'hung_up';
