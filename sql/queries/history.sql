-- name: call_history(account_id, campaign_id, now, length, buckets, longest_call)
-- What happened in each of the last buckets, of one campaign of the account (NULL: of all). Calls are looked for from so long before the
-- first bucket on as a call may take. Those of which all happened in the same buckets are added up first: that leaves few. What was
-- talked up to a bucket's end are the ends of talks that are over by then, and that end for each that goes on, less their beginnings.
WITH span AS MATERIALIZED (
    SELECT now, present, present - (:buckets::integer - 1) * :length::interval AS since
    FROM coalesce(:now::timestamptz, now()) AS now, date_bin(:length::interval, now, 'epoch') AS present
), alike AS MATERIALIZED (
    SELECT count(*) AS calls,
           date_bin(:length::interval, opened_at, 'epoch') AS opened,
           date_bin(:length::interval, answered_at, 'epoch') AS answered,
           date_bin(:length::interval, talk_from, 'epoch') AS talked,
           date_bin(:length::interval, call.ended_at, 'epoch') AS ended,
           count(*) FILTER (WHERE connected_at >= since) AS connected,
           count(*) FILTER (WHERE outcome = 'abandoned') AS abandoned,
           sum(date_part('epoch', talk_from - since)) AS talk_from_s,
           sum(date_part('epoch', talk_until - since)) AS talk_until_s
    FROM span CROSS JOIN campaigns CROSS JOIN LATERAL (
        SELECT opened_at, answered_at, connected_at, ended_at, outcome,
               CASE WHEN connected_at IS NOT NULL THEN least(greatest(connected_at, since), ended_at, now) END AS talk_from,
               CASE WHEN connected_at IS NOT NULL THEN least(ended_at, now) END AS talk_until
        FROM attempts
        WHERE campaign_id = campaigns.id AND opened_at BETWEEN since - :longest_call::interval AND now
          AND (ended_at IS NULL OR ended_at >= since)
        OFFSET 0  -- campaign by campaign, by the index, whatever else there is
    ) AS call
    WHERE account_id = :account_id AND (:campaign_id::bigint IS NULL OR campaigns.id = :campaign_id)
    GROUP BY opened, answered, talked, ended
), began AS (
    SELECT greatest(opened, since) AS begins_at, sum(calls) AS calls, sum(calls) FILTER (WHERE opened >= since) AS placed
    FROM span CROSS JOIN alike GROUP BY 1
), answer AS (
    SELECT answered AS begins_at, sum(calls) AS answered FROM alike GROUP BY 1
), talk AS (
    SELECT talked AS begins_at, sum(calls) AS calls, sum(connected) AS connected, sum(talk_from_s) AS s FROM alike GROUP BY 1
), talk_end AS (
    SELECT least(ended, present) AS begins_at, sum(calls) AS calls, sum(talk_until_s) AS s
    FROM span CROSS JOIN alike WHERE talked IS NOT NULL GROUP BY 1
), finish AS (
    SELECT ended AS begins_at, sum(calls) AS calls, sum(abandoned) AS abandoned FROM alike GROUP BY 1
), total AS (
    SELECT begins_at, placed, answered, connected, abandoned,
           sum(coalesce(began.calls, 0) - coalesce(finish.calls, 0)) OVER up_to_its_end AS in_flight,
           sum(coalesce(talk.calls, 0) - coalesce(talk_end.calls, 0)) OVER up_to_its_end
               * date_part('epoch', begins_at + :length::interval - since)
               + sum(coalesce(talk_end.s, 0) - coalesce(talk.s, 0)) OVER up_to_its_end AS talk_s
    FROM span CROSS JOIN generate_series(since, present, :length::interval) AS begins_at
    LEFT JOIN began USING (begins_at) LEFT JOIN answer USING (begins_at) LEFT JOIN talk USING (begins_at)
    LEFT JOIN talk_end USING (begins_at) LEFT JOIN finish USING (begins_at)
    WINDOW up_to_its_end AS (ORDER BY begins_at)
)
SELECT begins_at, coalesce(placed, 0)::bigint AS placed, coalesce(answered, 0)::bigint AS answered,
       coalesce(connected, 0)::bigint AS connected, coalesce(abandoned, 0)::bigint AS abandoned, in_flight::bigint AS in_flight,
       round((talk_s - lag(talk_s, 1, 0) OVER (ORDER BY begins_at))::numeric, 3)::double precision AS talk_s
FROM total
ORDER BY begins_at;
