-- How many leads each campaign has in each state, kept while they change: counting a million of them takes half a second, and people
-- look every second.

-- Sums of changes. Each statement that changes leads adds its own row, and waits for nobody; the daemons sum them up from time to time.
CREATE TABLE lead_tallies (
    campaign_id bigint NOT NULL,
    state       lead_state NOT NULL,
    leads       bigint NOT NULL
);
CREATE INDEX lead_tallies_of_campaign ON lead_tallies (campaign_id);

CREATE FUNCTION tally_leads_added() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lead_tallies SELECT campaign_id, state, count(*) FROM added GROUP BY campaign_id, state;
    RETURN NULL;
END $$;

CREATE FUNCTION tally_leads_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lead_tallies SELECT campaign_id, state, -count(*) FROM removed GROUP BY campaign_id, state;
    RETURN NULL;
END $$;

CREATE FUNCTION tally_leads_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO lead_tallies
    SELECT campaign_id, state, sum(leads)
    FROM (SELECT campaign_id, state, 1 AS leads FROM after UNION ALL SELECT campaign_id, state, -1 FROM before) AS changes
    GROUP BY campaign_id, state HAVING sum(leads) <> 0;
    RETURN NULL;
END $$;

-- The first of these locks the table until the commit, so that the leads of now are counted once.
CREATE TRIGGER leads_tally_added AFTER INSERT ON leads
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tally_leads_added();
CREATE TRIGGER leads_tally_removed AFTER DELETE ON leads
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION tally_leads_removed();
CREATE TRIGGER leads_tally_changed AFTER UPDATE ON leads
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION tally_leads_changed();
INSERT INTO lead_tallies SELECT campaign_id, state, count(*) FROM leads GROUP BY campaign_id, state;

CREATE OR REPLACE FUNCTION lead_counts(of_campaign bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_object_agg(state, leads)
    FROM (SELECT state, sum(leads) AS leads FROM lead_tallies WHERE campaign_id = of_campaign
          GROUP BY state HAVING sum(leads) <> 0) AS counted
$$;

-- One row for each campaign and state in the place of many. Two who do it at a time would wait for each other's rows: the second does nothing.
CREATE FUNCTION sum_up_lead_tallies() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('dialerd lead tallies')) THEN
        RETURN;
    END IF;
    WITH many AS (SELECT campaign_id FROM lead_tallies GROUP BY campaign_id HAVING count(*) > 64),
         summed AS (DELETE FROM lead_tallies USING many WHERE lead_tallies.campaign_id = many.campaign_id
                    RETURNING lead_tallies.*)
    INSERT INTO lead_tallies
    SELECT campaign_id, state, sum(leads) FROM summed GROUP BY campaign_id, state HAVING sum(leads) <> 0;
END $$;
