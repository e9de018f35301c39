-- Did traffic change? Population stability index of each day against the other days of the dataset's window, less what chance alone gives; alarm above 0.25, watch above 0.1.
SELECT
  dataset_id,
  split,
  ds,
  dimension,
  turns,
  levels,
  psi,
  chance,
  psi - chance AS excess,
  CASE WHEN psi - chance > 0.25 THEN 'alarm' WHEN psi - chance > 0.1 THEN 'watch' ELSE 'steady' END AS status
FROM (
  SELECT
    dataset_id, split, ds, dimension,
    max(day_turns) AS turns,
    max(levels) AS levels,
    round(sum((day_share - other_share) * ln(day_share / other_share)), 4) AS psi,
    round((max(levels) - 1) * (1.0 / max(day_turns) + 1.0 / max(other_turns)), 4) AS chance
  FROM (
    SELECT
      dataset_id, split, ds, dimension, levels, day_turns, window_turns - day_turns AS other_turns,
      (turns + 0.5) / (day_turns + 0.5 * levels) AS day_share,
      (level_turns - turns + 0.5) / (window_turns - day_turns + 0.5 * levels) AS other_share
    FROM (
      SELECT
        g.dataset_id, g.split, g.ds, g.dimension, g.day_turns, w.level_turns, w.levels, w.window_turns,
        coalesce(d.turns, 0) AS turns
      FROM (
        SELECT dataset_id, split, ds, dimension, sum(turns) AS day_turns
        FROM curation.composition
        GROUP BY dataset_id, split, ds, dimension
      ) AS g
      JOIN (
        SELECT
          dataset_id, split, dimension, level, sum(turns) AS level_turns,
          count(*) OVER (PARTITION BY dataset_id, split, dimension) AS levels,
          sum(sum(turns)) OVER (PARTITION BY dataset_id, split, dimension) AS window_turns
        FROM curation.composition
        GROUP BY dataset_id, split, dimension, level
      ) AS w
        ON w.dataset_id = g.dataset_id AND w.split = g.split AND w.dimension = g.dimension
      LEFT JOIN (
        SELECT dataset_id, split, ds, dimension, level, sum(turns) AS turns
        FROM curation.composition
        GROUP BY dataset_id, split, ds, dimension, level
      ) AS d
        ON d.dataset_id = g.dataset_id AND d.split = g.split AND d.ds = g.ds AND d.dimension = g.dimension
          AND d.level = w.level
    ) AS counted
  ) AS shares
  WHERE other_turns > 0
  GROUP BY dataset_id, split, ds, dimension
) AS index_of_day
