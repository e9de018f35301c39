-- All datasets: rows asked for and drawn, conversations, characters and languages by split.
SELECT
  s.dataset_id,
  s.split,
  max(c.wanted) AS asked,
  count(*) AS turns,
  count(DISTINCT s.conversation_id) AS conversations,
  count(DISTINCT s.character_id) AS characters,
  count(DISTINCT s.language) AS languages,
  min(s.ds) AS first_day,
  max(s.ds) AS last_day
FROM curation.samples AS s
LEFT JOIN curation.constraints AS c
  ON c.dataset_id = s.dataset_id AND c.split = s.split AND c.dimension = 'size'
GROUP BY s.dataset_id, s.split
