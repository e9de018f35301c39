CREATE TABLE experiments.unit_totals (
  experiment_id STRING NOT NULL COMMENT 'Key, with metric, user_id and as_of_ds.',
  metric STRING NOT NULL COMMENT 'Base quantity: messages.',
  user_id STRING NOT NULL COMMENT 'Keyed hash. [pii: pseudonym]',
  arm STRING NOT NULL COMMENT 'Arm of the first exposure.',
  first_exposure_ds DATE NOT NULL COMMENT 'UTC date of the first exposure.',
  excluded STRING COMMENT 'Why the user does not count as of that day: internal, ineligible, bot, in_several_arms; NULL = counts.',
  days_engaged INT NOT NULL COMMENT 'Days of the window so far with a message after first exposure: the sum in eq. 10.',
  amount BIGINT NOT NULL COMMENT 'S of eq. 12: messages so far after first exposure.',
  as_of_ds DATE NOT NULL COMMENT 'Last day that is counted.',
  ds DATE NOT NULL COMMENT 'The same as as_of_ds.',
  run_id STRING NOT NULL COMMENT 'Run that wrote the row.'
) USING delta
PARTITIONED BY (ds)
COMMENT 'One exposed user of an experiment as of a day of its window: the totals of the day before and that day.'
TBLPROPERTIES (
  'flywheel.root' = 'curated', 'flywheel.key' = 'experiment_id, metric, user_id, as_of_ds', 'flywheel.write' = 'replace_days',
  'flywheel.pii' = 'pseudonyms', 'flywheel.retention_days' = '400'
);
ALTER TABLE experiments.unit_totals ADD CONSTRAINT amount_is_count CHECK (amount >= days_engaged AND days_engaged >= 0);
ALTER TABLE experiments.unit_totals ADD CONSTRAINT exposed_before CHECK (first_exposure_ds <= as_of_ds);
