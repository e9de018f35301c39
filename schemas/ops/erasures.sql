CREATE TABLE ops.erasures (
  erasure_id STRING NOT NULL COMMENT 'Key, with table_name and user_id.',
  table_name STRING NOT NULL COMMENT 'Table, or landing zone, that rows were erased from; ZONE (not read): what erasure found where landing does not read.',
  user_id STRING NOT NULL COMMENT 'Keyed hash of the user; the name it stands for is not kept.',
  requested_ts TIMESTAMP NOT NULL COMMENT 'When the erasure was asked for. UTC.',
  completed_ts TIMESTAMP NOT NULL COMMENT 'When the last file of the table that held a row of the user was gone. UTC.',
  rows_erased BIGINT NOT NULL COMMENT 'Rows (of a landing zone: lines) that were rewritten away, over all days.',
  oldest_version_kept BIGINT NOT NULL COMMENT 'Versions before it were vacuumed, but for pinned ones without rows of the user. 0 for a landing zone.',
  affected_models ARRAY<STRING> NOT NULL COMMENT 'Registered model versions whose pinned data held the rows.',
  remnants ARRAY<STRING> COMMENT 'What is left there, by path (without ids), and what a person has to do. NULL in rows older than the column.',
  ds DATE NOT NULL COMMENT 'UTC date of completed_ts.',
  run_id STRING NOT NULL COMMENT 'Run that erased.'
) USING delta
COMMENT 'Certificates of erasure: what was removed from where, without what it was.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'erasure_id, table_name, user_id', 'flywheel.write' = 'append',
  'flywheel.pii' = 'pseudonyms', 'flywheel.retention_days' = '3650'
);
