-- Cost of each job: seconds, rows per second, seconds per thousand rows, and peak memory, from the last successful run of each day.
SELECT
  job,
  sum(days) AS days,
  sum(rows_in) AS rows_in,
  round(sum(seconds), 1) AS seconds,
  round(sum(rows_in) / nullif(sum(seconds), 0), 1) AS rows_a_second,
  round(1000.0 * sum(seconds) / nullif(sum(rows_in), 0), 2) AS seconds_a_thousand_rows,
  max(peak_memory_mb) AS peak_memory_mb
FROM (
  SELECT
    job, run_id, count(*) AS days, sum(rows_in) AS rows_in, max(seconds) AS seconds,
    round(max(peak_memory_bytes) / 1000000.0, 0) AS peak_memory_mb
  FROM (
    SELECT
      job, run_id, ds, max(rows_in) AS rows_in, max(seconds) AS seconds, max(peak_memory_bytes) AS peak_memory_bytes,
      row_number() OVER (PARTITION BY job, ds, max(scope) ORDER BY max(coalesce(sequence, -1)) DESC, max(ended_ts) DESC, run_id DESC) AS recency
    FROM ops.runs
    WHERE state = 'succeeded'
    GROUP BY job, run_id, ds
  ) AS by_day
  WHERE recency = 1
  GROUP BY job, run_id
) AS by_run
GROUP BY job
