CREATE TABLE experiments.unit_days (
  experiment_id STRING NOT NULL COMMENT 'Key, with metric, user_id and ds.',
  metric STRING NOT NULL COMMENT 'Base quantity: messages.',
  user_id STRING NOT NULL COMMENT 'Keyed hash. [pii: pseudonym]',
  arm STRING NOT NULL COMMENT 'Arm of the first exposure.',
  first_exposure_ds DATE NOT NULL COMMENT 'UTC date of the first exposure, within the window.',
  excluded STRING COMMENT 'What excludes the user: internal, ineligible, bot, or in_several_arms (exposed to another arm on this day; experiments.unit_totals keeps it from then on); NULL = counts.',
  engaged BOOLEAN NOT NULL COMMENT 'amount > 0 (eq. 9).',
  amount BIGINT NOT NULL COMMENT 'Messages the user sent that UTC day after first exposure.',
  ds DATE NOT NULL COMMENT 'Day, within the window.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'One day of one exposed user of an experiment: a row for every day from the first exposure to the end of the window, engaged or not.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'experiment_id, metric, user_id, ds', 'flywheel.write' = 'replace_days',
  'flywheel.pii' = 'pseudonyms', 'flywheel.retention_days' = '400'
);
ALTER TABLE experiments.unit_days ADD CONSTRAINT amount_is_count CHECK (amount >= 0);
ALTER TABLE experiments.unit_days ADD CONSTRAINT engaged_is_amount CHECK ((engaged AND amount > 0) OR (NOT engaged AND amount = 0));
ALTER TABLE experiments.unit_days ADD CONSTRAINT exposed_before CHECK (first_exposure_ds <= ds);
