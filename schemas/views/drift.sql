-- Did traffic change? Population stability index of each day against the other days of the window. Each user counts once a day. Levels with fewer than 5 users a day are merged. alarm: more than 0.25 above chance; watch: more than 0.1 above chance.
WITH cells AS (
  SELECT dataset_id, split, dimension, level, ds, sum(users) AS users, sum(turns) AS turns
  FROM curation.composition
  GROUP BY dataset_id, split, dimension, level, ds
), spans AS (
  SELECT dataset_id, split, dimension, count(DISTINCT ds) AS days
  FROM cells
  GROUP BY dataset_id, split, dimension
), frequent AS (
  SELECT c.dataset_id, c.split, c.dimension, c.level
  FROM cells AS c
  JOIN spans AS s ON s.dataset_id = c.dataset_id AND s.split = c.split AND s.dimension = c.dimension
  GROUP BY c.dataset_id, c.split, c.dimension, c.level
  HAVING sum(c.users) >= 5 * max(s.days)
), binned AS (
  SELECT c.dataset_id, c.split, c.dimension, coalesce(f.level, '(rare)') AS level, c.ds, sum(c.users) AS users, sum(c.turns) AS turns
  FROM cells AS c
  LEFT JOIN frequent AS f
    ON f.dataset_id = c.dataset_id AND f.split = c.split AND f.dimension = c.dimension AND f.level = c.level
  GROUP BY c.dataset_id, c.split, c.dimension, coalesce(f.level, '(rare)'), c.ds
), each_day AS (
  SELECT dataset_id, split, dimension, ds, sum(users) AS users, sum(turns) AS turns
  FROM binned
  GROUP BY dataset_id, split, dimension, ds
), each_level AS (
  SELECT
    dataset_id, split, dimension, level, sum(users) AS users,
    count(*) OVER (PARTITION BY dataset_id, split, dimension) AS levels,
    sum(sum(users)) OVER (PARTITION BY dataset_id, split, dimension) AS all_users
  FROM binned
  GROUP BY dataset_id, split, dimension, level
), shares AS (
  SELECT
    d.dataset_id, d.split, d.dimension, d.ds, d.turns, d.users, l.levels, l.all_users - d.users AS other_users,
    (coalesce(b.users, 0) + 0.5) / (d.users + 0.5 * l.levels) AS day_share,
    (l.users - coalesce(b.users, 0) + 0.5) / (l.all_users - d.users + 0.5 * l.levels) AS other_share
  FROM each_day AS d
  JOIN each_level AS l ON l.dataset_id = d.dataset_id AND l.split = d.split AND l.dimension = d.dimension
  LEFT JOIN binned AS b
    ON b.dataset_id = d.dataset_id AND b.split = d.split AND b.dimension = d.dimension AND b.ds = d.ds AND b.level = l.level
), indexed AS (
  SELECT
    dataset_id, split, dimension, ds, max(turns) AS turns, max(users) AS users, max(levels) AS levels,
    sum((day_share - other_share) * ln(day_share / other_share)) AS psi,
    (max(levels) - 1) * (1 / max(users) + 1 / max(other_users)) AS chance,
    sqrt(2.0 * (max(levels) - 1)) * (1 / max(users) + 1 / max(other_users)) AS noise
  FROM shares
  WHERE other_users > 0
  GROUP BY dataset_id, split, dimension, ds
)
SELECT
  dataset_id, split, ds, dimension, turns, round(users, 1) AS users, levels,
  round(psi, 4) AS psi,
  round(chance, 4) AS chance,
  round(psi - chance, 4) AS excess,
  CASE
    WHEN psi - chance > 0.25 AND psi - chance > 3 * noise THEN 'alarm'
    WHEN psi - chance > 0.1 AND psi - chance > 3 * noise THEN 'watch'
    ELSE 'steady'
  END AS status
FROM indexed
