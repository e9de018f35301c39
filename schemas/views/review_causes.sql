-- Turns in review by day, language and cause (an S category, an identifier type, an error).
SELECT
  ds,
  language,
  split_part(reason, ':', 1) AS kind,
  split_part(reason, ':', 2) AS category,
  count(*) AS in_review
FROM curation.outcomes
WHERE outcome = 'in_review'
GROUP BY ds, language, split_part(reason, ':', 1), split_part(reason, ':', 2)
