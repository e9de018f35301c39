CREATE TABLE traffic.characters (
  character_id STRING NOT NULL COMMENT 'Key, with valid_from.',
  valid_from TIMESTAMP NOT NULL COMMENT 'Event time of the update that made this version, UTC.',
  name STRING COMMENT 'User-written. [pii: raw]',
  traits ARRAY<STRING> COMMENT 'User-written. [pii: raw]',
  instructions STRING COMMENT 'User-written. [pii: raw]',
  creator_id STRING COMMENT 'Keyed hash of the creator. [pii: pseudonym]',
  state STRING COMMENT 'Publish state: draft, published, reported, removed, ...',
  valid_to TIMESTAMP COMMENT 'When the next version began; NULL = current.',
  is_current BOOLEAN NOT NULL COMMENT 'The version in force.',
  ds DATE NOT NULL COMMENT 'UTC date of valid_from.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'One version of a character; recomputed whole when an update comes late.'
TBLPROPERTIES (
  'flywheel.root' = 'restricted', 'flywheel.key' = 'character_id, valid_from', 'flywheel.write' = 'merge_upsert',
  'flywheel.pii' = 'raw text', 'flywheel.retention_days' = '400'
);
