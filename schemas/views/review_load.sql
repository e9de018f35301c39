-- Turns in review and rejected turns, by day and language, with the share in review.
SELECT
  ds,
  language,
  count(*) AS turns,
  sum(CASE WHEN verdict = 'review' THEN 1 ELSE 0 END) AS in_review,
  sum(CASE WHEN verdict = 'reject' THEN 1 ELSE 0 END) AS rejected,
  round(100.0 * sum(CASE WHEN verdict = 'review' THEN 1 ELSE 0 END) / count(*), 2) AS review_pct
FROM curation.screened
GROUP BY ds, language
