-- Sounds that people bring along, and what the web needs to tell of cards and recordings.

-- Each is converted to what Asterisk plays (WAV, 8 kHz, mono, 16 bit), and placed by every daemon where its Asterisk finds it.
CREATE TABLE media (
    account_id  bigint NOT NULL REFERENCES accounts,
    name        text COLLATE "C" NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$'),
    content     bytea NOT NULL,
    sha256      text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    duration_s  double precision NOT NULL CHECK (duration_s > 0),
    -- What people should know of it: that it is quiet, or distorted.
    notes       text[] NOT NULL DEFAULT '{}',
    uploaded_by text NOT NULL,
    uploaded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, name)
);
-- It is compressed sound to no compressor's gain: kept as it is, beside the row.
ALTER TABLE media ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE TRIGGER media_bell AFTER INSERT OR UPDATE OR DELETE ON media FOR EACH STATEMENT EXECUTE FUNCTION ring_the_bell();

-- A card lies before an agent: whoever waits for it is told to look. On a channel of its own, since the daemons know.
CREATE FUNCTION tell_of_card() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('dialerd_cards', NEW.agent);
    RETURN NULL;
END $$;
CREATE TRIGGER offers_card AFTER INSERT ON offers FOR EACH ROW EXECUTE FUNCTION tell_of_card();

-- The recordings of an account are listed the newest first.
CREATE INDEX recordings_newest ON recordings (recorded_at DESC, attempt_id DESC);
