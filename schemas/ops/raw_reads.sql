CREATE TABLE ops.raw_reads (
  turn_id STRING NOT NULL COMMENT 'Key, with read_ts: the turn whose raw text was shown; of flywheel pull and flywheel sql, table@version and the hash of the filter or statement.',
  turn_ds DATE NOT NULL COMMENT 'Day of the turn.',
  reader STRING NOT NULL COMMENT 'Who asked to see it.',
  read_ts TIMESTAMP NOT NULL COMMENT 'UTC; written before the text is shown.',
  ds DATE NOT NULL COMMENT 'UTC date of read_ts.',
  run_id STRING NOT NULL COMMENT 'Id of the command that showed it.'
) USING delta
COMMENT 'Who was shown raw text, and when; never the text.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'turn_id, read_ts', 'flywheel.write' = 'append',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '3650'
);
