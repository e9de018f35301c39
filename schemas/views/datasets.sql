-- All datasets: rows, conversations, characters and languages by split.
SELECT
  dataset_id,
  split,
  count(*) AS turns,
  count(DISTINCT conversation_id) AS conversations,
  count(DISTINCT character_id) AS characters,
  count(DISTINCT language) AS languages,
  min(ds) AS first_day,
  max(ds) AS last_day
FROM curation.samples
GROUP BY dataset_id, split
