CREATE TABLE curation.safety_models (
  model STRING NOT NULL COMMENT 'Registered name. Key, with version.',
  version INT NOT NULL COMMENT 'Registered version.',
  training_rows BIGINT NOT NULL COMMENT 'Labelled rows of users that were trained on.',
  review_at DOUBLE NOT NULL COMMENT 'Probability from which a person looks.',
  reject_at DOUBLE COMMENT 'Probability from which a text is rejected; NULL: never.',
  evaluation_rows BIGINT NOT NULL COMMENT 'Labelled rows of users held apart.',
  pass_error_upper DOUBLE NOT NULL COMMENT 'Unsafe texts among those that pass: 95 % upper bound.',
  reject_error_upper DOUBLE NOT NULL COMMENT 'Safe texts among those that are rejected: 95 % upper bound.',
  review_share DOUBLE NOT NULL COMMENT 'Share of texts that a person must look at.',
  calibration_error DOUBLE NOT NULL COMMENT 'Expected calibration error.',
  ds DATE NOT NULL COMMENT 'UTC date of the training.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'Registered safety classifiers with their errors on users held apart.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'model, version', 'flywheel.write' = 'merge_upsert',
  'flywheel.pii' = 'none', 'flywheel.retention_days' = '1200'
);
