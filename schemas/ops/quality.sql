CREATE TABLE ops.quality (
  run_id STRING NOT NULL COMMENT 'Key, with table_name and expectation.',
  job STRING NOT NULL COMMENT 'Job that staged the frame.',
  table_name STRING NOT NULL COMMENT 'Table checked.',
  expectation STRING NOT NULL COMMENT 'Expectation type and its column.',
  severity STRING NOT NULL COMMENT 'critical blocks the write; warning is recorded.',
  success BOOLEAN NOT NULL COMMENT 'Held on the staged frame.',
  observed STRING COMMENT 'Counts only, JSON; never values.',
  ds DATE NOT NULL COMMENT 'Last day of the frame.',
  checked_ts TIMESTAMP NOT NULL COMMENT 'UTC.'
) USING delta
COMMENT 'Result of one expectation on one staged frame.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'run_id, table_name, expectation', 'flywheel.write' = 'append',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '400'
);
