-- Where the turns of each day ended before sampling: one row per day, outcome and reason, with its share of the day.
SELECT
  ds,
  outcome,
  coalesce(reason, '') AS reason,
  count(*) AS turns,
  round(100.0 * count(*) / sum(count(*)) OVER (PARTITION BY ds), 2) AS share_pct
FROM curation.outcomes
GROUP BY ds, outcome, coalesce(reason, '')
