CREATE TABLE traffic.quarantine (
  source_file STRING NOT NULL COMMENT 'Landing file, relative to the landing root. Key, with line.',
  line BIGINT NOT NULL COMMENT 'Line (JSONL) or row (Parquet) in that file, from 1.',
  reason STRING NOT NULL COMMENT 'Why it was refused; never raw text.',
  received_ts TIMESTAMP COMMENT 'When it was received, if that could be read.',
  ds DATE NOT NULL COMMENT 'Received day.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'Landed lines that are not events, with the reason. The line itself stays in the landing file.'
TBLPROPERTIES (
  'flywheel.root' = 'restricted', 'flywheel.key' = 'source_file, line', 'flywheel.write' = 'replace_days',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '90'
);
