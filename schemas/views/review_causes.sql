-- What a person must look at and why: turns in review by day, language and what decided it (an S category, an identifier type, an error).
SELECT
  ds,
  language,
  split_part(reason, ':', 1) AS kind,
  split_part(reason, ':', 2) AS category,
  count(*) AS in_review
FROM curation.outcomes
WHERE outcome = 'in_review'
GROUP BY ds, language, split_part(reason, ':', 1), split_part(reason, ':', 2)
