CREATE TABLE annotation.quarantine (
  source_file STRING NOT NULL COMMENT 'Landing file, relative to its landing zone; of an import also the input file. Key, with line.',
  line BIGINT NOT NULL COMMENT 'Line in that file, from 1.',
  reason STRING NOT NULL COMMENT 'Why it is not in annotation.preferences: what is wrong with the line, or screening:... Never text.',
  ds DATE NOT NULL COMMENT 'Day of the batch.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'Landed judgements that are not in annotation.preferences, with the reason. The line itself stays in the landing file.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'source_file, line', 'flywheel.write' = 'replace_days',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '1200'
);
