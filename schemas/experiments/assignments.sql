CREATE TABLE experiments.assignments (
  experiment_id STRING NOT NULL COMMENT 'Key, with user_id.',
  user_id STRING NOT NULL COMMENT 'Keyed hash. [pii: pseudonym]',
  arm STRING NOT NULL COMMENT 'Arm of the first exposure.',
  in_several_arms BOOLEAN NOT NULL COMMENT 'The user was seen in more than one arm: readouts drop the user from all.',
  eligible BOOLEAN NOT NULL COMMENT 'Eligible when assigned, as logged; true when not logged.',
  source STRING COMMENT 'user or internal, at first exposure; NULL in rows older than the column.',
  assigned_ts TIMESTAMP COMMENT 'When assigned, UTC; NULL when not logged.',
  first_exposure_ts TIMESTAMP NOT NULL COMMENT 'First exposure event, UTC.',
  ds DATE NOT NULL COMMENT 'UTC date of first_exposure_ts.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'One user of one experiment, from exposure events; also of experiments without a definition, which are not read out.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'experiment_id, user_id', 'flywheel.write' = 'merge_upsert',
  'flywheel.pii' = 'pseudonyms', 'flywheel.retention_days' = '400'
);
