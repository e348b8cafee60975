-- Words that the next migration uses: Postgres wants a new word of an enum committed before it is used.

ALTER TYPE dial_mode ADD VALUE 'preview';
ALTER TYPE dial_mode ADD VALUE 'agent_first';
ALTER TYPE attempt_state ADD VALUE 'preparing' BEFORE 'dialing';
ALTER TYPE attempt_state ADD VALUE 'menu' BEFORE 'answered';
ALTER TYPE attempt_state ADD VALUE 'message' AFTER 'queued';
ALTER TYPE outcome ADD VALUE 'menu_choice' AFTER 'voicemail';
ALTER TYPE outcome ADD VALUE 'menu_left' AFTER 'menu_choice';
ALTER TYPE outcome ADD VALUE 'opted_out' AFTER 'menu_left';
