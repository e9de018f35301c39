-- What a person must look at and why: turns in review by day, language and cause (an S category, an identifier type, an error).
-- A turn with two causes counts under both.
SELECT
  ds,
  language,
  split_part(cause, ':', 1) AS kind,
  split_part(cause, ':', 2) AS category,
  count(*) AS in_review
FROM (SELECT ds, language, unnest(reasons) AS cause FROM curation.screened WHERE verdict = 'review')
WHERE NOT cause LIKE 'redacted:%'
GROUP BY ds, language, kind, category
