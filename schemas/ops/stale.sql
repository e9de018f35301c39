CREATE TABLE ops.stale (
  job STRING NOT NULL COMMENT 'Job that must run again.',
  ds DATE NOT NULL COMMENT 'For this day.',
  cause STRING NOT NULL COMMENT 'late_events, changed_turns, review_decision, split_identifier, erasure, ...',
  marked_ts TIMESTAMP NOT NULL COMMENT 'A run of the job and day that started later clears it. UTC.',
  run_id STRING NOT NULL COMMENT 'Run or command that marked it.',
  mark_id STRING COMMENT 'Id of the mark. NULL in rows that clear one, and in marks of before 2026-12, which are cleared by time.',
  clears STRING COMMENT 'mark_id of the mark that this row clears: the run had seen it when it began.'
) USING delta
COMMENT 'Days that must run again, and why.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'job, ds, marked_ts', 'flywheel.write' = 'append',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '400'
);
