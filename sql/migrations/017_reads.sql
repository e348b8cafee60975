-- How many leads each rule holds back or has ended, and when the first of them is due, without looking at each of them: of a million it
-- took half a second, whenever somebody looked at the campaign, or asked why one lead of it is not called.

-- Locks the table until the commit, so that the leads of now are counted once. What a rule puts off costs one entry more; a new lead, and
-- one that is dialed, none.
CREATE INDEX leads_held_until ON leads (campaign_id, held_by, not_before) WHERE not_before IS NOT NULL;

ALTER TABLE lead_tallies ADD COLUMN held_by text;

CREATE OR REPLACE FUNCTION tally_leads_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lead_tallies (campaign_id, state, held_by, leads)
    SELECT campaign_id, state, held_by, count(*) FROM added GROUP BY campaign_id, state, held_by;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tally_leads_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lead_tallies (campaign_id, state, held_by, leads)
    SELECT campaign_id, state, held_by, -count(*) FROM removed GROUP BY campaign_id, state, held_by;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION tally_leads_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lead_tallies (campaign_id, state, held_by, leads)
    SELECT campaign_id, state, held_by, sum(leads)
    FROM (SELECT campaign_id, state, held_by, 1 AS leads FROM after
          UNION ALL SELECT campaign_id, state, held_by, -1 FROM before) AS changes
    GROUP BY campaign_id, state, held_by HAVING sum(leads) <> 0;
    RETURN NULL;
END $$;

TRUNCATE lead_tallies;
INSERT INTO lead_tallies (campaign_id, state, held_by, leads)
SELECT campaign_id, state, held_by, count(*) FROM leads GROUP BY campaign_id, state, held_by;

CREATE OR REPLACE FUNCTION held_counts(of_campaign bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
    RETURN (SELECT jsonb_agg(jsonb_build_array(held_by, leads, until) ORDER BY leads DESC, held_by)
            FROM (SELECT held_by, sum(leads)::bigint AS leads,
                         (SELECT min(not_before) FROM leads
                          WHERE campaign_id = of_campaign AND leads.held_by = tallies.held_by AND not_before IS NOT NULL) AS until
                  FROM lead_tallies AS tallies WHERE campaign_id = of_campaign AND held_by IS NOT NULL
                  GROUP BY held_by HAVING sum(leads) <> 0) AS held);
END $$;

CREATE OR REPLACE FUNCTION sum_up_lead_tallies() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('dialerd lead tallies')) THEN
        RETURN;
    END IF;
    WITH many AS (SELECT campaign_id FROM lead_tallies GROUP BY campaign_id HAVING count(*) > 64),
         summed AS (DELETE FROM lead_tallies USING many WHERE lead_tallies.campaign_id = many.campaign_id
                    RETURNING lead_tallies.*)
    INSERT INTO lead_tallies (campaign_id, state, held_by, leads)
    SELECT campaign_id, state, held_by, sum(leads) FROM summed
    GROUP BY campaign_id, state, held_by HAVING sum(leads) <> 0;
END $$;

-- The recordings of one campaign, the newest first, are not to be looked for among all: each says whose it is.
ALTER TABLE recordings ADD COLUMN campaign_id bigint;
UPDATE recordings SET campaign_id = attempts.campaign_id FROM attempts WHERE attempts.id = attempt_id;
CREATE FUNCTION know_campaign_of_recording() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.campaign_id := (SELECT campaign_id FROM attempts WHERE id = NEW.attempt_id);
    RETURN NEW;
END $$;
CREATE TRIGGER recordings_campaign BEFORE INSERT ON recordings FOR EACH ROW EXECUTE FUNCTION know_campaign_of_recording();
CREATE INDEX recordings_of_campaign ON recordings (campaign_id, recorded_at DESC, attempt_id DESC);
