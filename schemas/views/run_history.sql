-- Last run of each job and unit of work: state, rows, seconds, peak memory.
SELECT job, table_name, ds, scope, state, rows_in, rows_out, seconds, peak_memory_mb, error, run_id, ended_ts
FROM (
  SELECT
    job, table_name, ds, scope, state, rows_in, rows_out, round(seconds, 1) AS seconds,
    round(peak_memory_bytes / 1000000.0, 0) AS peak_memory_mb, error, run_id, ended_ts,
    row_number() OVER (PARTITION BY table_name, ds, scope ORDER BY coalesce(sequence, -1) DESC, ended_ts DESC, run_id DESC) AS recency
  FROM ops.runs
) AS ranked
WHERE recency = 1
