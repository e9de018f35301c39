CREATE TABLE curation.screened_characters (
  character_id STRING NOT NULL COMMENT 'Key, with valid_from.',
  valid_from TIMESTAMP NOT NULL COMMENT 'As in traffic.characters.',
  valid_to TIMESTAMP COMMENT 'As in traffic.characters.',
  is_current BOOLEAN NOT NULL COMMENT 'As in traffic.characters.',
  state STRING COMMENT 'As in traffic.characters.',
  verdict STRING NOT NULL COMMENT 'pass, reject or review.',
  reasons ARRAY<STRING> NOT NULL COMMENT 'Why.',
  redacted_name STRING COMMENT 'NULL unless verdict = pass. [pii: redacted]',
  redacted_traits ARRAY<STRING> COMMENT 'NULL unless verdict = pass. [pii: redacted]',
  redacted_instructions STRING COMMENT 'NULL unless verdict = pass. [pii: redacted]',
  policy_version STRING NOT NULL COMMENT 'Hash of the screening policy.',
  ds DATE NOT NULL COMMENT 'UTC date of valid_from.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'Character versions after Phase I: the only form that anything downstream may join.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'character_id, valid_from', 'flywheel.write' = 'merge_upsert',
  'flywheel.pii' = 'redacted text', 'flywheel.retention_days' = '400'
);
ALTER TABLE curation.screened_characters ADD CONSTRAINT text_only_when_passed CHECK (verdict = 'pass' OR (redacted_name IS NULL AND redacted_instructions IS NULL));
