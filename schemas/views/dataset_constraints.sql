-- Requested and achieved value of each constraint of each dataset: candidates, rows wanted, rows used (with the entry of sampling.relax if the constraint was relaxed), rows achieved.
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
