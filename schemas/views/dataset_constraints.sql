-- What was asked of each dataset and what it got: candidates, rows wanted, rows used and the entry of sampling.relax where a bound gave way, rows achieved.
SELECT
  dataset_id,
  split,
  dimension,
  level,
  kind,
  wanted,
  used,
  relax_order,
  available,
  achieved,
  slack,
  round(100.0 * achieved / sample_size, 2) AS achieved_pct,
  optimality_gap
FROM curation.constraints
