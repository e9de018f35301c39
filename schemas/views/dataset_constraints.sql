-- What was asked of each dataset and what it got: share before curation, candidates, rows wanted and achieved.
SELECT
  dataset_id,
  split,
  dimension,
  level,
  kind,
  wanted,
  available,
  achieved,
  slack,
  round(100.0 * achieved / sample_size, 2) AS achieved_pct,
  optimality_gap
FROM curation.constraints
