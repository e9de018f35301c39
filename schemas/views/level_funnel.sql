-- Outcomes of the turns of each level: rows by dimension, level, outcome and reason, with their share of the level.
SELECT
  dataset_id,
  split,
  dimension,
  level,
  outcome,
  reason,
  sum(turns) AS turns,
  round(100.0 * sum(turns) / sum(sum(turns)) OVER (PARTITION BY dataset_id, split, dimension, level), 2) AS share_pct
FROM curation.composition
GROUP BY dataset_id, split, dimension, level, outcome, reason
