CREATE TABLE experiments.covariates (
  experiment_id STRING NOT NULL COMMENT 'Key, with user_id.',
  user_id STRING NOT NULL COMMENT 'Keyed hash. [pii: pseudonym]',
  arm STRING NOT NULL COMMENT 'Arm of the first exposure.',
  first_exposure_ts TIMESTAMP NOT NULL COMMENT 'As in experiments.assignments.',
  eligible BOOLEAN NOT NULL COMMENT 'As in experiments.assignments.',
  source STRING NOT NULL COMMENT 'user or internal, at first exposure.',
  is_bot BOOLEAN NOT NULL COMMENT 'Sent more than the definition’s bot_messages_per_day on a day before first exposure; nothing after it is looked at.',
  pre_days_engaged INT NOT NULL COMMENT 'Days of the pre-period (experiments.pre_period_days) with a message before first exposure.',
  pre_amount BIGINT NOT NULL COMMENT 'Messages in the pre-period, before first exposure.',
  locale STRING NOT NULL COMMENT 'Of the first exposure, else of the last event before it; und when unknown.',
  language STRING NOT NULL COMMENT 'The locale without its region: en, hi-Latn; und when unknown.',
  surface STRING NOT NULL COMMENT 'Of the first exposure, else of the last event before it; unknown when not logged.',
  tenure STRING NOT NULL COMMENT 'returning when seen on a day of the pre-period, else new.',
  ds DATE NOT NULL COMMENT 'UTC date of first_exposure_ts.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
COMMENT 'What was known of a user when first exposed, for experiments with a definition: segments, the bot rule, what CUPED adjusts by.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'experiment_id, user_id', 'flywheel.write' = 'merge_upsert',
  'flywheel.pii' = 'pseudonyms', 'flywheel.retention_days' = '400'
);
ALTER TABLE experiments.covariates ADD CONSTRAINT known_tenure CHECK (tenure IN ('new', 'returning'));
ALTER TABLE experiments.covariates ADD CONSTRAINT pre_period_counts CHECK (pre_days_engaged >= 0 AND pre_amount >= pre_days_engaged);
