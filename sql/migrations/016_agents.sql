-- What agents wish to be in the queues (logged in, paused), for daemons to carry out in their Asterisk; and what is told of them.

ALTER TABLE accounts ADD COLUMN pause_reasons text[] NOT NULL DEFAULT '{Break,Lunch,Training,"Back office"}';

ALTER TABLE pbx_agents
    -- By Asterisk's own files: such a member cannot be logged out.
    ADD COLUMN fixed       boolean NOT NULL DEFAULT false,
    -- Out of this queue, since Asterisk began to count.
    ADD COLUMN calls_taken integer NOT NULL DEFAULT 0 CHECK (calls_taken >= 0);
CREATE INDEX pbx_agents_of_interface ON pbx_agents (interface);

CREATE TABLE agent_wishes (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts,
    -- The phone, as the queue names it (PJSIP/1001).
    agent      text NOT NULL,
    action     text NOT NULL CHECK (action IN ('login', 'logout', 'pause', 'unpause')),
    -- The one that was named. NULL: all those of the account.
    queue      text,
    -- Which ones that were at that moment.
    queues     text[] NOT NULL CHECK (queues <> '{}'),
    -- Of a pause. Empty: none was given.
    reason     text NOT NULL DEFAULT '',
    wished_by  text NOT NULL,
    wished_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX agent_wishes_of_agent ON agent_wishes (account_id, agent, id DESC);
CREATE INDEX agent_wishes_newest ON agent_wishes (wished_at);
CREATE TRIGGER agent_wishes_bell AFTER INSERT ON agent_wishes FOR EACH STATEMENT EXECUTE FUNCTION ring_the_bell();

-- What has become of a wish in each Asterisk. No answer after 10 s: it is refused.
CREATE TABLE agent_wish_answers (
    wish_id     bigint NOT NULL REFERENCES agent_wishes ON DELETE CASCADE,
    pbx         text NOT NULL,
    -- elsewhere: this Asterisk has not the queue, or not the agent in it; another one may.
    answer      text NOT NULL CHECK (answer IN ('done', 'refused', 'elsewhere')),
    -- A sentence. Empty: done.
    why         text NOT NULL DEFAULT '',
    answered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (wish_id, pbx)
);
