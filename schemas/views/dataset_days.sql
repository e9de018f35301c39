-- Target and achieved shares by day, for every dimension of Table 1: shares of usable turns, of eligible turns and of the sample, and the dataset's target.
SELECT
  c.dataset_id,
  c.split,
  c.ds,
  c.dimension,
  c.level,
  c.usable,
  c.eligible,
  c.selected,
  round(100.0 * c.usable / c.all_usable, 2) AS usable_pct,
  round(100.0 * c.eligible / nullif(c.all_eligible, 0), 2) AS eligible_pct,
  round(100.0 * c.selected / nullif(c.all_selected, 0), 2) AS selected_pct,
  round(100.0 * t.wanted / nullif(t.sample_size, 0), 2) AS target_pct
FROM (
  SELECT
    dataset_id, split, ds, dimension, level,
    sum(turns) AS usable,
    sum(CASE WHEN outcome IN ('selected', 'not_sampled', 'split_leak', 'context_unsafe') THEN turns ELSE 0 END) AS eligible,
    sum(CASE WHEN outcome = 'selected' THEN turns ELSE 0 END) AS selected,
    sum(sum(turns)) OVER (PARTITION BY dataset_id, split, ds, dimension) AS all_usable,
    sum(sum(CASE WHEN outcome IN ('selected', 'not_sampled', 'split_leak', 'context_unsafe') THEN turns ELSE 0 END))
      OVER (PARTITION BY dataset_id, split, ds, dimension) AS all_eligible,
    sum(sum(CASE WHEN outcome = 'selected' THEN turns ELSE 0 END)) OVER (PARTITION BY dataset_id, split, ds, dimension) AS all_selected
  FROM curation.composition
  GROUP BY dataset_id, split, ds, dimension, level
) AS c
LEFT JOIN (
  SELECT dataset_id, split, dimension, level, wanted, sample_size FROM curation.constraints WHERE kind = 'target'
) AS t
  ON t.dataset_id = c.dataset_id AND t.split = c.split AND t.dimension = c.dimension AND t.level = c.level
