CREATE TABLE ops.runs (
  run_id STRING NOT NULL COMMENT 'Key, with table_name and ds.',
  job STRING NOT NULL COMMENT 'Job that ran.',
  table_name STRING NOT NULL COMMENT 'Table written; the job’s last declared table closes the run.',
  ds DATE NOT NULL COMMENT 'Unit of work: the day (received day for traffic.land, last day of the window for a dataset).',
  scope STRING COMMENT 'dataset_id when the unit is a dataset.',
  started_ts TIMESTAMP NOT NULL COMMENT 'UTC.',
  ended_ts TIMESTAMP NOT NULL COMMENT 'UTC.',
  state STRING NOT NULL COMMENT 'written (this table is committed), succeeded (the whole job is), failed, or killed (recorded by the next run of the job).',
  rows_in BIGINT COMMENT 'Rows read for the day.',
  rows_out BIGINT COMMENT 'Rows of the day in the table after the write.',
  rows_rejected MAP<STRING, BIGINT> COMMENT 'Rows not written, by reason.',
  content_hash STRING COMMENT 'Order-free hash of the day’s rows without run_id: downstream is due again only when it changes.',
  input_versions STRING COMMENT 'JSON: what the day was computed from, table to content hash.',
  input_fingerprint STRING COMMENT 'Hash of input_versions.',
  output_version BIGINT COMMENT 'Delta version the write made.',
  settings_hash STRING COMMENT 'Hash of the settings the job declares.',
  code_version STRING COMMENT 'Git commit, or package version.',
  error STRING COMMENT 'What went wrong and what to do: a message of ours, or type and place of another error; never text of a user.',
  peak_memory_bytes BIGINT COMMENT 'Largest resident memory of driver and workers seen so far in the run.',
  seconds DOUBLE COMMENT 'Wall time from the start of the run to this write.',
  sequence BIGINT COMMENT 'Orders the runs of a unit, whatever a clock said: version of this table before the row was added.'
) USING delta
COMMENT 'One table and unit of work of one run: the ledger.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'run_id, table_name, ds', 'flywheel.write' = 'append',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '400'
);
